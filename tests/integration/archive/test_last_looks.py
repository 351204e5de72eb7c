"""What is looked at last, under a lock, is still so when rows go or come on account of it.

In each test somebody else acts in the very instant between the look and the deed.
"""

from __future__ import annotations

import gzip
import hashlib
from datetime import timedelta

import psycopg
import pytest

from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.archive.drop_partition import drop
from pg_archiver.archive.export import export
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import OnConflict, RestoreOrder
from pg_archiver.errors import CheckFailed, DatabaseInterrupted, DatabaseRefused
from pg_archiver.ledger.locks import window_lock
from pg_archiver.ledger.window_generation import State
from pg_archiver.objects.manifest import ObjectDescription
from pg_archiver.objects.object_reader import open_data
from pg_archiver.restore.restore import restore
from pg_archiver.restore.result import Restored
from tests.support.concurrency import Beside, in_background, wait_for_blocked
from tests.support.hooks import CroppingDatabase, LosingDatabase, acting_before
from tests.support.partitions import ROWS, checked, day, dropped, drops, name_of, only, partitioned, partitions, removed
from tests.support.place import Place, hours_ago
from tests.support.restores import LONG_AGO, NOW, events, restored

EVENTS = 25


@pytest.mark.parametrize("default", [False, True], ids=["alone", "beside a default partition"])
def test_nobody_writes_into_a_partition_between_its_last_comparison_and_its_drop(place: Place, default: bool) -> None:
    partitioned(place, 5, default=default)
    partition = only(checked(place))
    writer = Beside(place, f"INSERT INTO {name_of(5)} (id, triggered_at, name) VALUES (999, '{day(5)}', 'late')")
    with acting_before(place, "ledger/windows/note_progress", writer.begin) as database:
        assert drop(database, place.store, place.order, partition)
    assert writer.waited
    with pytest.raises(psycopg.errors.UndefinedTable):
        writer.end()


def test_a_reader_of_the_table_waits_for_a_drop_beside_a_default_partition_and_neither_is_ended(place: Place) -> None:
    partitioned(place, 5, default=True)
    partition = only(checked(place))
    reader = Beside(place, "SELECT count(*) FROM analytics.events")
    with acting_before(place, "ledger/windows/note_progress", reader.begin) as database:
        assert drop(database, place.store, place.order, partition)
    assert reader.waited
    reader.end()


def test_a_stranger_that_takes_the_partitions_name_just_before_the_lock_is_not_dropped(place: Place) -> None:
    partitioned(place, 5)
    partition = only(checked(place))

    def exchange() -> None:
        place.sql(f"ALTER TABLE {name_of(5)} RENAME TO mine; CREATE TABLE {name_of(5)} (LIKE analytics.events)")

    with (
        acting_before(place, "partitions/lock_partition", exchange) as database,
        pytest.raises(DatabaseInterrupted, match="was renamed or dropped by somebody else just now"),
    ):
        drop(database, place.store, place.order, partition)
    assert place.sql(f"SELECT to_regclass('{name_of(5)}') IS NOT NULL") == [(True,)]
    assert place.sql("SELECT count(*) FROM analytics.mine") == [(ROWS,)]


def test_a_row_of_a_partition_that_comes_back_to_its_place_under_its_key_stays(place: Place) -> None:
    partitioned(place, 5)
    where = f"SELECT ctid::text, id FROM {name_of(5)} WHERE id = 3"
    before = place.sql(where)
    batches = checked(place)
    place.sql("DELETE FROM analytics.events WHERE id = 3")
    place.sql(f"VACUUM (INDEX_CLEANUP ON) {name_of(5)}")
    place.sql(
        "INSERT INTO analytics.events (id, triggered_at, name) VALUES (3, %s, 'again')", day(5) + timedelta(hours=6)
    )
    assert place.sql(where) == before
    assert [removed(place, batch) for batch in batches] == [None]
    assert place.sql("SELECT id, name FROM analytics.events") == [(3, "again")]


