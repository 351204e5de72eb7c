-- A child that is being put under one of these rows holds it FOR KEY SHARE: this waits until that commits, and keeps
-- new ones out until the batch commits. So the snapshot of the statement that follows sees every child there is.
SELECT count(*) AS rows
FROM (
    SELECT FROM {table} AS target
    JOIN pg_temp.archiver_keys AS exported
        ON ({target_place}) = ({exported_place}) AND {same_key}
    WHERE
        exported.position > %(after)s AND exported.position <= %(upto)s
        AND target.xmin = exported.version
        AND target.{column} >= %(start)s AND target.{column} < %(end)s
    FOR UPDATE OF target
) AS locked
