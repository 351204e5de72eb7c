"""A write of which no answer came may arrive late, at a store that lets it: no key is ever sent two contents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from pg_archiver.archive.export_all import export_all
from pg_archiver.errors import DatabaseInterrupted, StorageInterrupted
from pg_archiver.ledger.window_generation import State
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import Names
from pg_archiver.s3.bucket import Bucket
from tests.support.groups import ROWS, check_windows, delete_windows, small_windows
from tests.support.place import Place


@dataclass(frozen=True)
class LateStore(Bucket):
    """The first object is on its way for long: no answer comes, and what looks for it finds nothing yet."""

    meanwhile: Callable[[], None] = lambda: None
    late: dict[str, bytes] = field(default_factory=dict)

    def create(self, key: str, content: bytes) -> None:
        if not self.late:
            self.late[key] = content
            self.meanwhile()
            raise StorageInterrupted("no answer")
        super().create(key, content)


@pytest.mark.parametrize("number", [1, 3])
def test_a_late_write_of_a_group_meets_no_later_content(place: Place, number: int) -> None:
    place = small_windows(place, number)
    windows = place.windows()

    def change() -> None:
        place.sql("UPDATE analytics.events SET name = 'changed since' WHERE id = 1")

    store = LateStore(place.client, place.bucket, meanwhile=change)
    with place.session() as session:
        try:
            export_all(session, store, place.order, windows)
        except StorageInterrupted:
            # Alone, a window has no second try in the same step.
            export_all(session, place.store, place.order, windows)
    everything = place.csv_of_table()
    assert check_windows(place, windows) == number * ROWS
    delete_windows(place, windows)
    for key, content in store.late.items():
        place.client.put_object(Bucket=place.bucket, Key=key, Body=content)
    assert (place.csv_of_table().total(), place.archived()) == (0, everything)
    late = [row for row in place.ledger("state, object_key") if row[1] in store.late]
    assert late == [(State.VOID, *store.late)]


@dataclass(frozen=True)
class NotedStore(Bucket):
    """Notes the keys of all that it is given."""

    given: list[str] = field(default_factory=list)

    def create(self, key: str, content: bytes) -> None:
        self.given.append(key)
        super().create(key, content)


class InterruptedNote(Session):
    """The note of what a group has sent is cut short, once."""

    notes = 0

    def fetch_all(self, statement: str, names: Names | None = None, /, **values: object) -> list[Row]:
        if statement == "ledger/windows/mark_exported_all":
            self.notes += 1
            if self.notes == 1:
                raise DatabaseInterrupted("the statement took too long")
        return super().fetch_all(statement, names, **values)


def test_a_group_of_which_nothing_was_noted_sends_nothing_more_to_its_keys(place: Place) -> None:
    place = small_windows(place, 3)
    windows = place.windows()
    store = NotedStore(place.client, place.bucket)
    with InterruptedNote.connect(place.connect, place.database, "test") as session:
        export_all(session, store, place.order, windows)
        assert isinstance(session, InterruptedNote)
        assert session.notes >= 1
    assert len(store.given) == len(set(store.given))
    everything = place.csv_of_table()
    assert check_windows(place, windows) == 3 * ROWS
    delete_windows(place, windows)
    assert (place.csv_of_table().total(), place.archived()) == (0, everything)
