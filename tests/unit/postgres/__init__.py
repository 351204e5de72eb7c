"""Tests of `pg_archiver.postgres`."""
