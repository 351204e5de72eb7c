"""How often S3 is asked what there is: once for a page of keys, and not once for each object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from pg_archiver.ledger.removed_rows import NoteKeys
from pg_archiver.verify.rebuild_ledger import rebuild
from pg_archiver.verify.verify_archive import verify
from tests.integration.verify.test_rebuild_ledger import LOST
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import remembered, restored

pytestmark = pytest.mark.more

HOURS = 20


@contextmanager
def counting(place: Place) -> Generator[Counter[str]]:
    """The requests that are sent meanwhile, by their names."""
    calls: Counter[str] = Counter()

    def count(model: object, **_: object) -> None:
        calls.update([str(getattr(model, "name"))])  # noqa: B009 (botocore has no types for it)

    place.client.meta.events.register("before-call.s3", count)
    try:
        yield calls
    finally:
        place.client.meta.events.unregister("before-call.s3", count)


@pytest.fixture
def archived(place: Place) -> Place:
    """Hours of which each has an object, and every third one a note besides."""
    place.sql(EVENTS)
    for hour in range(HOURS):
        place.events(hours_ago(60 + hour), hours_ago(60 + hour - 0.5))
    remembered(place)
    windows = place.windows()
    for number, window in enumerate(windows):
        place.export(window)
        place.check(window)
        if number % 3 == 0:
            place.sql("UPDATE analytics.events SET name = 'changed' WHERE triggered_at = %s", window.span.start)
        place.delete(window)
    return place


def test_verify_lists_the_notes_and_then_the_rest(archived: Place) -> None:
    with counting(archived) as calls, archived.session() as session:
        found = verify(session, archived.store, archived.order)
    assert (found.problems, found.objects) == ([], HOURS)
    assert calls["ListObjectsV2"] == 2
    # Object and manifest of each, and the note of the seven with rows that stayed.
    assert calls["GetObject"] == 2 * HOURS + 7


def test_rebuild_lists_as_often(archived: Place) -> None:
    with counting(archived) as calls, archived.session() as session:
        assert rebuild(session, archived.store, archived.order).noted == 0
    assert calls["ListObjectsV2"] == 2
    archived.sql(LOST)
    with counting(archived) as calls, archived.session() as session:
        assert rebuild(session, archived.store, archived.order).added == HOURS
    assert calls["ListObjectsV2"] == 1, "what is made again from notes needs none"
    assert Counter(archived.ledger("state")) == {("deleted",): 7, ("void",): HOURS - 7}


def test_a_restore_of_an_hour_asks_for_that_hour(archived: Place) -> None:
    with counting(archived) as calls:
        assert restored(archived, hours_ago(69), hours_ago(68)).restored == 2
    assert calls == {"ListObjectsV2": 1, "GetObject": 2}, "the object, and whether its manifest is as the ledger has it"


def test_without_a_ledger_too(archived: Place) -> None:
    archived.sql(LOST)
    with counting(archived) as calls:
        assert restored(archived, hours_ago(69), hours_ago(68)).restored == 2
    assert calls == {"ListObjectsV2": 1, "GetObject": 3}, "the manifest once to find it and once to read by it"
    with counting(archived) as calls:
        assert restored(archived).restored == 2 * HOURS - 2 - 7
    assert calls["ListObjectsV2"] == 1 + 7, "and once for each object that has a note"


@pytest.mark.parametrize(
    ("kind", "zone"),
    [("timestamp", "Pacific/Kiritimati"), ("timestamp", "Pacific/Marquesas"), ("timestamptz", "Pacific/Kiritimati")],
)
def test_every_hour_is_found_without_a_ledger_whatever_its_time_zone(place: Place, kind: str, zone: str) -> None:
    place.sql(f"CREATE TABLE public.moments (id int PRIMARY KEY, at {kind}); CREATE INDEX ON public.moments (at)")
    for hour in range(8):
        place.sql("INSERT INTO public.moments VALUES (%s, %s)", hour, hours_ago(90 + hour))
    place = place.on("public.moments", "at", timezone=zone)
    place = place.with_policy(timezone=zone, window_hours=5)
    place.archive()
    place.sql(LOST)
    place.sql("CREATE TABLE public.again AS SELECT * FROM public.moments")
    for hour in range(8):
        result = restored(place, hours_ago(90 + hour), hours_ago(89 + hour))
        assert (result.restored, result.failures) == (1, []), hour


def test_notes_are_found_whatever_the_order_in_which_they_are_asked_for(archived: Place) -> None:
    keys = sorted(key for key in archived.keys() if ".kept." in key)  # noqa: SIM118
    listed, found = NoteKeys(), []
    data = archived.data_keys()
    for key in [*data, *reversed(data), *data[::3], data[-1], data[0]]:
        found += listed.list_of(archived.store, key)
    assert set(found) == set(keys)
    assert (
        listed.list_of(archived.store, data[0])
        == list(archived.store.list_keys(keys[0][: keys[0].index(".kept.")]))[:1]
    )
