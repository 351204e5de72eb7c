-- Every row of the partition beside its line on the lists that were checked: the same place, version and key. Rows
-- without a line are in no object; lines without a row speak of rows that changed since or are gone.
SELECT
    count(*) FILTER (WHERE exported.position IS NULL) AS uncovered,
    coalesce(
        range_agg(int8range(exported.position, exported.position, '[]')) FILTER (WHERE target.ctid IS NULL), '{{}}'
    )::text AS missing
FROM {partition} AS target
FULL JOIN pg_temp.archiver_keys AS exported
    ON target.xmin = exported.version AND ({target_place}) = ({exported_place})
    AND {same_key}
