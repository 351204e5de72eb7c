-- The first migrations of the ledger made this table without streams.
SELECT number
FROM archiver.migrations AS done
WHERE coalesce(to_jsonb(done) ->> 'stream', 'ledger') = %(stream)s
