"""Queues worked off by workers in processes of their own: ours, procrastinate's, pgqueuer's, with one INSERT a job."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from bench.environments import peer_python
from dev.airflow_environment import base_environment
from dev.postgres import PostgresServer
from dev.processes import ProcessError
from dev.stack import PROJECT_ROOT
from pg_archiver.ledger.event_queue import ClaimedEvent, EventQueue, LaneScan, Run
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.postgres.functions_session import FunctionsSession
from pg_archiver.postgres.notices_session import NoticesSession
from pg_archiver.postgres.session import Session

INSERT = "INSERT INTO app.sink (event_id) VALUES (%s)"
FUNCTIONS = f'''"""What the benchmark's events run."""

import time

from pg_archiver.events import event_function


@event_function("sink")
def sink(event, db):
    db.execute({INSERT!r}, [event.id])


@event_function("slow_sink")
def slow_sink(event, db):
    time.sleep(0.005)
    db.execute({INSERT!r}, [event.id])
'''
_TABLES = """
    CREATE SCHEMA app;
    CREATE TABLE app.sink (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id bigint, at timestamptz DEFAULT clock_timestamp()
    );
    CREATE TABLE app.source (id bigint PRIMARY KEY, topic int, at timestamptz DEFAULT clock_timestamp());
"""
_FILL = "INSERT INTO app.source (id, topic) SELECT number, number %% 50 FROM generate_series(1, %s) AS number"
TOPICS = ".topic"
TIMEOUT_SECONDS = 1_800.0
CLAIMS_COMPARED = 20
CLAIMED = 60
_numbers = count(1)


@dataclass(frozen=True)
class Queues:
    """A server, and where functions and peers are."""

    server: PostgresServer
    folder: Path
    environments: Path

    def prepare(self) -> None:
        """Writes the functions."""
        self.functions.mkdir(parents=True, exist_ok=True)
        (self.functions / "sinks.py").write_text(FUNCTIONS, encoding="utf-8")

    @property
    def functions(self) -> Path:
        """The folder of functions."""
        return self.folder / "functions"

    @contextmanager
    def database(self, function: str = "sink", **binding: Any) -> Iterator[str]:
        """A database whose table `app.source` is watched; its name."""
        with self.bare_database() as name:
            with Session.connect(lambda: psycopg.connect(**self.server.dsn(name)), name, "archiver bench") as session:
                EventTables(session).migrate()
            given = "".join(f", {setting} => %s" for setting in binding)
            with self.server.connect(name) as connection:
                connection.execute(
                    "INSERT INTO archiver.jobs (job_name, action, function_name) VALUES ('sink', 'function', %s)",
                    [function],
                )
                watch = f"SELECT archiver.watch('app.source', 'sink'::text{given})"
                connection.execute(watch.encode(), list(binding.values()))
            yield name

    @contextmanager
    def bare_database(self) -> Iterator[str]:
        """A database with the two tables; its name."""
        name = f"queue{next(_numbers)}"
        self.server.create_database(name)
        try:
            with self.server.connect(name) as connection:
                connection.execute(_TABLES.encode())
            yield name
        finally:
            with self.server.connect() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def fill(self, name: str, events: int) -> None:
        """Inserts so many rows, each of which is an event."""
        with self.server.connect(name) as connection:
            connection.execute(_FILL, [events])
            connection.execute("CHECKPOINT")

    def ours(self, events: int, function: str = "sink", lanes: int = 1, **binding: Any) -> float:
        """How many events a second workers end, one a lane."""
        with self.database(function, **binding) as name:
            self.fill(name, events)
            running = [self.start_worker(name, lane, lanes) for lane in range(lanes)]
            try:
                seconds = [hear(process) for process in running]
            finally:
                for process in running:
                    process.kill()
            self.refuse_others(name, events)
        return events / max(seconds)

    def procrastinate(self, events: int, concurrency: int) -> float:
        """How many jobs a second procrastinate's worker ends."""
        return self._peer("procrastinate", events, concurrency=concurrency)

    def pgqueuer(self, events: int, batch: int, connections: int) -> float:
        """How many jobs a second pgqueuer's worker ends, with so many connections for the INSERTs."""
        return self._peer("pgqueuer", events, batch=batch, connections=connections)

    def start_delays(self, events: int) -> list[float]:
        """Seconds from each of so many INSERTs to its row in the sink, while a worker lingers."""
        with self.database(topic=TOPICS) as name, self.server.connect(name) as connection:
            self.fill(name, 1)
            process = self.start_worker(name, linger=5.0)
            for number in range(2, events + 2):
                # Out of step with whatever looks at regular times.
                time.sleep(0.3 + number * 0.0137 % 0.1)
                connection.execute("INSERT INTO app.source (id, topic) VALUES (%s, 1)", [number])
            hear(process)
            self.refuse_others(name, events + 1)
            delays = connection.execute(
                "SELECT extract(EPOCH FROM sink.at - source.at)::float"
                " FROM (SELECT at, row_number() OVER (ORDER BY event_id) AS number FROM app.sink) AS sink"
                " JOIN app.source AS source ON source.id = sink.number WHERE source.id > 1"
            ).fetchall()
        return [round(delay, 4) for (delay,) in delays]

    def claims(self, events: int) -> dict[str, float]:
        """Milliseconds of a claim at the beginning and at the end, while another session keeps one snapshot open."""
        with self.database(queue=False) as name, self.server.connect(name) as holder:
            holder.autocommit = False
            holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            holder.execute("SELECT count(*) FROM app.source")
            self.fill(name, events)
            milliseconds, done = self._claim_all(name)
            holder.rollback()
            if done != events:
                raise ProcessError(f"{done} of {events} events were claimed")
        return {
            "first_ms": statistics.median(milliseconds[:CLAIMS_COMPARED]),
            "last_ms": statistics.median(milliseconds[-CLAIMS_COMPARED:]),
            "claims": len(milliseconds),
        }

    def _claim_all(self, name: str) -> tuple[list[float], int]:
        """Takes all in, then claims and ends batch after batch as a worker does; the milliseconds of each claim."""

        def connect() -> psycopg.Connection[Any]:
            return psycopg.connect(**self.server.dsn(name))

        milliseconds: list[float] = []
        done = 0
        with (
            FunctionsSession.connect(connect, name, "bench") as session,
            NoticesSession.connect(connect, name, "bench notes") as notes,
        ):
            while EventQueue(notes).take_in():
                pass
            queue, scan = EventQueue(session), LaneScan(0, 1, ["sink"])
            began = time.monotonic()
            while True:
                if time.monotonic() - began > 1.0:
                    scan.begin_at_front()
                    began = time.monotonic()
                with session.batch():
                    start = time.perf_counter()
                    claim = queue.claim(scan, CLAIMED)
                    spent = (time.perf_counter() - start) * 1000
                    if not claim.events and claim.is_end:
                        return milliseconds, done
                    milliseconds.append(spent)
                    queue.complete([_run(event) for event in claim.events], "bench")
                done += len(claim.events)
                scan.note_done(claim.events)

    def start_worker(self, name: str, lane: int = 0, lanes: int = 1, linger: float = 0.0) -> subprocess.Popen[str]:
        """Starts one of our workers."""
        task = {"lane": lane, "lanes": lanes, "linger": linger, "functions": str(self.functions)}
        return self._start(Path(sys.executable), "bench.event_worker", name, task)

    def _peer(self, peer: str, events: int, **settings: int) -> float:
        python = peer_python(peer, self.environments)
        with self.bare_database() as name:
            task = {"events": events, "insert": INSERT, **settings}
            seconds = hear(self._start(python, f"bench.peers.{peer}_queue", name, task))
            self.refuse_others(name, events)
        return events / seconds

    def _start(self, python: Path, module: str, name: str, task: Mapping[str, Any]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(python), "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=base_environment(self.folder / "home", PROJECT_ROOT),
            cwd=PROJECT_ROOT,
            text=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps({**task, "postgres": self.server.dsn(name)}))
        process.stdin.close()
        process.stdin = None
        return process

    def refuse_others(self, name: str, events: int) -> None:
        """Raises ProcessError where not each event has its one row."""
        with self.server.connect(name) as connection:
            found = connection.execute("SELECT count(*), count(DISTINCT event_id) FROM app.sink").fetchone()
        if found != (events, events):
            raise ProcessError(f"{events} events have left rows and events: {found}")


def hear(process: subprocess.Popen[str]) -> float:
    """The seconds that a worker says it took.

    Raises:
        ProcessError: it failed, or did not end.
    """
    try:
        said, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise ProcessError(f"{process.args!r} did not end within {TIMEOUT_SECONDS:.0f} s") from None
    finally:
        # Also where somebody ends the benchmark.
        process.kill()
    if process.returncode:
        raise ProcessError(f"{process.args!r} ended with {process.returncode}:\n{errors[-2000:]}")
    return float(said.splitlines()[-1])


def _run(event: ClaimedEvent) -> Run:
    return Run(event, datetime.now(UTC), 0.1, None, None)


def turn(ways: Sequence[str], number: int) -> list[str]:
    """The same in another order each round."""
    start = number % len(ways)
    return [*ways[start:], *ways[:start]]
