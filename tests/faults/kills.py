"""SIGKILL at named points and at random instants of an archive, then a plain rerun and the full check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pg_archiver.objects.object_keys import owner_folder
from tests.faults.account import Account, Verdict
from tests.faults.archive_jobs import settle_job
from tests.faults.archiving import Run
from tests.faults.chance import seeded
from tests.faults.comparing import compared
from tests.faults.place import Place, hours_ago
from tests.faults.recorder import Recorder, family, filled, is_whole, with_children, with_partitions, with_table
from tests.faults.worker import NEXT_TABLE

ROOT = Path(__file__).parents[2]
HOURS = (50, 51)
ROWS_A_WINDOW = 5
BATCH_SIZE = 2
KILLS_AMONG_CHILDREN = 25
_CHILDLESS = len(HOURS) * ROWS_A_WINDOW


# A plain table, one with partitions (the old one alone, where it is detached concurrently, or beside a default one), or
# one with children that leave before it.
# Without an index on the time rows leave by the list, and with one by range.
Shape = Literal["plain", "unindexed", "partitioned", "defaulted", "children"]
SHAPES: tuple[Shape, ...] = get_args(Shape)


_FIRST_LOOK = "partitions/partition_state"


@dataclass(frozen=True)
class Kill:
    """The n-th time that a point is reached."""

    point: str
    occurrence: int
    shape: Shape = "plain"

    def __str__(self) -> str:
        return f"{self.shape} table, {self.point} ({self.occurrence})"


class Worker:
    """The process that forks the children to be killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answer()

    @classmethod
    @contextmanager
    def started(cls, module: str = "tests.faults.worker") -> Iterator[Worker]:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PATH": os.defpath},
        )
        with process:
            yield cls(process)
            assert process.stdin
            process.stdin.close()

    def run(
        self,
        place: Place,
        kill: Kill | None = None,
        instant: float | None = None,
        restore: Mapping[str, Any] | None = None,
        *,
        job: bool = False,
    ) -> dict[str, Any]:
        """One archive in a child, as a job if asked, or the restore that these settings describe.

        With neither kill nor instant it ends by itself, and tells the points it met.
        """
        work = {"restore": None if restore is None else dict(restore), "job": job}
        return self.send(_order(place) | work, kill, instant)

    def send(self, work: Mapping[str, Any], kill: Kill | None = None, instant: float | None = None) -> dict[str, Any]:
        """Any work in a child, which ends as in `run`."""
        assert self._process.stdin
        with tempfile.TemporaryDirectory() as folder:
            notes = Path(folder) / "points.json"
            order = {**work, "notes": str(notes), "instant": instant}
            order["kill"] = [kill.point, kill.occurrence] if kill else None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer = self._answer()
            # One that is killed may have been writing its notes.
            answer["points"] = json.loads(notes.read_text()) if notes.exists() and not answer["killed"] else []
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the worker ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


def _order(place: Place) -> dict[str, Any]:
    return {
        "dsn": place.server.dsn(place.database),
        "s3": {
            "endpoint_url": place.s3.endpoint_url,
            "aws_access_key_id": place.s3.access_key,
            "aws_secret_access_key": place.s3.secret_key,
            "region_name": place.s3.region,
        },
        "work": asdict(place.order),
        "policy": place.policy.model_dump(mode="json", exclude_none=True),
    }


def points(worker: Worker, place: Place, shape: Shape = "plain", *, job: bool = False) -> list[str]:
    """Every point that a whole archive comes by, in order."""
    name = f"recorded_{'job_' if job else ''}{shape}"
    answer = worker.run(prepared(place, name, shape, keyed=True, compression="gzip"), job=job)
    assert answer["status"] == 0, answer
    met: list[str] = answer["points"]
    return met


def choices(met: list[str], shape: Shape = "plain") -> list[Kill]:
    """Each point once at its first occurrence and, where it occurs again, once at a later one.

    Of an archive with partitions only those from the first look at them on, of one without an index those from its list
    on, and of one with children some of those of the table itself; the others are a plain table's.
    """
    if shape == "plain":
        begin = 0
    elif shape == "children":
        begin = _last_index(met, NEXT_TABLE)
    else:
        begin = met.index(f"before {'archive/delete/drop_keys' if shape == 'unindexed' else _FIRST_LOOK}")
    found = []
    for point in dict.fromkeys(met[begin:]):
        times = met.count(point)
        first = met[:begin].count(point) + 1
        found.append(Kill(point, first, shape))
        if times > first:
            found.append(Kill(point, seeded(point).randint(first + 1, times), shape))
    return seeded(shape).sample(found, KILLS_AMONG_CHILDREN) if shape == "children" else found


