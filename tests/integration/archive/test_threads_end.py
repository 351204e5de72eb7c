"""Whatever ends a step, its threads end with it, and what they read ahead is used only when it is whole."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from pg_archiver.archive.export import export
from pg_archiver.archive.store import store_all
from pg_archiver.errors import CheckFailed, StorageInterrupted
from pg_archiver.s3.bucket import Bucket, Download
from pg_archiver.s3.part_sizes import PartSizes
from pg_archiver.s3.uploads import Upload
from tests.support.place import EVENTS, Place, hours_ago


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@dataclass(frozen=True)
class FailingStore(Bucket):
    """Takes no part, or ends in the midst of reading a manifest."""

    @contextmanager
    def upload(self, key: str) -> Generator[Upload]:
        def fail(**_: Any) -> None:
            raise StorageInterrupted("S3 went away")

        events = self.client.meta.events
        events.register("after-call.s3.UploadPart", fail)
        try:
            with super().upload(key) as upload:
                yield upload
        finally:
            events.unregister("after-call.s3.UploadPart", fail)

    @contextmanager
    def open(self, key: str) -> Generator[Download]:
        if key.endswith(".manifest.json"):
            raise StorageInterrupted("S3 went away")
        with super().open(key) as answer:
            yield answer


def filled(place: Place, hours: int) -> Place:
    place.sql(EVENTS)
    place.events(*(hours_ago(50 + hour + minute / 60) for hour in range(hours) for minute in range(1, 50)))
    return place


def test_a_part_that_s3_does_not_take_ends_the_export_and_leaves_nothing(moto_place: Place) -> None:
    place = filled(moto_place, 1)
    (window,) = place.windows()
    store = FailingStore(place.client, place.bucket, parts=PartSizes(first=100))
    with place.session() as session, pytest.raises(StorageInterrupted, match="went away"):
        export(session, store, place.order, window)
    assert place.keys() == []
    assert place.client.list_multipart_uploads(Bucket=place.bucket).get("Uploads", []) == []
    place.archive()
    assert place.live().total() == 0


def test_a_step_that_ends_while_it_reads_ahead_stores_nothing(place: Place) -> None:
    filled(place, 3)
    windows = place.windows()
    for window in windows:
        place.export(window)
    with place.session() as session, pytest.raises(StorageInterrupted, match="went away"):
        store_all(session, FailingStore(place.client, place.bucket), place.order, windows)
    assert [state for (state,) in place.ledger("state")] == ["exported"] * 3


@pytest.mark.usefixtures("by_list")
def test_of_objects_read_ahead_the_bad_ones_are_given_up_and_the_others_stored(place: Place) -> None:
    filled(place, 4)
    windows = place.windows()
    for window in windows:
        place.export(window)
    data = place.data_keys()
    place.write(data[1], place.read(data[1])[:-1])
    sidecars = list(filter(lambda key: ".keys." in key, place.keys()))
    place.write(sidecars[3], place.read(sidecars[3]) + b"\0")
    with place.session() as session, pytest.raises(CheckFailed) as caught:
        store_all(session, place.store, place.order, windows)
    assert data[1] in str(caught.value)
    assert sidecars[3] in str(caught.value)
    assert [state for (state,) in place.ledger("state")] == ["stored", "void", "stored", "void"]
