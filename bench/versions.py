"""Keeping the last versions: what a plan and a delete cost beside bare statements, and how soon they go by events.

A table of ten versions a key, of which three stay. The plan is compared with one pass of `row_number()`, the delete
with one `DELETE USING` of the same rows, alone and behind a bare `FOR SHARE` of the three in the same transaction, and
an archive with one of the same rows by their age, each on a fresh copy.
By events, a worker is at work while pgbench writes versions: `versions_gone_s` is how long one that is superseded is
there, `writers_p99_x` how many times as long a writer's slowest hundredth takes as in a table that nobody watches,
where both are written 1,000 times a second: at a server that is full, whoever adds anything makes all others wait
without bound.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from pg_archiver.archive.pipeline import archive
from pg_archiver.archive.plan import plan
from pg_archiver.archive.run_span import Limits
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.versions import KeepVersions
from pg_archiver.events.connections import connect_worker
from pg_archiver.events.loading import Functions
from pg_archiver.events.waiting import WorkLimits
from pg_archiver.events.worker import WorkConnections, Worker
from pg_archiver.jobs.choose import plan_jobs
from pg_archiver.jobs.event_versions import EventVersions
from pg_archiver.jobs.run import AirflowRun, run_claimed
from pg_archiver.jobs.source import JobConnections, JobsSource
from pg_archiver.ledger.migrations import LedgerTables
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.policies.jobs import Action
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.work_orders import make_order
from pg_archiver.postgres.session import Session
from pg_archiver.purge.due import PurgeOrder
from pg_archiver.purge.purge import purge
from pg_archiver.runtime.stopping import Stop
from pg_archiver.s3.bucket import Bucket
from pg_archiver.versions.superseded import Superseded

DATABASE, TEMPLATE, ARCHIVED, WATCHED = "versions", "versions_template", "versions_archived", "versions_watched"
VERSIONS, KEEP, WRITERS, RATE = 10, 3, 4, 1_000
CONDITION = KeepVersions(KEEP, ("doc_id",), "version", timed=False)
_TABLE = """
    CREATE TABLE docs (doc_id int, version bigint, body text, PRIMARY KEY (doc_id, version));
    INSERT INTO docs SELECT doc, version, repeat('x', 100)
    FROM generate_series(1, {versions}) AS version, generate_series(1, {keys}) AS doc;
    VACUUM ANALYZE docs
"""
_RANKING = """
    SELECT count(*) FILTER (WHERE number > 3)
    FROM (SELECT row_number() OVER (PARTITION BY doc_id ORDER BY version DESC) AS number FROM docs) AS ranked
"""
_DELETE = """
    DELETE FROM docs
    USING (SELECT ctid, row_number() OVER (PARTITION BY doc_id ORDER BY version DESC) AS number FROM docs) AS ranked
    WHERE docs.ctid = ranked.ctid AND number > 3
"""
_LOCK = """
    SELECT count(*)
    FROM (
        SELECT
        FROM docs
        JOIN (SELECT ctid, row_number() OVER (PARTITION BY doc_id ORDER BY version DESC) AS number FROM docs) AS ranked
            ON docs.ctid = ranked.ctid
        WHERE number <= 3
        FOR SHARE OF docs
    ) AS locked
"""
# The superseded seven tenths are old, the newest are of today: by age just the same rows go.
_ARCHIVED = """
    CREATE TABLE docs (doc_id int, version bigint, at timestamp, body text, PRIMARY KEY (doc_id, version));
    CREATE INDEX ON docs (at);
    INSERT INTO docs SELECT
        doc, version,
        CASE WHEN version <= {old} THEN '2026-01-01'::timestamp + version * interval '1 hour' ELSE now() END,
        repeat('x', 300)
    FROM generate_series(1, {versions}) AS version, generate_series(1, {keys}) AS doc;
    VACUUM ANALYZE docs
"""
_WATCHED = """
    CREATE SCHEMA app;
    CREATE SEQUENCE app.versions;
    CREATE TABLE app.docs (
        doc_id int, version bigint DEFAULT nextval('app.versions'), body text, PRIMARY KEY (doc_id, version)
    );
    CREATE TABLE app.bare (LIKE app.docs INCLUDING ALL)
