"""Capture: what it costs an application that its changes become events. `python -m bench.capture` prints the figures.

Each is how many times as long something takes with `archiver.watch` as without, on rows of 300 bytes in a table with a
primary key and an index on a timestamp; beside it stands what is written by hand for the same end, a row trigger that
inserts into an outbox and notifies. All are tried in turn, many times, in the same run: single rows in transactions of
their own by pgbench, and many rows in one statement. The last figure is how many transactions a second 32 writers in 8
databases of one server commit, by how many without notices.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from bench.machine import machine
from bench.place import SETTINGS
from dev.entry import exit_status
from dev.postgres import PostgresServer
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.postgres.session import Session

DATABASES = 8
WRITERS_A_DATABASE = 4
BARE, WATCHED, BY_HAND = "bare", "watched", "by_hand"
WAYS = (BARE, WATCHED, BY_HAND)
_TABLES = """
    CREATE SCHEMA app;
    CREATE TABLE app.{way} (
        id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT now(), name text, data text{key}
    ){partitioned};
    CREATE INDEX ON app.{way} (at);
"""
_PARTITIONS = """
    CREATE TABLE app.{way}_past PARTITION OF app.{way} FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
    CREATE TABLE app.{way}_now PARTITION OF app.{way} FOR VALUES FROM ('2020-01-01') TO ('2100-01-01');
"""
_OUTBOX = """
    CREATE TABLE app.outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now(), operation text, key jsonb
    );
    CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO app.outbox (operation, key) VALUES (TG_OP, jsonb_build_object('id', coalesce(NEW.id, OLD.id)));
        PERFORM pg_notify('outbox', '');
        RETURN NULL;
    END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON app.by_hand FOR EACH ROW EXECUTE FUNCTION app.note();
