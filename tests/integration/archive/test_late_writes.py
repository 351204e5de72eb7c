"""A write of which no answer came may arrive late, at a store that lets it: no key is ever sent two contents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from pg_archiver.archive.export_all import export_all
from pg_archiver.errors import StorageInterrupted
from pg_archiver.ledger.window_generation import State
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
