"""Tests of `pg_archiver.ledger`."""
