-- Takes out the rows that meet one in the table under the same key. `own` are those that this very run put there.
WITH met AS (
    DELETE FROM pg_temp.archiver_staged AS staged
    USING {table} AS live
    WHERE ({staged_key}) = ({live_key})
    RETURNING staged.{position} AS number
)
SELECT count(*) AS rows, count(*) FILTER (WHERE number <@ ANY (%(own)s::int8multirange[])) AS own FROM met
