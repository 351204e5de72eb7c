"""Tests of `pg_archiver.domain`."""
