-- The newest versions first. Which of two exports came later, the server's own numbers tell: its timeline, and in that
-- the first transaction number that the export's snapshot could not see. A clock may go back; it is asked only between
-- different servers, and where the server did not say who it is. Of one window a later generation is always newer.
WITH eras AS (
    SELECT *, max(read_at) OVER (PARTITION BY system) AS era FROM pg_temp.archiver_objects
),
numbered AS (
    SELECT
        tail, cell_start, cell_end, generation,
        row_number() OVER (
            ORDER BY
                era, system, CASE WHEN system IS NOT NULL THEN timeline END NULLS FIRST,
                CASE WHEN system IS NOT NULL THEN unseen END, read_at, cell_start, generation
        ) AS number
    FROM eras
),
raised AS (
    SELECT
        tail, generation, max(number) OVER (PARTITION BY cell_start, cell_end ORDER BY generation) AS number
    FROM numbered
),
placed AS (
    SELECT tail, row_number() OVER (ORDER BY number DESC, generation DESC, tail) AS place FROM raised
)
UPDATE pg_temp.archiver_objects AS object SET place = placed.place FROM placed WHERE placed.tail = object.tail
