"""The policies and Variables of the acceptance tests: one client for each thing that is tried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from dev.stack import BUCKET, DATABASE_CONNECTION

WRONG_PASSWORD = "wrong_password"
NO_CONNECTION = "not_there"
NO_POOL = "no_pool"
SECRET = "open-sesame-7391"
CONFIDED = "confided"
# Two databases of two servers whose procedures are run; the second server is started by the test that has it.
PROCESSED, MEASURED = "processed", "measured"
SECOND_CLUSTER = "second_cluster"
# The first server once more, where a person approves each job.
APPROVED, APPROVING = "approved", "approving"
# The second server once more, whose policies are rows of a table of its database `postgres`.
RETAINED, RETAINING = "postgres", "retaining"
# The first server once more, where functions run for what changes in tables, by a login of their own.
WATCHED, WATCHING, FUNCTIONS_LOGIN = "watched", "watching", "functions"
PROCEDURES, SECOND_PROCEDURES = "procedures", "second_procedures"

# Of all instances: where one of them has no pool for maintenance, no run of that DAG ends.
CONNECTIONS = (
    DATABASE_CONNECTION,
    SECOND_CLUSTER,
    APPROVING,
    WATCHING,
    RETAINING,
    WRONG_PASSWORD,
    NO_CONNECTION,
    NO_POOL,
)

# N as a person might write it, none of which may delete anything.
BAD_DAYS = {
    "bad-abc": "abc",
    "bad-empty": "",
    "bad-float": "1.5",
    "bad-minus": "-2",
    "bad-null": "null",
    "bad-huge": "1" + "0" * 12,
}

WITH_DATABASE = [
    "plain",
    "rehearsed",
    "late",
    "past",
    "twice",
    "cleared",
    "limited",
    "kept",
    "returned",
    "Quoted 'n' /100%{x} ü",
    "misspelt",
    "ended",
    "killed",
    CONFIDED,
    *BAD_DAYS,
    "no-bucket",
    "family",
    "bloated",
    "asked",
    "unasked",
    "grandfathered",
    "switched-off",
    "locked-away",
    "by-variable",
    "spoiled",
    "barred",
    "spotted",
    "parted",
    "chained",
    "untimed",
    "of-one-task",
    "little",
    "versioned",
    "previewed",
    PROCESSED,
    APPROVED,
    WATCHED,
]
# Their tables are made by the test that walks through them, which needs other ones than the rest.
DEFAULT_DAYS = "default-days"
ALL_DAYS = "all-days"
FIVE_DAYS = "five-days"
WALKED = [DEFAULT_DAYS, ALL_DAYS, FIVE_DAYS]
POOLLESS = "poolless"
# Their own DAGs stay paused: what is tried of them must not need these.
PAUSED = {"previewed", POOLLESS}
BROKEN = "broken"
NO_DATABASE = "no-database"
NAMES = [*WITH_DATABASE, *WALKED, MEASURED, BROKEN, NO_DATABASE, "locked-out", "unconnected", POOLLESS]

_NOW = datetime.now(UTC)
# A daily schedule's last time, long enough ago that unpausing does not start a run of it, as it does within 2.4 hours.
LAST_SCHEDULED = (_NOW - timedelta(hours=6)).replace(minute=0, second=0, microsecond=0)
_DAILY = f"0 {LAST_SCHEDULED.hour} * * *"
# Whenever the tests run, they run within it.
_ALL_DAY = f"{_NOW - timedelta(hours=1):%H:%M}-{_NOW + timedelta(hours=20):%H:%M} UTC"
_RECLAIMED = {"maintenance_window": _ALL_DAY, "reclaim_min_mb": 1}
# However long the tests run, they do not run within it.
_NOT_NOW = f"{_NOW - timedelta(hours=3):%H:%M}-{_NOW - timedelta(hours=2):%H:%M} UTC"
# One window a row: as many tasks as it comes to without the tests' limit, and any space that is free is given back.
_SMALL_WINDOWS: dict[str, object] = {"max_mapped_windows": 100, "reclaim_min_mb": 0}

_BY_HAND: dict[str, object] = {"schedule": None, "max_mapped_windows": 4}
_SPECIAL: dict[str, dict[str, object]] = {
    "past": {"schedule": _DAILY},
    "twice": {"schedule": _DAILY},
    "no-bucket": {"bucket": "no-such-bucket"},
    "ended": {"batch_size": 2},
    "killed": {"max_mapped_windows": 2},
    "plain": {"max_mapped_windows": 100},
    "by-variable": {"keep_days": "variable"},
    # All windows in one task, so that a bad one has neighbours.
    "spoiled": {"max_mapped_windows": 1, "windows_per_task": 24},
    "barred": {"max_mapped_windows": 1, "windows_per_task": 24},
    "spotted": {"max_mapped_windows": 1, "windows_per_task": 24},
    "of-one-task": {"tasks": "one"},
    "little": {"tasks": "auto", "windows_per_task": 24},
    # Documents by their names, of which the two newest events stay.
    "versioned": {
        "tables": [
            {
                "timestamp_column": "triggered_at",
                "keep_days": 0,
                "keep_versions": 2,
                "key_columns": ["name"],
                "version_column": "id",
            }
        ],
    },
    "chained": {"tables": [{"children": ["analytics.events"]}]},
    "bloated": {**_RECLAIMED, "windows_per_task": 24},
    "asked": {**_RECLAIMED, "approve": True},
    DEFAULT_DAYS: {**_SMALL_WINDOWS, "maintenance_window": _ALL_DAY},
    ALL_DAYS: _SMALL_WINDOWS,
    FIVE_DAYS: {**_SMALL_WINDOWS, "maintenance_window": _NOT_NOW},
    PROCESSED: {
        "own_jobs": True,
        "jobs": [{"name": "every few seconds", "action": "call", "procedure": "app.works", "interval": "5s"}],
    },
    MEASURED: {"own_jobs": True},
    APPROVED: {"own_jobs": True},
    WATCHED: {"own_jobs": True, "events": {"conn_id": FUNCTIONS_LOGIN, "lanes": 2, "linger": 3}},
    POOLLESS: {"own_jobs": True},
    # The marks are archived first, then the clicks, whose plan is refused, then the events.
    "family": {
        "max_mapped_windows": 1,
        "windows_per_task": 24,
        "tables": [
            {"children": ["analytics.clicks", "analytics.marks"]},
            {"table": "analytics.clicks", "timestamp_column": "no_such_column", "children": ["analytics.marks"]},
            {"table": "analytics.marks"},
        ],
    },
}

# A scheduler that died is missed after 20 seconds instead of 30, and its tasks are looked for more often. The files of
# the DAGs do not change; to parse all of them each ten seconds took a third of all CPU of these tests.
AIRFLOW = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    "ARCHIVER_FUNCTIONS": str(Path(__file__).parent / "functions"),
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
}

# Nobody has said of these that their rows may leave.
NOT_ENABLED = {"unasked", "grandfathered"}


def _jobs(procedures_conn_id: str, **others: object) -> dict[str, object]:
    calls = {"actions": ["call"], "procedures": ["app.*"], "procedures_conn_id": procedures_conn_id}
    return {**calls, "slots": 2, **others}


_RETENTION: dict[str, object] = {
    "database": RETAINED,
    "databases": [RETAINED, "db1", "db2"],
    "actions": ["archive", "delete"],
    "approve": [],
    "min_keep_days": 0,
    "grace_minutes": 0,
}


_WATCHED: dict[str, object] = {
    "actions": ["function", "delete"],
    "approve": [],
    "min_keep_days": 0,
    "grace_minutes": 0,
    "slots": 1,
}
_ELSEWHERE = {APPROVED, WATCHED}
_OF_FIRST_CONNECTION = [name for name in (*WITH_DATABASE, *WALKED, NO_DATABASE) if name not in _ELSEWHERE]


def _client(name: str) -> dict[str, object]:
    said = {} if name in NOT_ENABLED else {"enabled": True}
    return {"name": name, **said, **_SPECIAL.get(name, {})}


POLICIES = {
    "defaults": {"bucket": BUCKET, **_BY_HAND},
    "instances": [
        {
            "conn_id": DATABASE_CONNECTION,
            # The server's data lie on this very machine.
            "disk": {"path": "/"},
            "jobs": _jobs(PROCEDURES),
            "clients": [
                *map(
                    _client,
                    [name for name in (*WITH_DATABASE, *WALKED, NO_DATABASE) if name not in {APPROVED, WATCHED}],
                ),
                {"name": BROKEN, "keep_dayz": 3},
            ],
        },
        {"conn_id": SECOND_CLUSTER, "jobs": _jobs(SECOND_PROCEDURES), "clients": [_client(MEASURED)]},
        {
            "conn_id": APPROVING,
            "jobs": _jobs(PROCEDURES, actions=["call", "delete"], approve=["call", "delete"]),
            "clients": [_client(APPROVED)],
        },
        {"conn_id": WATCHING, "jobs": _WATCHED, "clients": [_client(WATCHED)]},
        {"conn_id": RETAINING, "jobs": _RETENTION, "clients": []},
        {"conn_id": WRONG_PASSWORD, "clients": [_client("locked-out")]},
        {"conn_id": NO_CONNECTION, "clients": [_client("unconnected")]},
        {"conn_id": NO_POOL, "jobs": _jobs(PROCEDURES), "clients": [_client(POOLLESS)]},
    ],
}
VARIABLES = {
    "archive_keep_days__past": "-1",
    "archive_keep_days__twice": "-1",
    "archive_keep_days__kept": "-1",
    "archive_keep_days__Misspelt": "-1",
    "archive_keep_days__nobody-at-all": "7",
    **{f"archive_keep_days__{name}": value for name, value in BAD_DAYS.items()},
}
