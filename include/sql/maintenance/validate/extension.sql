-- Whether amcheck can be installed, and whether it is.
SELECT
    EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'amcheck') AS available,
    EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'amcheck') AS installed
