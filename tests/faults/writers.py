"""Users of a table, each with a connection of its own: late rows, changes, moves, deletions, locks, long transactions.

An operation is one statement that inserts, changes, moves, deletes or locks a few rows. Some transactions are rolled
back, in part or as a whole, some are held open for a while or prepared and committed later, some meet a deadlock; what
counts is what was committed.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg import errors

from tests.faults.chance import seeded
from tests.faults.place import Place, hours_ago
from tests.faults.recorder import Changed, Recorder

DUE_HOURS = range(49, 54)
_KEPT_HOUR = 1
_KNOWN_ROWS = 300
_MOST_IN_A_TRANSACTION = 6
_LONGEST_HOLD_SECONDS = 0.15
_IDS_A_WRITER = 100_000_000
_SAVEPOINTS = 0.3
_PREPARED = 0.05


@dataclass
class Stream:
    """What all writers of one table share: how much is left to do, and which rows were written lately."""

    operations: int
    # Whether the server lets transactions be prepared.
    prepares: bool = False
    known: list[int] = field(default_factory=list)
    confirmed: set[int] = field(default_factory=set)
    done: int = 0
    met: int = 0
    rolled_back: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, wanted: int) -> int:
        """How many operations the next transaction may have."""
        with self._lock:
            taken = min(wanted, self.operations - self.done)
            self.done += taken
            return taken

    @property
    def over(self) -> bool:
        return self.done >= self.operations

    def committed(self, changes: Iterable[Changed]) -> None:
        with self._lock:
            for change in changes:
                self.confirmed.update(change.numbers)
                self.met += bool(change.numbers)
                self.known.extend(change.rows)
            del self.known[:-_KNOWN_ROWS]

    def some(self, choice: random.Random, most: int) -> list[int]:
        """Rows that were written lately, in no order: two writers may wait for each other."""
        with self._lock:
            return choice.choices(self.known, k=choice.randint(1, most)) if self.known else [0]


@dataclass
class Writer:
    """One user."""

    place: Place
    stream: Stream
    number: int
    seed: str
    # A delete of rows that have children would take these along, and nobody would write it down.
    deletes: bool = True

    def __post_init__(self) -> None:
        self._choice = seeded(f"{self.seed} writer {self.number}")
        self._next_id = self.number * _IDS_A_WRITER
        self._versions = 0

    def work(self) -> None:
        """Writes until the stream's operations are used up; a connection that breaks is opened again."""
        while not self.stream.over:
            try:
                with psycopg.connect(**self.place.server.dsn(self.place.database), connect_timeout=10) as connection:
                    self._end_prepared(connection)
                    recorder = Recorder(connection, self.place)
                    while not self.stream.over:
                        self._transaction(connection, recorder)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                time.sleep(0.05)
        if self.stream.prepares:
            with self.place.connect() as connection:
                self._end_prepared(connection)

    def _transaction(self, connection: psycopg.Connection, recorder: Recorder) -> None:
        choice = self._choice
        changes: list[Changed] = []
        try:
            for _ in range(self.stream.take(choice.randint(1, _MOST_IN_A_TRANSACTION))):
                changes += self._operate(connection, recorder)
                if choice.random() < 0.03:
                    time.sleep(choice.random() * _LONGEST_HOLD_SECONDS)
            if choice.random() < 0.1:
                connection.rollback()
                self.stream.rolled_back += 1
                return
            self._commit(connection)
        except (errors.DeadlockDetected, errors.LockNotAvailable, errors.ForeignKeyViolation):
            connection.rollback()
            self.stream.rolled_back += 1
            return
        self.stream.committed(changes)

    def _operate(self, connection: psycopg.Connection, recorder: Recorder) -> list[Changed]:
        """One operation, or some in a part of the transaction, which may be rolled back without the rest."""
        choice = self._choice
        if choice.random() >= _SAVEPOINTS:
            return [self._operation(connection, recorder)]
        connection.execute("SAVEPOINT part")
        changes = [self._operation(connection, recorder)]
        if choice.random() < 0.3:
            connection.execute("ROLLBACK TO SAVEPOINT part")
            changes = []
        connection.execute("RELEASE SAVEPOINT part")
        return changes

    def _commit(self, connection: psycopg.Connection) -> None:
        """Commits, at once or by way of a prepared transaction, in which rows wait without a session."""
        choice = self._choice
        if choice.random() >= _PREPARED or not self.stream.prepares:
            connection.commit()
            return
        connection.execute(f"PREPARE TRANSACTION '{self._prepared}'".encode())
        # It is no transaction any more, only the driver does not know.
        connection.rollback()
        time.sleep(choice.random() * _LONGEST_HOLD_SECONDS)
        self._end_prepared(connection)

    @property
    def _prepared(self) -> str:
        return f"{self.place.order.table.name} {self.number}"

    def _end_prepared(self, connection: psycopg.Connection) -> None:
        """Commits what was prepared, if there is anything, now or before a connection broke."""
        connection.autocommit = True
        found = connection.execute("SELECT FROM pg_prepared_xacts WHERE gid = %s", [self._prepared])
        if found.rowcount:
            connection.execute(f"COMMIT PREPARED '{self._prepared}'".encode())
        connection.autocommit = False

    def _operation(self, connection: psycopg.Connection, recorder: Recorder) -> Changed:
        choice, known = self._choice, self.stream.some
        kind = choice.random()
        if kind < 0.45:
            ids = self._new_ids(choice.randint(1, 4))
            return recorder.insert(ids, [self._moment() for _ in ids], self._name(), [self._data() for _ in ids])
        if kind < 0.75:
            return recorder.update(known(choice, 3), self._name())
        if kind < 0.85:
            return recorder.move(known(choice, 2), self._moment(), self._name())
        if kind < 0.95 and self.deletes:
            return recorder.delete(known(choice, 1))
        lock = f"SELECT 1 FROM {self.place.relation} WHERE id = ANY(%s) FOR UPDATE"
        connection.execute(lock.encode(), [known(choice, 3)])
        return Changed((), ())

    def _new_ids(self, count: int) -> list[int]:
        self._next_id += count
        return list(range(self._next_id - count + 1, self._next_id + 1))

    def _name(self) -> str:
        """A text that no other version has, so that a version is known by its content."""
        self._versions += 1
        return f'writer {self.number}, version {self._versions}, a "quoted"\nline'

    def _data(self) -> str | None:
        return self._choice.choice([None, "{}", '{"a": [1, null, "x"], "b": 1.50}', '"' + "w" * 200 + '"'])

    def _moment(self) -> datetime:
        """Mostly a moment of an hour that is due, sometimes one that is not."""
        choice = self._choice
        hour = _KEPT_HOUR if choice.random() < 0.1 else choice.choice(DUE_HOURS)
        return hours_ago(hour - choice.randrange(3_600_000) / 3_600_000)


@dataclass
class ChildWriter(Writer):
    """A user of a table whose rows belong to those of another: each of them to the one of the same number."""

    parents: Stream = field(kw_only=True)
    _used: set[int] = field(default_factory=set, kw_only=True)

    def _new_ids(self, count: int) -> list[int]:
        """Parents that were written lately and never had a child; they may be gone, or about to go."""
        found = sorted(set(self.parents.some(self._choice, count)) - self._used - {0})
        self._used.update(found)
        return found
