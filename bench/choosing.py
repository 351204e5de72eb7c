"""One look at very many jobs that are all new and all due, in a process of its own that has not imported Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import psycopg

from bench.job_databases import CONTROL, NOOP, PROCEDURES_LOGIN, JobDatabases
from dev.airflow_environment import base_environment
from dev.peak_memory import read_peak_mb
from dev.stack import DATABASE_CONNECTION, PROJECT_ROOT
from pg_archiver.jobs.choose import plan_jobs
from pg_archiver.jobs.source import JobConnections, JobsSource
from pg_archiver.policies.yaml_file import load
from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.postgres.session import Session

_AnySession = TypeVar("_AnySession", bound=Session)


def looks(databases: JobDatabases, folder: Path, jobs: int, times: int) -> dict[str, list[dict[str, float]]]:
    """Returns the seconds and the peak memory of looks, by what there was to do.

    `first` and `choose`: so many new jobs are checked, planned and taken, all of them due; at the first time the tables
    for their runs are made in each of the databases. `idle`: nothing is new and nothing is due.
    """
    _look(databases, folder, 0)  # makes the tables of jobs
    found: dict[str, list[dict[str, float]]] = {"first": [], "choose": [], "idle": []}
    for key in ("first", *["choose"] * times):
        databases.delete_jobs()
        databases.insert(jobs, NOOP)
        found[key].append(_look(databases, folder, jobs))
        if key == "choose":
            found["idle"].append(_look(databases, folder, 0))
    databases.delete_jobs()
    return found


def look_at_policies(databases: JobDatabases, folder: Path, jobs: int, times: int) -> list[dict[str, float]]:
    """Returns the same of looks at so many new policies in a table, one of which is refused, and alone."""
    _look(databases, folder, 0)
    found = []
    for _ in range(times):
        databases.delete_jobs()
        databases.insert_policies(jobs)
        found.append(_look(databases, folder, jobs - 1, refused=1))
    databases.delete_jobs()
    return found


def _look(databases: JobDatabases, folder: Path, expected: int, refused: int = 0) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.choosing"],
        input=json.dumps({"postgres": databases.server.dsn(), "policies": str(databases.write_policies(folder))}),
        env=base_environment(folder / "home", PROJECT_ROOT),
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    problems = answer.pop("problems")
    assert len(problems) == refused, problems
    assert answer.pop("claims") == expected
    return dict(answer)


def look_here() -> None:
    """Looks once, and prints how long it took and the most memory that this process held before and after."""
    work = json.loads(sys.stdin.read())
    dsn = work["postgres"]
    connections = JobConnections(
        partial(_opened, Session, dsn),
        partial(_opened, ProceduresSession, {**dsn, "user": PROCEDURES_LOGIN}),
        open_table=_open_nothing,
        open_bucket=_open_nothing,
        find_stop=lambda _: None,
    )
    instance = load(Path(work["policies"])).jobs[DATABASE_CONNECTION]
    source = JobsSource(instance, CONTROL)
    before = read_peak_mb()
    started = time.monotonic()
    found = plan_jobs(source, connections, run_id=f"bench/{os.getpid()}", most=100_000, has_ended=lambda _: False)
    seconds = time.monotonic() - started
    answer = {"claims": len(found.claims), "problems": list(map(str, found.problems))}
    print(json.dumps({**answer, "seconds": round(seconds, 2), "before_mb": before, "peak_mb": read_peak_mb()}))


def _open_nothing(*_: object) -> NoReturn:
    raise AssertionError("what chooses jobs works on no table")


@contextmanager
def _opened(kind: type[_AnySession], dsn: dict[str, Any], database: str) -> Iterator[_AnySession]:
    with kind.connect(lambda: psycopg.connect(**{**dsn, "dbname": database}), database, "archiver bench") as session:
        yield session


if __name__ == "__main__":
    look_here()
