"""SIGKILL at named points and at random instants of a job that takes rows away: what went, where to, and how many.

Each trial has a table of its own, of which some rows are old enough. When later runs have ended what was broken off,
just those have gone: each into an object, or nowhere if the job says `delete`. The counters say how many.
"""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from typing import Any

from dev.s3 import S3Server
from tests.faults.chance import seeded
from tests.faults.job_kills import settle
from tests.faults.job_worker import order_of
from tests.faults.kills import Kill, Worker, refuse_survivor
from tests.support.job_place import JobPlace
from tests.support.table_jobs import TableJobs

# Three windows of old rows, and some that stay; a batch is smaller than a window.
OLD_HOURS, ROWS_AN_HOUR, YOUNG, BATCH_SIZE = (50, 51, 60), 4, 5, 3
OLD = len(OLD_HOURS) * ROWS_AN_HOUR
_TABLE = """
    CREATE TABLE app.{name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, name text);
    INSERT INTO app.{name} (at, name)
    SELECT date_trunc('hour', now()) - make_interval(hours => hour, mins => n), 'row ' || hour || '.' || n
    FROM unnest(ARRAY[{hours}]) AS hour, generate_series(1, {rows}) AS n;
    INSERT INTO app.{name} (at, name) SELECT now(), 'young ' || n FROM generate_series(1, {young}) AS n;
    CREATE INDEX ON app.{name} (at);
    GRANT SELECT, DELETE ON app.{name} TO PUBLIC
"""
_COUNTED = """
    SELECT total_runs, total_successes + total_failures + total_crashes, total_rows FROM archiver.job_state
    WHERE job_id = %s
"""


@dataclass(frozen=True)
class TableTrial:
    """Where trials are made, and by which process."""

    tables: TableJobs
    s3: S3Server
    worker: Worker

    @property
    def place(self) -> JobPlace:
        return self.tables.place

    def points(self, action: str) -> list[str]:
        """Every point that planning and running such a job comes by, in order."""
        name = f"recorded_{action}"
        self._prepare(name, action)
        answer = self._send(name)
        assert answer["status"] == 0, answer
        self._drop(name)
        met: list[str] = answer["points"]
        return met

    def run(self, name: str, action: str, kill: Kill | None = None, instant: float | None = None) -> None:
        """Kills a process that plans and runs the job, goes on as later runs would, and checks everything.

        Raises:
            NotReached: the process ended before it was to be killed.
        """
        number = self._prepare(name, action)
        before = self._rows(name)
        try:
            refuse_survivor(self._send(name, kill, instant), kill)
            settle(self.place, name)
            self._check(name, action, number, before)
        finally:
            self._drop(name)

    def _prepare(self, name: str, action: str) -> int:
        hours = ", ".join(map(str, OLD_HOURS))
        self.place.sql(self.place.target, _TABLE.format(name=name, hours=hours, rows=ROWS_AN_HOUR, young=YOUNG))
        number = self.tables.add(
            action, name, config={"table": f"app.{name}", "batch_size": BATCH_SIZE}, schedule_interval="1 year"
        )
        for claim in self.place.plan(f"{name} rehearsed").claims:
            assert not self.place.run(claim).failed
        self.place.make_due(name)
        return number

    def _send(self, name: str, kill: Kill | None = None, instant: float | None = None) -> dict[str, Any]:
        s3 = {
            "endpoint_url": self.s3.endpoint_url,
            "aws_access_key_id": self.s3.access_key,
            "aws_secret_access_key": self.s3.secret_key,
            "region_name": self.s3.region,
        }
        return self.worker.send({**order_of(self.place), "run_id": name, "s3": s3}, kill, instant)

    def _rows(self, name: str) -> set[tuple[int, str]]:
        return {(row[0], row[1]) for row in self.place.sql(self.place.target, f"SELECT id, name FROM app.{name}")}

    def _check(self, name: str, action: str, number: int, before: set[tuple[int, str]]) -> None:
        left = self._rows(name)
        gone = before - left
        assert left == {row for row in before if row[1].startswith("young")}
        archived = self._archived(name)
        assert archived == (sorted(gone) if action == "archive" else [])
        ((runs, ends, rows),) = self.place.sql(self.place.control, _COUNTED, number)
        assert runs == ends
        ((recorded,),) = self.place.sql(
            self.place.target, "SELECT sum(rows) FROM archiver.job_runs WHERE job_id = %s AND NOT dry_run", number
        )
        assert rows == recorded == OLD == len(gone)

    def _archived(self, name: str) -> list[tuple[int, str]]:
        """The rows in objects of the table that the ledger counts, each as often as it is there."""
        bucket = self.place.bucket
        assert bucket
        found = []
        if not self.place.sql(self.place.target, "SELECT to_regclass('archiver.windows') IS NOT NULL")[0][0]:
            return []
        for (key,) in self.place.sql(
            self.place.target,
            "SELECT object_key FROM archiver.windows WHERE table_name = %s AND state = 'deleted' AND rows > 0",
            name,
        ):
            content = self.s3.client().get_object(Bucket=bucket.name, Key=key)["Body"].read()
            _, *lines = csv.reader(io.StringIO(gzip.decompress(content).decode(), newline=""))
            found += [(int(line[0]), line[2]) for line in lines]
        return sorted(found)

    def _drop(self, name: str) -> None:
        self.place.sql(self.place.control, "DELETE FROM archiver.jobs WHERE job_name = %s", name)
        self.place.sql(self.place.target, f"DROP TABLE IF EXISTS app.{name}")


def choices(met: list[str], number: int | None = None) -> list[Kill]:
    """Each point at its first occurrence, and at a later one if there is one; or so many of them."""
    found = []
    for point in dict.fromkeys(met):
        found.append(Kill(point, 1))
        if (times := met.count(point)) > 1:
            found.append(Kill(point, seeded(point).randint(2, times)))
    return found if number is None else seeded("table jobs").sample(found, min(number, len(found)))
