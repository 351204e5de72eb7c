"""The demo's job: a procedure of a client's database that Airflow runs by a login of its own, with statistics."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg import sql

from dev.demo_checks import Check
from dev.demo_clients import EVENT_CLIENTS
from dev.postgres import PostgresServer
from dev.stack import DATABASE_CONNECTION, PROCEDURES_LOGIN, Stack
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import jobs_dag_id

CLIENT = EVENT_CLIENTS[0]
DAG = jobs_dag_id(DATABASE_CONNECTION)
RUNS = 2

_SQL = Path(__file__).parent / "demo_jobs.sql"
_TIMEOUT_SECONDS = 300.0
_STATS = """
    SELECT job_id, job_name, total_runs, total_successes, total_failures, last_run_status, next_start,
        total_rows
    FROM archiver.job_stats WHERE source <> 'dag' AND action <> 'function' ORDER BY source, job_id
"""
_WRONG_DAYS = """
    SELECT count(*) FROM app.events_by_day AS counted
    WHERE events <> (SELECT count(*) FROM analytics.events WHERE triggered_at::date = counted.day)
        AND day > (SELECT min(triggered_at)::date FROM analytics.events)
"""


@dataclass(frozen=True)
class JobStats:
    """What `archiver.job_stats` says of the job."""

    job_id: int
    name: str
    runs: int
    successes: int
    failures: int
    last_status: str | None
    next_start: datetime | None
    rows: int


def set_up_procedure(postgres: PostgresServer) -> None:
    """Make the login for procedures, and the procedure."""
    login = sql.Identifier(PROCEDURES_LOGIN)
    with postgres.connect(CLIENT.database) as connection:
        there = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [PROCEDURES_LOGIN]).rowcount
        if not there:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(login))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(login, sql.Literal(postgres.password)))
        connection.execute(_SQL.read_bytes())


def run_job(stack: Stack) -> Iterator[Check]:
    """Let the job run twice, as a person would ask for it, and yield what must hold then."""
    api = stack.airflow.api()
    api.unpause(DAG)
    api.wait_for_run(DAG, api.trigger(DAG), _TIMEOUT_SECONDS)
    with stack.postgres.connect(CLIENT.database) as connection:
        for number in range(1, RUNS + 1):
            job = read_stats(stack)
            connection.execute("CALL archiver.run_job(%s)", [job.job_id])
            wait_until(lambda: read_stats(stack).runs >= number, f"run {number} of {job.name}", _TIMEOUT_SECONDS, 0.5)  # noqa: B023 (waits for it here)
        found = connection.execute(_WRONG_DAYS).fetchone()
    stats = read_stats(stack)
    counts = f"{stats.runs} runs, {stats.successes} successes, {stats.failures} failures"
    yield Check("the job ran as often as it was asked to", (stats.runs, stats.successes) == (RUNS, RUNS), counts)
    yield Check("and counted every event that is there", found == (0,), f"{found[0] if found else '?'} days are wrong")


def read_stats(stack: Stack) -> JobStats:
    """Return the statistics of the job that the policy file lists.

    Raises LookupError when it is not there.
    """
    found = list_stats(stack)
    if not found:
        raise LookupError(f"archiver.job_stats of {CLIENT.database} has no job of the policy file")
    return found[0]


def list_stats(stack: Stack) -> list[JobStats]:
    """Return the statistics of all jobs, that of the policy file first."""
    with stack.postgres.connect(CLIENT.database) as connection:
        return [JobStats(*row) for row in connection.execute(_STATS).fetchall()]


def job_lines(jobs: Sequence[JobStats]) -> list[str]:
    """Return a table of a line a job: its runs, successes, failures and rows, and when it starts next."""
    cells = [("job", "runs", "successes", "failures", "last", "rows gone", "next start")]
    for stats in jobs:
        start = f"{stats.next_start:%Y-%m-%d %H:%M} UTC" if stats.next_start else "-"
        counts = str(stats.runs), str(stats.successes), str(stats.failures)
        cells.append((f"{CLIENT.name} / {stats.name}", *counts, stats.last_status or "-", f"{stats.rows:,}", start))
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
