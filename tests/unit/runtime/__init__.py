"""Tests of `pg_archiver.runtime`."""
