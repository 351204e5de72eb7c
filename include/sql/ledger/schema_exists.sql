-- A dry run must not create the ledger, so it asks first. Two lookups: the second needs a right on the schema.
SELECT to_regclass('archiver.migrations') IS NOT NULL AS migrations, to_regclass('archiver.windows') IS NOT NULL AS windows
