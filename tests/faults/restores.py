"""Restores that are killed and run again, each in a copy of a database whose archive was made once.

The archive holds what makes a restore hard: rows that changed between export and delete, later generations of the
same hours, late rows, rows that left in two versions, an hour whose delete stopped half-way, and rows that never left.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from pg_archiver.errors import Stopped
from tests.faults.account import Verdict
from tests.faults.archiving import Run
from tests.faults.chance import seeded
from tests.faults.comparing import difference, restored
from tests.faults.kills import Kill, Worker, refuse_survivor
from tests.faults.place import Place, hours_ago
from tests.faults.recorder import Recorder, filled, opened, with_table

HOURS = (50, 51, 52)
ROWS_A_WINDOW = 5
BATCH_SIZE = 2
COPY = "brought_back"


@dataclass(frozen=True)
class Way:
    """How the rows are brought back: into a copy, or into the table itself, and what becomes of conflicts."""

    into: str | None
    on_conflict: str = "skip"

    @property
    def settings(self) -> dict[str, Any]:
        return {"into": self.into, "on_conflict": self.on_conflict}

    def __str__(self) -> str:
        return f"into {'a copy' if self.into else 'the table itself'} ({self.on_conflict})"


INTO_COPY, INTO_ITSELF = Way(COPY), Way(None)
WAYS = (INTO_COPY, INTO_ITSELF)
# Into the table itself no row meets another one, so these come to the same end.
STRICTER_WAYS = (Way(None, "fail"), Way(None, "newest"))


@contextmanager
def archives(server: PostgresServer, s3: RcloneS3) -> Generator[dict[bool, Place]]:
    """Two archived tables, one with a key and one without, each in a database and a bucket of its own."""
    with Place.made(server, s3, "archive-keyed") as keyed, Place.made(server, s3, "archive-keyless") as keyless:
        yield {True: archived(keyed, keyed=True), False: archived(keyless, keyed=False)}


def archived(place: Place, *, keyed: bool) -> Place:
    """A table in the midst of its life."""
    table = with_table(opened(place), "things", keyed=keyed, batch_size=BATCH_SIZE)
    filled(table, [hours_ago(hour - minute / 60) for hour in HOURS for minute in range(1, ROWS_A_WINDOW + 1)])
    run = Run.of(table)
    windows = run.plan()
    run.export(windows)
    run.check(windows)
    change_by_users(table)
    run.delete(windows)
    run.settle()
    if keyed:
        put_back_and_change(table)
    insert(table, range(200, 200 + ROWS_A_WINDOW), HOURS[-1] + 1)
    insert(table, range(300, 302), 1)
    delete_half(run)
    return table


def change_by_users(place: Place) -> None:
    """Of the first hour a row is changed, one moved and one deleted, and the second one gets a late row."""
    with place.server.connect(place.database) as connection:
        user = Recorder(connection, place)
        user.update([1], "changed before the delete")
        user.move([2], hours_ago(HOURS[1] - 0.5), "moved before the delete")
        user.delete([3])
        user.insert([100], [hours_ago(HOURS[1] - 0.25)], "late", [None])


def put_back_and_change(place: Place) -> None:
    """Rows of both hours come back, one of each is changed, and they leave again: two versions of a row have left.

    Only in a table with a key are they known for versions of one row.
    """
    run = Run.of(place)
    run.restore()
    with place.server.connect(place.database) as connection:
        user = Recorder(connection, place)
        user.update([1, 6], "changed after it came back")
        user.move([7], hours_ago(HOURS[0] - 0.5), "moved after it came back")
    run.settle()


def insert(place: Place, ids: range, hour: float) -> None:
    """Rows of one hour, which have just been written."""
    with place.server.connect(place.database) as connection:
        moments = [hours_ago(hour - minute / 60) for minute in range(1, len(ids) + 1)]
        Recorder(connection, place).insert(ids, moments, f"written into hour {hour}", [None for _ in ids])


def delete_half(run: Run) -> None:
    """Archives what is due, and stops each window's delete after its first batch."""
    windows = run.plan()
    run.export(windows)
    run.check(windows)
    for window in windows:
        asked = iter((False, True))
        with suppress(Stopped):
            run.delete([window], lambda asked=asked: next(asked, True))  # type: ignore[misc]


@contextmanager
def cloned(archive: Place, name: str) -> Iterator[Place]:
    """A copy of the archive's database; the bucket is the same, since no restore writes to it."""
    names = {"copy": sql.Identifier(name), "archive": sql.Identifier(archive.database)}
    with archive.server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {copy} TEMPLATE {archive}").format(**names))
    try:
        yield replace(archive, database=name)
    finally:
        with archive.server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {copy} WITH (FORCE)").format(**names))


def points(worker: Worker, archive: Place, way: Way) -> list[str]:
    """Every point that a whole restore comes by, in order."""
    with cloned(archive, "recorded") as place:
        answer = worker.run(place, restore=way.settings)
    assert answer["status"] == 0, answer
    met: list[str] = answer["points"]
    return met


def choices(met: list[str], archive: Place, way: Way) -> list[Kill]:
    """Each point once, at any of its occurrences."""
    choice = seeded(f"{archive.database} {way}")
    return [Kill(point, choice.randint(1, met.count(point))) for point in dict.fromkeys(met)]


def killed(
    worker: Worker, archive: Place, name: str, way: Way, kill: Kill | None = None, instant: float | None = None
) -> Verdict:
    """Kills one restore, runs it plainly again, and compares.

    Raises:
        NotReached: the restore ended before it was to be killed.
    """
    with cloned(archive, name) as place:
        refuse_survivor(worker.run(place, kill, instant, way.settings), kill)
        return finished(place, way, name)


def finished(place: Place, way: Way, name: str) -> Verdict:
    """What is in the target when the restore was run to its end as a retry does, and at times once more."""
    choice = seeded(name)
    anew = way.on_conflict == "skip" and choice.random() < 0.5
    first = place.ordered(run_id="another run") if anew else place
    verdict = Verdict(problems=restored(Run.of(first), **way.settings)) + difference(place, way.into)
    if way.on_conflict != "fail" and choice.random() < 0.5:
        verdict += Verdict(problems=restored(Run.of(place), **way.settings)) + difference(place, way.into)
    return verdict
