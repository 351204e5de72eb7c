"""Tests of `pg_archiver.preview`."""
