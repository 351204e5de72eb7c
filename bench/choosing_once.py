"""One look at the jobs of a database, in a process that has imported what a look needs and nothing else."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import psycopg

from dev.peak_memory import read_peak_mb
from pg_archiver.jobs.choose import plan_jobs
from pg_archiver.jobs.source import JobConnections, JobsSource
from pg_archiver.policies.yaml_file import load
from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.postgres.session import Session

_AnySession = TypeVar("_AnySession", bound=Session)


def main() -> None:
    """Looks once, and prints how long it took and the most memory that this process held before and after."""
    work = json.loads(sys.stdin.read())
    dsn = work["postgres"]
    connections = JobConnections(
        partial(_opened, Session, dsn),
        partial(_opened, ProceduresSession, {**dsn, "user": work["procedures_login"]}),
        open_table=_open_nothing,
        open_bucket=_open_nothing,
        find_stop=lambda _: None,
    )
    source = JobsSource(load(Path(work["policies"])).jobs[work["instance"]], work["database"])
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
    main()
