-- Whether two rows of a key have the same version.
SELECT EXISTS (
    SELECT FROM {table} AS target
    WHERE ROW({usable}) IS NOT NULL
    GROUP BY {usable}
    HAVING count(*) > 1
) AS found
