-- A new version of each row with the same content. The server puts it on the same page while there is room, else on
-- the page that the free space map names, which after a VACUUM is the first one with room enough.
UPDATE ONLY {table} AS moved SET {column} = {own}
WHERE moved.ctid = ANY(%(places)s::tid[])
RETURNING moved.ctid::text AS place, (moved.ctid::text::point)[0]::bigint AS block
