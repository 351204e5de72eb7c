"""Tests of `pg_archiver.maintenance.pg_repack`, on a server that has it."""
