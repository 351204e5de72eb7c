-- Whether an UPDATE computes stored generated columns though none of their inputs changes: the server does so for all of
-- them as soon as the table has a row trigger BEFORE UPDATE, and looks neither at whether it is enabled nor at whom it
-- belongs to. Of bits, 1 is a row's, 2 is BEFORE, 16 is UPDATE.
SELECT
    ARRAY(
        SELECT attname FROM pg_catalog.pg_attribute
        WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped AND attgenerated = 's'
        ORDER BY attnum
    )::text[] AS columns,
    ARRAY(
        SELECT tgname FROM pg_catalog.pg_trigger
        WHERE tgrelid = %(oid)s AND tgtype & 19 = 19
        ORDER BY tgname
    )::text[] AS triggers
