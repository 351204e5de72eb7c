-- Everything this program keeps in a client database lives in this schema. It is never dropped.
CREATE SCHEMA IF NOT EXISTS archiver
