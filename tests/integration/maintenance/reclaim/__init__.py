"""Tests of `pg_archiver.maintenance.reclaim`."""
