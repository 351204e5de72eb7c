"""Writers, several archives at once and rewrites of one table, all at the same time; then the full check."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import psycopg
import pytest
from psycopg import errors

from pg_archiver.errors import Interrupted, Refused, Unfinished
from pg_archiver.postgres.session import Session
from tests.faults.account import Account, Verdict
from tests.faults.archive_jobs import settle_job
from tests.faults.archiving import Run
from tests.faults.chance import seeded
from tests.faults.comparing import compared
from tests.faults.place import Place
from tests.faults.recorder import family, with_children, with_table
from tests.faults.writers import ChildWriter, Stream, Writer
from tests.support.archive_jobs import ArchiveJob

WRITERS = 3
ARCHIVERS = 2
# What the ledger says to two runs that begin the same generation; with the lock they cannot.
_TWO_BEGINNINGS = "SQLSTATE 23505"
_WAYS = """
    SELECT manifest ? 'sub_ranges', count(*), sum(deleted_rows)::bigint
    FROM archiver.windows WHERE table_name = %s AND deleted_rows > 0 GROUP BY 1
"""


@dataclass
class Storm:
    """One table under load.

    `during`, if given, is called again and again until the writers are done. `unlocked` takes away the lock that keeps
    two runs off the same window, as if every session had lost it: the lock spares work and guards nothing. With
    `children` another table's rows belong to those of this one, are written as well, and have to leave first. With
    `jobs` the archives are jobs, which end early now and then and count what they did.
    """

    place: Place
    name: str
    seed: str
    operations: int
    keyed: bool
    during: Callable[[], object] | None = None
    unlocked: bool = False
    children: bool = False
    jobs: bool = False
    events: Counter[str] = field(default_factory=Counter)

    def run(self) -> Verdict:
        """The verdict on every version that was committed."""
        if self.children:
            table = with_children(self.place, self.name)
        else:
            table = with_table(self.place, self.name, keyed=self.keyed)
        stream = Stream(self.operations, bool(int(self.place.sql("SHOW max_prepared_transactions")[0][0])))
        account = Account(table, confirmed=stream.confirmed)
        numbers = range(1, WRITERS + 1)
        writers = [Writer(table, stream, number, self.seed, not self.children).work for number in numbers]
        of_children = []
        for child in family(table)[1:]:
            others = Stream(self.operations // WRITERS)
            writers.append(ChildWriter(child, others, WRITERS + 1, self.seed, parents=stream).work)
            of_children.append(Account(child, confirmed=others.confirmed))
        archivers = [lambda number=number: self._archive(table, stream, number) for number in range(ARCHIVERS)]
        works = [
            *writers,
            *archivers,
            lambda: rewrite(table, stream, self.seed, self.events),
            lambda: self._witness(account, stream),
        ]
        with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(max_workers=len(works)) as pool:
            if self.unlocked:
                for lock in ("advisory_lock", "advisory_locks"):
                    patch.setattr(Session, lock, lambda *_, **__: nullcontext())
            running: list[Future[None]] = [pool.submit(work) for work in works]
            while self.during and not stream.over:
                self.during()
            wait(running)
        for work in running:
            work.result()
        self.events["operations that met a row"] = stream.met
        self.events["transactions rolled back"] = stream.rolled_back
        counted = settle_job(table) if self.jobs else Verdict()
        self.events["reruns"] = Run.of(table).settle()
        for by_range, windows, rows in table.sql(_WAYS, table.order.table.name):
            way = "by range" if by_range else "by list"
            self.events[f"windows that went {way}"], self.events[f"rows that went {way}"] = windows, rows
        return counted + sum((one.check() for one in of_children), account.check()) + compared(*family(table))

    def _archive(self, table: Place, stream: Stream, number: int) -> None:
        choice = seeded(f"{self.seed} archiver {number}")
        while not stream.over:
            order = table.ordered(
                run_id=f"run {number}",
                batch_size=choice.choice([1, 3, 20]),
                compression=choice.choice(["gzip", "zstd"]),
            )
            try:
                if self.jobs:
                    self._archive_as_job(order, choice)
                    continue
                for child in Run.of(order).children():
                    self.events["children deleted"] += child.archive()
                deleted = Run.of(order).archive(lambda: time.sleep(choice.random() * 0.2))
                self.events["rows deleted"] += deleted
                self.events["whole runs"] += 1
            except Interrupted as error:
                self.events[type(error).__name__] += 1
            except Refused as error:
                stuck = self.jobs and isinstance(error, Unfinished)
                if not stuck and not (self.unlocked and _TWO_BEGINNINGS in str(error)):
                    raise
                self.events["stuck" if stuck else "overtaken"] += 1

    def _archive_as_job(self, order: Place, choice: random.Random) -> None:
        """A run of each job, of which some are to end after so many questions."""
        for run in (*Run.of(order).children(), Run.of(order)):
            job = ArchiveJob.of(run, max_mapped_windows=choice.choice([1, 100]))
            found = job.archive(stopping=partial(end_after, count(), choice.choice([3, 10, 30, 1000, 1000])))
            self.events["rows deleted"] += found.rows
            self.events["ended early" if found.left else "whole runs"] += 1

    def _witness(self, account: Account, stream: Stream) -> None:
        """Sees objects soon after they are made, so that one which is replaced later is noticed."""
        idle = threading.Event()
        while not stream.over:
            problems = account.witness.look(account.place)
            assert not problems, problems
            idle.wait(1.0)


def end_after(asked: Iterator[int], most: int) -> str | None:
    return "enough" if next(asked) >= most else None


def rewrite(table: Place, stream: Stream, seed: str, events: Counter[str]) -> None:
    """VACUUM frees places for other rows; the others move all rows at once."""
    choice = seeded(f"{seed} rewrites")
    relation = table.relation
    # Rewrites void what was exported before them; between two of them runs must come to their end.
    statements = [
        *[f"VACUUM {relation}"] * choice.choice([40, 80]),
        *[f"VACUUM (FREEZE) {relation}"] * 10,
        *[f"ALTER TABLE {relation} SET (fillfactor = {percent})" for percent in (50, 70, 90)],
        f"VACUUM FULL {relation}",
        f"CLUSTER {relation} USING {table.order.table.name}_triggered_at",
        f"ALTER TABLE {relation} ALTER COLUMN weight TYPE bigint",
        f"ALTER TABLE {relation} ALTER COLUMN weight TYPE integer",
    ]
    while not stream.over:
        statement = choice.choice(statements)
        try:
            with table.server.connect(table.database) as connection:
                connection.execute("SET lock_timeout = '500ms'")
                connection.execute(statement.encode())
            events[statement.split(" analytics")[0].split(' "')[0]] += 1
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            events["rewrites given up"] += 1
        except psycopg.OperationalError:
            events["rewrites cut off"] += 1
        time.sleep(choice.random() * 0.1)
