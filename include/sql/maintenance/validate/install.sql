-- Into the schema that is ours in any case, since the table's owner may not want it in one of his.
CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA archiver
