"""Tests of `pg_archiver.objects`."""
