"""Tests of `pg_archiver.policies`."""