def _last_index(met: list[str], point: str) -> int:
    return len(met) - 1 - met[::-1].index(point)


def tried(
    worker: Worker,
    place: Place,
    name: str,
    kill: Kill | None = None,
    instant: float | None = None,
    *,
    job: bool = False,
) -> Verdict:
    """Kills one archive of a new table, lets users change rows or not, runs plainly again and checks everything.

    As a job it also compares how many rows all its runs have counted.

    Raises:
        NotReached: the archive ended before it was to be killed.
    """
    choice = seeded(name)
    keyed, compression, users_go_on = choice.random() < 0.5, choice.choice(["gzip", "zstd"]), choice.random() < 0.5
    shape = kill.shape if kill else choice.choice(SHAPES)
    table = prepared(place, name, shape, keyed=keyed, compression=compression)
    account = Account(table)
    refuse_survivor(worker.run(table, kill, instant, job=job), kill)
    account.witness.look(table)
    if users_go_on and (shape != "partitioned" or is_whole(table, name)):
        change_by_users(table)
    verdict = settle_job(table) if job else Verdict()
    Run.of(table).settle()
    verdict += sum((Account(child).check() for child in family(table)[1:]), account.check())
    return verdict + compared(*family(table))


def refuse_survivor(answer: Mapping[str, Any], kill: Kill | None) -> None:
    """Makes sure that the child was killed.

    Raises:
        NotReached: it ended before its instant.
    """
    if not answer["killed"]:
        if answer["status"] or kill:
            raise AssertionError(f"{kill or 'an instant'}: the child ended with status {answer['status']}")
        raise NotReached


class NotReached(Exception):
    """The child was faster than the kill."""


def prepared(place: Place, name: str, shape: Shape, *, keyed: bool, compression: str = "gzip") -> Place:
    """A new table with a few windows, in a database of which no archive is known."""
    forget_archive(place)
    order: dict[str, Any] = {"batch_size": BATCH_SIZE, "compression": compression}
    if shape in {"plain", "unindexed"}:
        table = with_table(place, name, keyed=keyed, **order)
        if shape == "unindexed":
            table.sql(f"DROP INDEX analytics.{name}_triggered_at")
    elif shape == "children":
        table = with_children(place, name, **order)
    else:
        table = with_partitions(place, name, keyed=keyed, default=shape == "defaulted", **order)
    moments = [hours_ago(hour - minute / 60) for hour in HOURS for minute in range(1, ROWS_A_WINDOW + 1)]
    # Bytes that do not compress, so that a window's object takes several parts.
    filled(table, moments, noise=600)
    for child in family(table)[1:]:
        # The last two rows have none that is due: one has a young child, and one none at all.
        filled(child, [*moments[:-2], hours_ago(1)])
    return table


def forget_archive(place: Place) -> None:
    """The database has no ledger, and none has acted for its archive."""
    place.sql("DROP SCHEMA IF EXISTS archiver CASCADE")
    for key in list(place.store.list_keys(owner_folder(place.order.prefix, place.order.client))):
        place.client.delete_object(Bucket=place.bucket, Key=key)


def change_by_users(place: Place) -> None:
    """A change, a move, a deletion and a late row, in whatever the kill left behind."""
    with place.server.connect(place.database) as connection:
        user = Recorder(connection, place)
        children = [Recorder(connection, child) for child in family(place)[1:]]
        for window, hour in enumerate(HOURS):
            first = window * ROWS_A_WINDOW
            user.update([first + 1], f"changed after the kill {hour}")
            user.move([first + 2], hours_ago(HOURS[0] - 0.5), f"moved after the kill {hour}")
            # A row of which a child was archived stays, so that the child has a place to come back to.
            for one in children or [user]:
                one.delete([first + 3])
            user.insert([1000 + hour], [hours_ago(hour - 0.25)], f"late after the kill {hour}", [None])
        for child in children:
            # Only if its parent is still there, which then has to stay.
            if connection.execute(f"SELECT FROM {place.relation} WHERE id = {_CHILDLESS} FOR UPDATE".encode()).rowcount:
                child.insert([_CHILDLESS], [hours_ago(1)], "a first child", [None])
