"""A worker of events as a process of its own, which keeps the last versions; until SIGTERM, or all is worked off."""

from __future__ import annotations

import json
import logging
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from pg_archiver.events.connections import connect_worker
from pg_archiver.events.loading import Functions
from pg_archiver.events.waiting import WorkLimits
from pg_archiver.events.worker import WorkConnections, Worker
from pg_archiver.jobs.event_versions import EventVersions
from pg_archiver.jobs.source import JobConnections, JobsSource
from pg_archiver.policies.jobs import Action
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings
from pg_archiver.postgres.session import Session
from pg_archiver.runtime.stopping import Stop


def main(told: dict[str, Any]) -> None:
    """Work as a task of Airflow does, with these connections instead of Airflow's."""
    stop = Stop()
    signal.signal(signal.SIGTERM, lambda *_: stop.request())
    database, dsn = told["database"], told["dsn"]
    settings = JobsSettings(database=database, actions=(Action.DELETE,), approve=(), grace_minutes=0, min_keep_days=0)
    instance = InstanceJobs("rds_main", settings, (database,), event_databases=frozenset({database}))

    def open_archiver(name: str) -> Any:
        return Session.connect(lambda: psycopg.connect(**{**dsn, "user": told["archive"]}), name, "test", stop=stop)

    def refuse(*_: object) -> Any:
        raise AssertionError

    connections = JobConnections(open_archiver, refuse, refuse, refuse, lambda _table: None)
    limits = WorkLimits(linger_seconds=0.2, waits=not told["until_empty"])
    reached = connect_worker(psycopg.conninfo.make_conninfo(**dsn), limits, stop)
    opened = partial(EventVersions.opened, JobsSource(instance, database), connections)
    reached = WorkConnections(reached.open_functions, reached.open_notes, None, opened)
    logging.info("%s", Worker(reached, Functions(Path(), {}, {}, ()), limits, stop).run())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    main(json.loads(sys.argv[1]))
