"""What the statement files of jobs are given where they are tried."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pg_archiver.domain.tables import TableName
from pg_archiver.postgres.statements import Name, TypeName
from tests.support.place import NOW, hours_ago

SCHEMA = 'odd "schema%s"'
ROUTINE = TableName(SCHEMA, "a {routine} %s")
NAMES_OF_JOBS: Mapping[str, Name] = {"routine": ROUTINE, "id_type": TypeName("bigint")}
ROUTINES = {
    "jobs/call/procedure": "PROCEDURE {} (bigint, jsonb) LANGUAGE sql AS ''",
    "jobs/call/function": "FUNCTION {} (bigint, jsonb) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1'",
    "jobs/call/check_procedure": "PROCEDURE {} (jsonb) LANGUAGE sql AS ''",
    "jobs/call/check_function": "FUNCTION {} (jsonb) RETURNS void LANGUAGE sql AS ''",
}
VALUES_OF_JOBS: Mapping[str, object] = {
    "stream": "ledger",
    "told": NOW,
    "job_id": 1,
    "job_name": "j",
    "source": "table",
    "source_database": "d",
    "database": "d",
    "subject": "s",
    "caused_by": "schedule",
    "dry_run": False,
    "worker": None,
    "dag_id": "d",
    "succeeded": True,
    "crashed": False,
    "counts": True,
    "sqlerrcode": None,
    "err_message": None,
    "output": None,
    "ids": [1],
    "keep": timedelta(days=1),
    "keep_of_dags": timedelta(days=1),
    "started_at": hours_ago(2),
    "finished_at": hours_ago(1),
    "next_start": hours_ago(1),
    "definition": "d",
    "reason": None,
    "kept_by": None,
    "highest_version": None,
    "run": 1,
    "run_ids": ["r"],
    "run_now": False,
    "jobs": ["j"],
    "databases": ["d"],
    "job_ids": [1],
    "definitions": ["d"],
    "states": ["idle"],
    "reasons": [None],
    "next_starts": [hours_ago(1)],
    "config": "{}",
    "whole": True,
    "for_check": False,
    "due": hours_ago(1),
    "since": hours_ago(2),
    "at_work": "archiver events at work",
}