"""
_WRITE = "\\set doc random(1, 1000)\nINSERT INTO app.{table} (doc_id, body) VALUES (:doc, repeat('x', 100));\n"
_CONFIG = {
    "table": "app.docs",
    "keep_days": 0,
    "keep_versions": KEEP,
    "key_columns": ["doc_id"],
    "version_column": "version",
}


@dataclass(frozen=True)
class Scale:
    """How much is done, and how often."""

    keys: int = 100_000
    repeats: int = 3
    seconds: int = 10
    probes: int = 30


def measure(server: PostgresServer, scale: Scale) -> dict[str, Any]:
    """Return the figures, each a median."""
    return {**measure_purge(server, scale), **measure_archive(server, scale), **measure_events(server, scale)}


def measure_archive(server: PostgresServer, scale: Scale) -> dict[str, Any]:
    """Return how an archive of versions compares with one of the same rows by their age."""
    server.create_database(ARCHIVED)
    with server.connect(ARCHIVED) as connection:
        for statement in _ARCHIVED.format(versions=VERSIONS, keys=scale.keys, old=VERSIONS - KEEP).split(";"):
            connection.execute(statement.encode())
    found: dict[str, list[float]] = {"by age": [], "versions": []}
    with TemporaryDirectory() as folder, RcloneS3(Path(folder)) as s3:
        s3.create_bucket(ARCHIVED.replace("_", "-"))
        for number in range(scale.repeats):
            for name, times in found.items():
                _copy(server, ARCHIVED)
                kept = {"keep_versions": KEEP, "key_columns": ["doc_id"], "version_column": "version"}
                own: dict[str, Any] = {**kept, "window_hours": 8784} if name == "versions" else {}
                bucket = Bucket(s3.client(), ARCHIVED.replace("_", "-"))
                policy = TablePolicy(
                    bucket=bucket.name, table="public.docs", timestamp_column="at", prefix=f"{name[:2]}{number}", **own
                )
                began = time.perf_counter()
                rows = _archive(server, bucket, policy)
                times.append(time.perf_counter() - began)
                print(f"versions, archive {name}: {rows:,} rows in {times[-1]:.2f} s", flush=True)
    by_age, versions = (statistics.median(times) for times in found.values())
    return {"keep_versions_archive_x": round(by_age / versions, 2)}


def _archive(server: PostgresServer, bucket: Bucket, policy: TablePolicy) -> int:
    """Return how many rows went."""
    order = make_order("bench", policy, "bench", dry_run=False)
    keep, limits = KeepDays(1 if order.versions is None else 0, "the benchmark"), Limits(datetime.now(UTC), None, None)
    with _session(server, DATABASE) as session:
        WindowLedger(session, order).migrate()
        found = plan(session, bucket, order, policy, keep, limits)
    windows = [window for batch in found.batches for window in batch]
    return archive(lambda _step: _session(server, DATABASE), bucket, order, windows, lambda: False).rows


def measure_purge(server: PostgresServer, scale: Scale) -> dict[str, Any]:
    """Return how a plan and a delete compare with bare statements."""
    server.create_database(TEMPLATE)
    with server.connect(TEMPLATE) as connection:
        for statement in _TABLE.format(versions=VERSIONS, keys=scale.keys).split(";"):
            connection.execute(statement.encode())
    with _session(server, TEMPLATE) as session:
        LedgerTables(session).migrate()
    ways: dict[str, Callable[[PostgresServer], None]] = {
        "pass": partial(_execute, [_RANKING]),
        "plan": _plan,
        "bare delete": partial(_execute, [_DELETE]),
        "bare delete behind the lock": partial(_execute, [_LOCK, _DELETE]),
        "delete": _purge,
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(scale.repeats):
        for name, work in ways.items():
            _copy(server)
            began = time.perf_counter()
            work(server)
            found[name].append(time.perf_counter() - began)
            print(f"versions, {name}: {found[name][-1]:.2f} s", flush=True)
    seconds = {name: statistics.median(times) for name, times in found.items()}
    return {
        "keep_versions_plan_x": round(seconds["plan"] / seconds["pass"], 2),
        "keep_versions_delete_x": round(seconds["bare delete"] / seconds["delete"], 2),
        "keep_versions_delete_locked_x": round(seconds["bare delete behind the lock"] / seconds["delete"], 2),
    }


def measure_events(server: PostgresServer, scale: Scale) -> dict[str, Any]:
    """Return how soon versions go while a worker is at work, and what that costs writers."""
    server.create_database(WATCHED)
    with server.connect(WATCHED) as connection:
        connection.execute(_WATCHED.encode())
    source, connections = _make_job(server)
    with server.connect(WATCHED) as connection, _at_work(server, source, connections):
        gone = [_wait_for_gone(connection, number) for number in range(1, scale.probes + 1)]
        p99: dict[str, list[float]] = {"bare": [], "docs": []}
        for _ in range(scale.repeats):
            for table, found in p99.items():
                times = sorted(_write(server, table, scale.seconds))
                found.append(round(times[int(len(times) * 0.99)] / 1000, 2))
    print(f"versions gone after {gone}; writers' p99 in ms {p99}", flush=True)
    return {
        "versions_gone_s": round(statistics.median(gone), 3),
        "writers_p99_x": round(statistics.median(p99["docs"]) / statistics.median(p99["bare"]), 2),
    }


def _copy(server: PostgresServer, template: str = TEMPLATE) -> None:
    with server.connect() as connection:
        names = {"name": sql.Identifier(DATABASE), "template": sql.Identifier(template)}
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {name}").format(**names))
        connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**names))
        connection.execute("CHECKPOINT")


def _execute(statements: Sequence[str], server: PostgresServer) -> None:
    with server.connect(DATABASE) as connection:
        # What a purge gives its own pass over the table.
        connection.execute("SET work_mem = '64MB'; SET jit = off")
        with connection.transaction():
            for statement in statements:
                connection.execute(statement.encode())


def _order() -> PurgeOrder:
    return PurgeOrder(
        client="bench",
        table=TableName("public", "docs"),
        timestamp_column="at",
        timezone="UTC",
        batch_size=10_000,
        keep=KeepDays(0, "the benchmark"),
        run_id="bench",
        versions=CONDITION,
    )


def _plan(server: PostgresServer) -> None:
    with _session(server, DATABASE) as session:
        Superseded.look(session, _order(), CONDITION).survey(_order().keep)


def _purge(server: PostgresServer) -> None:
    with _session(server, DATABASE) as session:
        purge(session, _order(), lambda: None, lambda _rows: None)


@contextmanager
def _session(server: PostgresServer, database: str) -> Iterator[Session]:
    connect = partial(psycopg.connect, **server.dsn(database))
    with Session.connect(connect, database, "archiver bench") as session:
        yield session


def _refuse(*_: object) -> Any:
    raise AssertionError


def _make_job(server: PostgresServer) -> tuple[JobsSource, JobConnections]:
    """Have the table watched for a job that may act."""
    settings = JobsSettings(database=WATCHED, actions=(Action.DELETE,), approve=(), grace_minutes=0, min_keep_days=0)
    instance = InstanceJobs("bench", settings, (WATCHED,), event_databases=frozenset({WATCHED}))
    source = JobsSource(instance, WATCHED)
    connections = JobConnections(partial(_session, server), _refuse, _refuse, _refuse, lambda _table: None)

    def look() -> None:
        found = plan_jobs(source, connections, run_id="bench/1", most=9, has_ended=lambda _run: True)
        for claim in found.claims:
            run_claimed(claim, source, connections, AirflowRun("bench", "1", "bench"))

    look()
    with server.connect(WATCHED) as connection:
        connection.execute(
            "INSERT INTO archiver.jobs (job_name, action, config) VALUES ('docs', 'delete', %s)", [json.dumps(_CONFIG)]
        )
    look()
    with server.connect(WATCHED) as connection:
        connection.execute("SELECT archiver.watch('app.docs', 'docs', operations => '{INSERT,UPDATE}', merge => true)")
    return source, connections


@contextmanager
def _at_work(server: PostgresServer, source: JobsSource, connections: JobConnections) -> Iterator[None]:
    stop, limits = Stop(), WorkLimits(waits=True)
    reached = connect_worker(make_conninfo(**server.dsn(WATCHED)), limits, stop)
    opened = partial(EventVersions.opened, source, connections)
    reached = WorkConnections(reached.open_functions, reached.open_notes, None, opened)
    thread = Thread(target=Worker(reached, Functions(Path(), {}, {}, ()), limits, stop).run)
    thread.start()
    try:
        yield
    finally:
        stop.request()
        thread.join()


def _wait_for_gone(connection: psycopg.Connection[Any], number: int) -> float:
    """Return how long a version is there that has just been superseded, of a document of its own."""
    insert = "INSERT INTO app.docs (doc_id, body) VALUES (%s, 'x')"
    for _ in range(KEEP):
        connection.execute(insert, [-number])
    first = connection.execute("SELECT min(version) FROM app.docs WHERE doc_id = %s", [-number]).fetchone()
    connection.execute(insert, [-number])
    began = time.perf_counter()
    there = "SELECT 1 FROM app.docs WHERE doc_id = %s AND version = %s"
    while connection.execute(there, [-number, *(first or ())]).fetchone():
        time.sleep(0.005)
    return round(time.perf_counter() - began, 3)


def _write(server: PostgresServer, table: str, seconds: int) -> list[int]:
    """Return the times that writers take, in microseconds."""
    with TemporaryDirectory() as folder:
        script = Path(folder) / "write.sql"
        script.write_text(_WRITE.format(table=table), encoding="utf-8")
        subprocess.run(
            [
                server.tool("pgbench"),
                *("--no-vacuum", "--protocol=prepared", f"--client={WRITERS}", f"--time={seconds}"),
                f"--rate={RATE}",
                *("--log", f"--log-prefix={folder}/times", f"--file={script}"),
            ],
            env=server.tool_environment(WATCHED),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        lines = [line for path in Path(folder).glob("times*") for line in path.read_text().splitlines()]
    return [int(line.split()[2]) for line in lines]
