-- Rows that leave by ranges of time: which of the sub-ranges in the manifest have left, by their numbers, counted from 1, and
-- whether one could not leave whole because its rows were others by then. While a generation is `stored` its deleted_upto
-- stays 0 then, so a program that knows places on a list alone would take rows that left for rows that stayed: it may
-- write here no more. The rows that are there fit and are not looked at: a scan would keep others out for as long.
ALTER TABLE archiver.windows
ADD COLUMN IF NOT EXISTS sub_ranges_gone int4multirange,
ADD COLUMN IF NOT EXISTS range_missed boolean NOT NULL DEFAULT false,
DROP CONSTRAINT IF EXISTS windows_check,
DROP CONSTRAINT IF EXISTS windows_counts,
ADD CONSTRAINT windows_counts CHECK (
    (sub_ranges_gone IS NOT NULL AND deleted_upto = 0 AND deleted_rows <= rows)
    OR (deleted_rows + cardinality(kept_positions) = deleted_upto AND deleted_upto <= coalesce(rows, 0))
) NOT VALID;

UPDATE archiver.lowest_version SET version = 3 WHERE version < 3
