"""Windows of few rows that go together: a table with some, and the steps on all of them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from pg_archiver.archive.delete import Deleted, delete_all
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.store import store_all
from pg_archiver.domain.windows import DueWindow
from pg_archiver.postgres.session import CopyOut, Row, Session
from pg_archiver.postgres.statements import Names
from tests.support.place import EVENTS, Place, hours_ago

ROWS = 3
# A group may hold a tenth of it.
BATCH_SIZE = 1000


def small_windows(place: Place, windows: int = 4, first: float = 60) -> Place:
    """A table with so many windows of a few rows each, an hour after the other."""
    if not place.sql("SELECT to_regclass('analytics.events') IS NOT NULL")[0][0]:
        place.sql(EVENTS)
    place.events(*(hours_ago(first - number - part / 10) for number in range(windows) for part in range(1, ROWS + 1)))
    return place.ordered(batch_size=BATCH_SIZE)


def export_windows(place: Place, windows: Sequence[DueWindow]) -> None:
    with place.session() as session:
        export_all(session, place.store, place.order, windows)


def check_windows(place: Place, windows: Sequence[DueWindow]) -> int:
    with place.session() as session:
        return store_all(session, place.store, place.order, windows)


def delete_windows(
    place: Place, windows: Sequence[DueWindow], stopping: Callable[[], bool] = lambda: False
) -> list[Deleted]:
    with place.session() as session:
        return delete_all(session, place.store, place.order, windows, stopping)


def stored_windows(place: Place) -> list[DueWindow]:
    """All windows that are due, exported and checked together."""
    windows = place.windows()
    export_windows(place, windows)
    check_windows(place, windows)
    return windows


def archive_windows(place: Place) -> list[Deleted]:
    """A whole run, all of whose windows are one batch."""
    return delete_windows(place, stored_windows(place))


def in_one_transaction(place: Place) -> bool:
    """Whether all lines of the ledger were last written by one transaction, as where all rows left together."""
    return bool(place.sql("SELECT count(DISTINCT xmin::text) = 1 FROM archiver.windows")[0][0])


class CountingDatabase(Session):
    """Counts its statements by name, but for those that begin and end transactions."""

    sent: Counter[str]

    def fetch_all(self, statement: str, names: Names | None = None, /, **values: object) -> list[Row]:
        self._note(statement)
        return super().fetch_all(statement, names, **values)

    def execute(self, statement: str, names: Names | None = None, /, **values: object) -> int:
        self._note(statement)
        return super().execute(statement, names, **values)

    @contextmanager
    def copy_out(self, statement: str, names: Names, /, **values: object) -> Generator[CopyOut]:
        self._note(statement)
        with super().copy_out(statement, names, **values) as copy:
            yield copy

    def _note(self, statement: str) -> None:
        if not hasattr(self, "sent"):
            self.sent = Counter()
        self.sent[statement] += 1


def count_statements(place: Place, windows: Sequence[DueWindow]) -> Counter[str]:
    """Archives the windows, a session for each step, and returns their statements by name, without those of logins."""
    total: Counter[str] = Counter()

    def step(work: Callable[[Session], object]) -> None:
        with CountingDatabase.connect(place.connect, place.database, "test") as session:
            assert isinstance(session, CountingDatabase)
            session.sent = Counter()
            work(session)
            total.update(session.sent)

    step(lambda session: export_all(session, place.store, place.order, windows))
    step(lambda session: store_all(session, place.store, place.order, windows))
    step(lambda session: delete_all(session, place.store, place.order, windows, lambda: False))
    return total
