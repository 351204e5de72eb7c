"""Tests of `pg_archiver.airflow`."""