def test_a_partition_that_a_user_detached_since_the_plan_is_left_to_them(place: Place) -> None:
    partitioned(place, 5)
    partition = only(checked(place))
    place.sql(f"ALTER TABLE analytics.events DETACH PARTITION {name_of(5)}")
    with pytest.raises(DatabaseInterrupted, match=r"is being detached by somebody else\. It is left to them"):
        dropped(place, partition)
    assert place.sql(f"SELECT count(*) FROM {name_of(5)}") == [(ROWS,)]


def test_a_detach_that_a_user_began_is_not_ended_for_them(place: Place) -> None:
    partitioned(place, 6, 5)
    first, second = (batch.partition for batch in checked(place))
    assert first
    assert second
    with place.connect() as reader, place.connect() as user:
        reader.execute("SELECT count(*) FROM analytics.events")
        user.autocommit = True
        user.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            user.execute(f"ALTER TABLE analytics.events DETACH PARTITION {name_of(6)} CONCURRENTLY")
    with pytest.raises(DatabaseInterrupted, match=r"is being detached from .* by somebody else"):
        dropped(place, second)
    assert place.sql("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == [(1,)]
    assert partitions(place) == {name_of(6), name_of(5)}


def test_a_partition_of_which_some_rows_are_held_is_not_planned_to_be_dropped(place: Place) -> None:
    partitioned(place, 5)
    first, *_ = place.windows()
    place.export(first)
    place.check(first)
    place.delete(first)
    restored(place)
    assert [batch.partition for batch in place.plan().batches] == [None] * 3


def test_a_partition_of_a_table_with_children_is_not_planned_to_be_dropped(place: Place) -> None:
    partitioned(place, 5)
    place.sql("CREATE TABLE analytics.children (event_id bigint)")
    assert only(list(place.plan().batches))
    children = (TableName("analytics", "children"),)
    waiting = place.with_policy(children=("analytics.children",)).ordered(children=children)
    assert {batch.partition for batch in waiting.plan().batches} == {None}


def test_what_came_to_depend_on_a_partition_since_the_plan_is_not_dropped_with_it(place: Place) -> None:
    partitioned(place, 5)
    partition = only(checked(place))
    place.sql(f"CREATE VIEW public.report AS SELECT * FROM {name_of(5)}")
    with pytest.raises(DatabaseRefused, match="depend"):
        dropped(place, partition)
    assert partitions(place) == {name_of(5)}
    assert place.sql("SELECT count(*) FROM public.report") == [(ROWS,)]
    assert drops(place) == [("attached", None)]


def test_a_partition_of_which_a_window_is_not_checked_yet_is_not_dropped(place: Place) -> None:
    partitioned(place, 5)
    place.windows()
    (batch,) = place.plan().batches
    for window in batch:
        place.export(window)
    for window in batch.windows[1:]:
        place.check(window)
    assert batch.partition
    assert dropped(place, batch.partition) is None
    assert partitions(place) == {name_of(5)}
    assert len(place.live()) == ROWS


def test_a_partition_whose_rows_met_those_of_a_restore_stays_as_long_as_they_are_held(place: Place) -> None:
    """Where it was dropped, the next rows of that restore would find no partition."""
    partitioned(place, 5)
    place.sql("CREATE TABLE public.before AS SELECT * FROM analytics.events")
    place.archive()
    place.sql("INSERT INTO analytics.events SELECT * FROM public.before")
    partition = only(checked(place))
    assert restored(place).skipped == ROWS
    assert dropped(place, partition) is None
    assert partitions(place) == {name_of(5)}


def test_an_export_that_waits_for_a_rewrite_reads_the_rows_that_it_left(place: Place) -> None:
    """A snapshot that is older than the rewrite would see no row at all."""
    events(place)
    window = place.window()
    with place.connect() as user:
        user.execute("ALTER TABLE analytics.events ALTER COLUMN name TYPE varchar(100)")
        with in_background(lambda: place.export(window)) as exporting:
            wait_for_blocked(place)
            user.commit()
    exporting.result()
    assert place.ledger("state, rows") == [(State.EXPORTED, EVENTS)]


def test_a_restore_that_commits_in_the_middle_of_an_export_is_not_in_it(place: Place) -> None:
    """Holds and rows are read in one snapshot; without the lock on the window, which a lost connection gives up."""
    events(place, rows=5)
    place.archive()
    place.events(hours_ago(60))
    window = place.window()

    def overtake() -> None:
        database.fetch_all("postgres/session/unlock", name=window_lock(place.order.table, window.cell))
        assert restored(place).restored == 5

    with acting_before(place, "archive/export/snapshot", overtake) as database:
        export(database, place.store, place.order, window)
    assert place.ledger("generation, state, rows") == [(1, State.DELETED, 5), (2, State.EXPORTED, 1)]


def test_an_object_of_fewer_rows_than_its_manifest_says_does_not_pass(place: Place) -> None:
    events(place)
    place.stored_window()
    (manifest,) = place.manifests()
    assert open_data(place.store, manifest).check()
    more = manifest.model_copy(update={"rows": EVENTS + 1})
    with pytest.raises(CheckFailed, match=r"holds 25 rows instead of 26\. Nothing was deleted"):
        open_data(place.store, more).check()


def test_an_object_that_unpacks_to_something_else_does_not_pass(place: Place) -> None:
    """As if the compressor had made something else of the rows than what comes out again."""
    events(place)
    place.stored_window()
    (manifest,) = place.manifests()
    other = manifest.data.model_copy(update={"content_xxh3_128": "0" * 32})
    with pytest.raises(CheckFailed, match=r"that are not what was sent\. Nothing was deleted"):
        open_data(place.store, manifest.model_copy(update={"data": other})).check()


def test_a_manifest_that_tells_the_contents_sha256_is_compared_by_that(place: Place) -> None:
    events(place)
    place.stored_window()
    (manifest,) = place.manifests()
    content = gzip.decompress(place.read(manifest.data.key))

    def described(digest: str) -> ObjectDescription:
        told = manifest.data.model_dump(exclude={"content_xxh3_128", "content_sha256"}, exclude_unset=True)
        return ObjectDescription(**told, content_sha256=digest)

    before = described(hashlib.sha256(content).hexdigest())
    assert open_data(place.store, manifest.model_copy(update={"data": before})).check()
    with pytest.raises(CheckFailed, match=r"that are not what was sent\. Nothing was deleted"):
        open_data(place.store, manifest.model_copy(update={"data": described("0" * 64)})).check()


def test_a_row_that_is_lost_between_the_server_and_the_object_ends_the_export(place: Place) -> None:
    events(place)
    window = place.window()
    with (
        LosingDatabase.connect(place.connect, place.database, "test") as session,
        pytest.raises(CheckFailed, match=r"the server counted 25 rows and sent 24\. Nothing was deleted"),
    ):
        export(session, place.store, place.order, window)
    assert place.keys() == []
    assert place.archive() == [Deleted(EVENTS, 0)]


@pytest.mark.usefixtures("both_ways")
def test_bytes_that_are_lost_between_the_server_and_the_object_end_the_export(place: Place) -> None:
    """What comes back is compared with what was packed, so that has to be all that the server sent."""
    events(place)
    window = place.window()
    with (
        CroppingDatabase.connect(place.connect, place.database, "test") as session,
        pytest.raises(CheckFailed, match=r"not all that the server sent was packed\. Nothing was deleted"),
    ):
        export(session, place.store, place.order, window)
    assert place.keys() == []
    assert place.archive() == [Deleted(EVENTS, 0)]


@pytest.mark.usefixtures("by_list")
def test_no_foreign_key_comes_between_the_question_for_it_and_the_delete(place: Place) -> None:
    events(place)
    place.sql("CREATE TABLE analytics.children AS SELECT id AS event_id FROM analytics.events")
    window = place.stored_window()
    key = Beside(
        place, "ALTER TABLE analytics.children ADD FOREIGN KEY (event_id) REFERENCES analytics.events ON DELETE CASCADE"
    )
    order = place.ordered(batch_size=EVENTS).order
    with acting_before(place, "archive/delete/batch", key.begin) as database:
        assert delete(database, place.store, order, window, lambda: False) == Deleted(EVENTS, 0)
    assert key.waited
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        key.end()
    assert place.sql("SELECT count(*) FROM analytics.children") == [(EVENTS,)]


@pytest.mark.usefixtures("both_ways")
def test_a_table_that_takes_the_name_just_before_a_batch_is_known_for_another(place: Place) -> None:
    events(place)
    window = place.stored_window()

    def exchange() -> None:
        place.sql(
            "ALTER TABLE analytics.events RENAME TO events_of_before;"
            "CREATE TABLE analytics.events (LIKE analytics.events_of_before INCLUDING ALL);"
            "INSERT INTO analytics.events OVERRIDING SYSTEM VALUE SELECT * FROM analytics.events_of_before"
        )

    with acting_before(place, "archive/delete/lock_table", exchange) as database:
        assert delete(database, place.store, place.order, window, lambda: False) == Deleted(0, EVENTS)
    assert place.ledger("state, note") == [(State.VOID, "another table has its name now")]
    assert len(place.live()) == EVENTS


@pytest.mark.usefixtures("by_list")
def test_rows_of_a_table_that_the_manifest_does_not_know_stay(place: Place) -> None:
    events(place)
    window = place.stored_window()
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET manifest = jsonb_set(manifest, '{members}', '{}')")
    assert place.delete(window) == Deleted(0, EVENTS)
    assert len(place.live()) == EVENTS
    assert place.ledger("note") == [("the list of its rows names a table that was no part of it at the export",)]


@pytest.mark.usefixtures("by_list")
@pytest.mark.parametrize("hours", [61, 58], ids=["before", "after"])
def test_rows_that_are_not_in_the_window_by_the_column_of_today_stay(place: Place, hours: float) -> None:
    """The policy names another timestamp column than at the export, and by that one a row may not be due."""
    events(place)
    place.sql(
        "ALTER TABLE analytics.events ADD COLUMN seen_at timestamp; UPDATE analytics.events SET seen_at = triggered_at"
    )
    place.sql("UPDATE analytics.events SET seen_at = %s WHERE id = 7", hours_ago(hours))
    window = place.stored_window()
    assert place.on("analytics.events", "seen_at").delete(window) == Deleted(EVENTS - 1, 1)
    assert place.sql("SELECT id FROM analytics.events") == [(7,)]


def restoring(place: Place) -> RestoreOrder:
    return RestoreOrder(place.order, LONG_AGO, NOW, None, OnConflict.SKIP)


def test_nobody_alters_a_table_while_rows_come_back_into_it(place: Place) -> None:
    events(place)
    place.archive()
    change = Beside(place, "ALTER TABLE analytics.events ALTER COLUMN name TYPE varchar(5) USING left(name, 5)")
    with acting_before(place, "restore/lock_object", change.begin) as database:
        found: Restored = restore(database, place.store, restoring(place))
    assert change.waited
    assert (found.restored, found.failures) == (EVENTS, [])
    change.end()


def test_a_table_that_was_altered_since_the_rows_were_made_ready_for_it_gets_none(place: Place) -> None:
    events(place)
    place.archive()

    def alter() -> None:
        place.sql("ALTER TABLE analytics.events ALTER COLUMN name TYPE varchar(5)")

    with acting_before(place, "restore/lock_target", alter) as database:
        found = restore(database, place.store, restoring(place))
    assert found.restored == 0
    assert "was changed while this restore ran. Run it again" in found.failures[0]
    assert place.sql("SELECT count(*) FROM analytics.events") == [(0,)]
