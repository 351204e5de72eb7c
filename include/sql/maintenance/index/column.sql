SELECT count(*) > 0 AS found
FROM pg_catalog.pg_attribute
WHERE attrelid = %(oid)s AND attname = %(column)s AND attnum > 0 AND NOT attisdropped
