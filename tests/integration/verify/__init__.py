"""Tests of `pg_archiver.verify`."""
