"""Writers, several purges, rewrites and lost connections of one table, all at the same time; then the full check.

A row that has gone and that no user deleted was old enough in the version that went, and the records of the runs count
just these rows: they commit with them.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import count

import psycopg

from pg_archiver.errors import Interrupted, Unfinished
from pg_archiver.ledger.job_runs import JobRunLog, RunStart
from pg_archiver.ledger.migrations import LedgerTables
from pg_archiver.policies.retention import KeepDays
from pg_archiver.postgres.session import Session
from pg_archiver.purge.due import PurgeOrder
from pg_archiver.purge.purge import Purged, purge
from tests.faults.account import Account, Verdict, contents
from tests.faults.chance import seeded
from tests.faults.place import Place, hours_ago
from tests.faults.recorder import with_partitions, with_table
from tests.faults.storm import WRITERS, end_after, rewrite
from tests.faults.writers import Stream, Writer

SHAPES = ("indexed", "unindexed", "partitioned")
PURGERS = 2
KEEP_DAYS = 2
APPLICATION = "storm of purges"
_COUNTED = "SELECT coalesce(sum(rows), 0) FROM archiver.job_runs WHERE subject = %s"
_CUT = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s"


@dataclass
class PurgeStorm:
    """One table under load from which jobs that say `delete` take what is old enough."""

    place: Place
    name: str
    operations: int
    shape: str
    events: Counter[str] = field(default_factory=Counter)

    def run(self) -> Verdict:
        """The verdict on every version that was committed."""
        table = self._make_table()
        with Session.connect(table.connect, table.database, "tables") as session:
            LedgerTables(session).migrate()
        stream = Stream(self.operations)
        works = [Writer(table, stream, number, self.name).work for number in range(1, WRITERS + 1)]
        works += [partial(self._purge_on, table, stream, number) for number in range(PURGERS)]
        works.append(partial(self._cut, table, stream))
        if self.shape != "partitioned":
            works.append(partial(rewrite, table, stream, self.name, self.events))
        with ThreadPoolExecutor(max_workers=len(works)) as pool:
            running = [pool.submit(work) for work in works]
            wait(running)
        for work in running:
            work.result()
        self._settle(table)
        return self._check(table, Account(table, confirmed=stream.confirmed))

    def _make_table(self) -> Place:
        if self.shape == "partitioned":
            return with_partitions(self.place, self.name, keyed=True, default=True)
        table = with_table(self.place, self.name, keyed=self.shape == "indexed")
        if self.shape == "unindexed":
            # What rewrites cluster by, and no purge can go along.
            table.sql(f"DROP INDEX analytics.{self.name}_triggered_at")
            table.sql(f"CREATE INDEX {self.name}_triggered_at ON {table.relation} (id)")
        return table

    def _purge_on(self, table: Place, stream: Stream, number: int) -> None:
        choice = seeded(f"{self.name} purger {number}")
        while not stream.over:
            try:
                self._purge(table, choice)
            except (Interrupted, Unfinished) as error:
                self.events[type(error).__name__] += 1

    def _purge(self, table: Place, choice: random.Random, *, whole: bool = False) -> Purged:
        order = PurgeOrder(
            client=table.order.client,
            table=table.order.table,
            timestamp_column="triggered_at",
            timezone="UTC",
            batch_size=choice.choice([1, 3, 20]),
            keep=KeepDays(KEEP_DAYS, "the test"),
            run_id="storm",
            # So that what was listed lies there for a while, and other rows come into its places.
            rows_per_second=None if whole else choice.choice([None, 30]),
        )
        stopping = partial(end_after, count(), 100_000 if whole else choice.choice([3, 10, 30, 1000, 1000]))
        with Session.connect(table.connect, table.database, APPLICATION) as session:
            runs = JobRunLog(session)
            run = runs.begin(RunStart(self.name, "dag", "delete", "dag", table.database, subject=self.name))
            found = purge(session, order, stopping, partial(runs.add_rows, run))
        self.events["rows deleted"] += found.rows
        self.events["partitions dropped"] += found.partitions
        self.events["ended early" if found.left else "whole runs"] += 1
        return found

    def _cut(self, table: Place, stream: Stream) -> None:
        """Ends the purgers' sessions now and then, wherever they are."""
        choice = seeded(f"{self.name} cuts")
        while not stream.over:
            time.sleep(choice.random() * 0.5)
            with suppress(psycopg.OperationalError):
                self.events["sessions cut"] += table.sql(_CUT, APPLICATION)[0][0]

    def _settle(self, table: Place) -> None:
        """Purges until nothing is due; nobody else is at work."""
        choice = seeded(f"{self.name} settled")
        for _ in range(10):
            found = self._purge(table, choice, whole=True)
            if not found.rows and not found.partitions and not found.left:
                return
        raise AssertionError(f"after 10 runs something still goes: {found}")

    def _check(self, table: Place, account: Account) -> Verdict:
        last, live = account.last_versions(), contents(table, table.order.table)
        gone, extra = last - live, live - last
        cutoff = hours_ago(24 * KEEP_DAYS)
        lost = [f"{row} is gone, and was not due" for row in gone if datetime.fromisoformat(row[1]) >= cutoff]
        problems = [f"the table holds {row}, which is not the last version of its row" for row in extra]
        problems += [f"{row} is due, and still there" for row in live if datetime.fromisoformat(row[1]) < cutoff]
        ((counted,),) = table.sql(_COUNTED, self.name)
        if gone.total() != counted:
            problems.append(f"{gone.total()} rows have gone, and the runs have counted {counted}")
        ((objects,),) = table.sql("SELECT count(*) FROM archiver.windows WHERE table_name = %s", self.name)
        if objects:
            problems.append(f"{objects} windows were archived, of a table whose job says delete")
        return Verdict(last.total(), tuple(lost), tuple(problems))