"""
_JOB = "INSERT INTO archiver.jobs (job_name, action, function_name) VALUES ('bench', 'function', 'bench')"
_ONE = "INSERT INTO app.{way} (name, data) VALUES ('the name of it', repeat('x', 250));\n"
_MANY = (
    "INSERT INTO app.{way} (name, data)"
    " SELECT 'the name of ' || number, repeat('x', 250) FROM generate_series(1, {rows}) AS number"
)
_MANY_UPDATED = "UPDATE app.{way} SET name = name || '.'"
_MANY_DELETED = "DELETE FROM app.{way}"
_TPS = re.compile(r"^tps = ([\d.]+) \(without", re.MULTILINE)


@dataclass(frozen=True)
class Scale:
    """How much is done at a time, and how often."""

    rounds: int = 15
    single_seconds: int = 2
    rows: int = 50_000
    commit_seconds: int = 5


class Capture:
    """A server with a database whose tables are watched in one way each."""

    def __init__(self, server: PostgresServer, scale: Scale) -> None:
        """Measure on this server."""
        self.server = server
        self.scale = scale

    def make(self, name: str, *, partitioned: bool) -> None:
        """Create a database with a table for each way."""
        self.server.create_database(name)
        with Session.connect(lambda: psycopg.connect(**self.server.dsn(name)), name, "archiver bench") as session:
            EventTables(session).migrate()
        with self.server.connect(name) as connection:
            for number, way in enumerate(WAYS):
                text = _TABLES if number == 0 else _TABLES.replace("CREATE SCHEMA app;", "")
                text += _PARTITIONS if partitioned else ""
                key, rule = (
                    (", PRIMARY KEY (id, at)", " PARTITION BY RANGE (at)")
                    if partitioned
                    else (
                        ", PRIMARY KEY (id)",
                        "",
                    )
                )
                connection.execute(text.format(way=way, key=key, partitioned=rule).encode())
            connection.execute(_OUTBOX.encode())
            connection.execute(_JOB)
            connection.execute("SELECT archiver.watch('app.watched', 'bench')")

    def single_x(self, name: str) -> dict[str, list[float]]:
        """How many times as long a transaction of one row takes, by round, for each way but the bare one."""
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(self.scale.rounds):
            for way in _turned(WAYS, number):
                seconds[way].append(1 / self._pgbench([name], _ONE.format(way=way), 1, self.scale.single_seconds))
        return _ratios(seconds)

    def bulk_x(self, name: str, statement: str = _MANY, before: str | None = None) -> dict[str, list[float]]:
        """How many times as long one statement of many rows takes, by round, for each way but the bare one."""
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        with self.server.connect(name) as connection:
            for number in range(self.scale.rounds):
                for way in _turned(WAYS, number):
                    connection.execute(f"TRUNCATE app.{way}, app.outbox, archiver.incoming_events".encode())
                    if before:
                        connection.execute("SET archiver.events = 'off'")
                        connection.execute(before.format(way=way, rows=self.scale.rows).encode())
                        connection.execute("RESET archiver.events")
                    connection.execute("CHECKPOINT")
                    began = time.perf_counter()
                    connection.execute(statement.format(way=way, rows=self.scale.rows).encode())
                    seconds[way].append(time.perf_counter() - began)
        return _ratios(seconds)

    def commits_x(self, names: Sequence[str]) -> list[float]:
        """How many commits a second there are with notices, by how many without, by round: all databases at once."""
        ratios = []
        for number in range(self.scale.rounds):
            tps = {}
            for notify in _turned((True, False), number):
                for name in names:
                    with self.server.connect(name) as connection:
                        connection.execute("UPDATE archiver.capture SET notify = %s", [notify])
                        connection.execute("TRUNCATE app.watched, archiver.incoming_events")
                script = _ONE.format(way=WATCHED)
                tps[notify] = self._pgbench(names, script, WRITERS_A_DATABASE, self.scale.commit_seconds)
            ratios.append(round(tps[True] / tps[False], 3))
        return ratios

    def _pgbench(self, names: Sequence[str], script: str, clients: int, seconds: int) -> float:
        """Transactions a second of so many clients in each of these databases."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "script.sql"
            path.write_text(script, encoding="utf-8")
            running = [
                subprocess.Popen(
                    [
                        self.server.tool("pgbench"),
                        *("--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--time={seconds}"),
                        f"--file={path}",
                    ],
                    env=self.server.tool_environment(name),
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for name in names
            ]
            outputs = [process.communicate()[0] for process in running]
        found = [_TPS.search(output) for output in outputs]
        assert all(found), outputs
        assert not any(process.returncode for process in running), outputs
        return sum(float(one[1]) for one in found if one)


def capture_single_x(capture: Capture) -> dict[str, list[float]]:
    """A transaction of one row."""
    return capture.single_x("plain")


def capture_bulk_x(capture: Capture) -> dict[str, list[float]]:
    """One statement that inserts many rows."""
    return capture.bulk_x("plain")


def capture_bulk_update_x(capture: Capture) -> dict[str, list[float]]:
    """One statement that changes many rows."""
    return capture.bulk_x("plain", _MANY_UPDATED, _MANY)


def capture_bulk_delete_x(capture: Capture) -> dict[str, list[float]]:
    """One statement that deletes many rows."""
    return capture.bulk_x("plain", _MANY_DELETED, _MANY)


def capture_partitioned_single_x(capture: Capture) -> dict[str, list[float]]:
    """A transaction of one row into a partitioned table."""
    return capture.single_x("partitioned")


def capture_partitioned_bulk_x(capture: Capture) -> dict[str, list[float]]:
    """One statement that inserts many rows into a partitioned table."""
    return capture.bulk_x("partitioned")


def commits_8_databases_x(capture: Capture) -> dict[str, list[float]]:
    """Commits of 32 writers in 8 databases, with notices by without."""
    return {WATCHED: capture.commits_x([f"commits{number}" for number in range(DATABASES)])}


FIGURES: dict[str, Callable[[Capture], dict[str, list[float]]]] = {
    function.__name__: function
    for function in (
        capture_single_x,
        capture_bulk_x,
        capture_bulk_update_x,
        capture_bulk_delete_x,
        capture_partitioned_single_x,
        capture_partitioned_bulk_x,
        commits_8_databases_x,
    )
}


@contextmanager
def started(folder: Path, scale: Scale, figures: Sequence[str]) -> Iterator[Capture]:
    """Start a server that keeps what was committed, with the databases that these figures want."""
    with PostgresServer(folder, SETTINGS) as server:
        capture = Capture(server, scale)
        if any("partitioned" in figure for figure in figures):
            capture.make("partitioned", partitioned=True)
        if any("partitioned" not in figure for figure in figures):
            capture.make("plain", partitioned=False)
        if commits_8_databases_x.__name__ in figures:
            with server.connect() as connection:
                for number in range(DATABASES):
                    connection.execute(f"CREATE DATABASE commits{number} TEMPLATE plain".encode())
        yield capture


def measured(capture: Capture, figures: Sequence[str]) -> dict[str, Any]:
    """The medians of these figures, and what they are made of."""
    result: dict[str, Any] = {"runs": {}}
    for figure in figures:
        ratios = FIGURES[figure](capture)
        result["runs"][figure] = ratios
        for way, values in ratios.items():
            result[figure if way == WATCHED else f"{figure}_{way}"] = round(statistics.median(values), 2)
        told = {
            way: f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})"
            for way, values in ratios.items()
        }
        print(f"{figure}: {told}, load {os.getloadavg()[0]:.1f}", flush=True)
    return result


def _turned(ways: Sequence[Any], number: int) -> Sequence[Any]:
    """The same in another order each round."""
    start = number % len(ways)
    return [*ways[start:], *ways[:start]]


def _ratios(seconds: dict[str, list[float]]) -> dict[str, list[float]]:
    return {
        way: [round(one / bare, 3) for one, bare in zip(values, seconds[BARE], strict=True)]
        for way, values in seconds.items()
        if way != BARE
    }


def main() -> int:
    """Measure what is asked for, all by default, and print it as JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of {', '.join(FIGURES)}")
    parser.add_argument("--rounds", type=int, default=Scale.rounds)
    parser.add_argument("--rows", type=int, default=Scale.rows)
    parser.add_argument("--seconds", type=int, default=Scale.single_seconds, help="of each run of single rows")
    arguments = parser.parse_args()
    if unknown := set(arguments.figures) - set(FIGURES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    figures = arguments.figures or list(FIGURES)
    scale = Scale(arguments.rounds, arguments.seconds, arguments.rows)
    with TemporaryDirectory(prefix="capture-") as folder, started(Path(folder), scale, figures) as capture:
        result = measured(capture, figures) | {"machine": machine(capture.server)}
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main))
