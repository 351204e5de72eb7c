"""Rows leave by ranges of time and the age of their versions: only those that the export's snapshot saw, or none."""

from __future__ import annotations

from datetime import datetime

import pytest

from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.ledger.window_generation import State
from pg_archiver.objects.manifest import Manifest
from tests.support.concurrency import in_background, wait_for_blocked
from tests.support.hooks import acting_before
from tests.support.place import EVENTS, Place, hours_ago

ROWS = 25
# A tenth of it is a sub-range: rows ten by ten.
TENS = 100
DELETE = "archive/delete/batch_by_range"
TRIGGER = """
    CREATE FUNCTION public.acting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;
    CREATE TRIGGER acting BEFORE DELETE ON analytics.events FOR EACH ROW EXECUTE FUNCTION public.acting()
"""


def minute(number: int) -> datetime:
    """The moment of the row with this number."""
    return hours_ago(60 - number / 60)


def filled(place: Place, rows: int = ROWS) -> Place:
    """A window of rows a minute apart, numbered from 1."""
    place.sql(EVENTS)
    place.events(*map(minute, range(1, rows + 1)))
    return place


def insert(number: int) -> str:
    return f"INSERT INTO analytics.events (triggered_at, name) VALUES ('{minute(number)}', 'late')"


def divided(place: Place) -> list[int]:
    """The rows of each sub-range of the one manifest; none if it has no sub-ranges."""
    (manifest,) = place.manifests()
    return [one.rows for one in manifest.sub_ranges or ()]


def ids(place: Place) -> list[int]:
    return [number for (number,) in place.sql("SELECT id FROM analytics.events ORDER BY id")]


def deleted_by_range(place: Place, window: object) -> bool:
    """Whether a delete of the window's rows goes by range; it is done as well."""
    seen: list[bool] = []
    with acting_before(place, DELETE, lambda: seen.append(True)) as database:
        delete(database, place.store, place.order, window, lambda: False)  # type: ignore[arg-type]
    return bool(seen)


def test_sub_ranges_follow_each_other_over_the_whole_window_and_hold_a_tenth_of_a_batch(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    (manifest,) = place.manifests()
    parts = manifest.sub_ranges or ()
    assert [one.rows for one in parts] == [10, 10, 5]
    edges = [window.span.start, *(one.end for one in parts)]
    assert [one.start for one in parts] == edges[:-1]
    assert edges[-1] == window.span.end
    assert deleted_by_range(place, window)
    assert place.live().total() == 0
    assert place.ledger("state, deleted_upto, deleted_rows, kept::text, sub_ranges_gone::text, range_missed") == [
        (State.DELETED, ROWS, ROWS, "{}", "{[1,4)}", False)
    ]


def test_rows_of_one_moment_stay_together(place: Place) -> None:
    place = filled(place, 0).ordered(batch_size=20)
    place.events(*[minute(1)] * 3, *[minute(2)] * 7, *[minute(3)], *[minute(4)])
    window = place.stored_window()
    assert divided(place) == [3, 7, 2]
    assert place.delete(window) == Deleted(12, 0)


@pytest.mark.parametrize("why", ["children", "one moment", "no index", "a trigger", "a transaction that goes on"])
def test_where_it_is_not_certain_rows_leave_by_the_list(place: Place, why: str) -> None:
    place = filled(place, 0).ordered(batch_size=2)
    if why == "children":
        place.sql("CREATE TABLE analytics.others (at timestamp, event_id bigint REFERENCES analytics.events)")
        place = place.ordered(children=(place.on("analytics.others").order.table,))
    if why == "no index":
        place.sql("DROP INDEX analytics.events_triggered_at")
    if why == "a trigger":
        place.sql(TRIGGER.format(body="RETURN OLD"))
    with place.server.connect(place.database, autocommit=False) as user:
        if why == "a transaction that goes on":
            user.execute("SELECT pg_current_xact_id()")
        place.events(*[minute(1)] * (3 if why == "one moment" else 1), minute(2))
        window = place.stored_window()
    assert divided(place) == []
    assert not deleted_by_range(place, window)
    assert place.live().total() == 0


def test_a_row_of_a_part_of_a_transaction_that_ran_at_the_export_stays_though_the_count_is_right(place: Place) -> None:
    """A snapshot does not list the numbers of subtransactions, and they may be lower than the next one it saw end."""
    place = filled(place).ordered(batch_size=TENS)
    with place.server.connect(place.database, autocommit=False) as user:
        user.execute("SELECT pg_current_xact_id()")
        user.execute("SAVEPOINT part")
        user.execute(insert(5).encode())
        user.execute("RELEASE SAVEPOINT part")
        place.sql("CREATE TABLE public.later (); DROP TABLE public.later")
        window = place.stored_window()
    place.sql("DELETE FROM analytics.events WHERE id = 3")
    ((late, seen),) = place.sql(
        "SELECT id, pg_visible_in_snapshot(xmin::text::xid8, (SELECT (manifest -> 'server' ->> 'snapshot')::pg_snapshot"
        " FROM archiver.windows)) FROM analytics.events WHERE name = 'late'"
    )
    assert seen, "the list of the snapshot alone takes it for a row that was exported"
    assert divided(place) == [10, 10, 5]
    assert place.delete(window) == Deleted(15, 10)
    assert late in ids(place)
    assert len(ids(place)) == 10
    place.archive()
    assert place.archived()[(str(late), str(minute(5)), "late", "")] == 1


@pytest.mark.parametrize("change", ["INSERT", "UPDATE"])
def test_what_a_prepared_transaction_wrote_that_waited_at_the_export_stays(preparing_place: Place, change: str) -> None:
    place = filled(preparing_place).ordered(batch_size=TENS)
    changing = insert(5) if change == "INSERT" else "UPDATE analytics.events SET name = 'late' WHERE id = 5"
    with place.server.connect(place.database, autocommit=False) as user:
        user.execute(changing.encode())
        user.execute("PREPARE TRANSACTION 'waits'")
    window = place.stored_window()
    place.sql("COMMIT PREPARED 'waits'")
    if change == "INSERT":
        place.sql("DELETE FROM analytics.events WHERE id = 3")
    assert place.delete(window) == Deleted(15, 10)
    assert place.sql("SELECT count(*) FROM analytics.events WHERE name = 'late'") == [(1,)]


def test_a_row_that_comes_later_stays_though_another_one_has_left_instead(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    place.sql(insert(5))
    place.sql("DELETE FROM analytics.events WHERE id = 3")
    assert place.delete(window) == Deleted(15, 10)
    assert ids(place) == [1, 2, 4, 5, 6, 7, 8, 9, 10, ROWS + 1]


def test_a_row_that_moved_in_from_another_window_stays(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    place.events(hours_ago(1))
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET triggered_at = %s WHERE id = %s", minute(5), ROWS + 1)
    place.sql("UPDATE analytics.events SET triggered_at = %s WHERE id = 3", hours_ago(1))
    assert place.delete(window) == Deleted(15, 10)
    assert ids(place) == [*range(1, 11), ROWS + 1]


def test_a_delete_that_waits_for_a_writer_leaves_the_version_that_he_wrote(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    with place.connect() as user:
        user.execute("UPDATE analytics.events SET name = 'changed' WHERE id = 3")
        with in_background(lambda: place.delete(window)) as deleting:
            wait_for_blocked(place)
            place.sql(insert(5))
            user.commit()
        assert deleting.result() == Deleted(15, 10)
    assert place.sql("SELECT name FROM analytics.events WHERE id = 3") == [("changed",)]
    assert ids(place) == [*range(1, 11), ROWS + 1]


def test_of_joined_sub_ranges_only_those_stay_of_which_a_row_changed(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id = 15")
    assert place.delete(window) == Deleted(15, 10)
    assert ids(place) == list(range(11, 21))
    ((state, upto, deleted, kept, gone, missed, note),) = place.ledger(
        "state, deleted_upto, deleted_rows, kept::text, sub_ranges_gone::text, range_missed, note"
    )
    assert (state, upto, deleted, kept, gone, missed) == (
        State.DELETED, ROWS, 15, "{[11,21)}", "{[1,2),[3,4)}", True,
    )  # fmt: skip
    assert note == (
        "10 row(s) stayed: in 1 of 3 parts of the window rows changed since the export; the next run exports them again"
    )
    assert place.archive() == [Deleted(10, 0)]
    assert place.live().total() == 0


def test_a_generation_of_which_nothing_left_is_void_and_exported_again_by_the_next_run(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed'")
    assert place.delete(window) == Deleted(0, ROWS)
    assert place.ledger("state, cause, range_missed, deleted_rows") == [(State.VOID, None, True, 0)]
    assert place.delete(window) == Deleted(0, 0)
    assert place.archive() == [Deleted(ROWS, 0)]
    assert place.ledger("generation, state, range_missed") == [(1, State.VOID, True), (2, State.DELETED, False)]


def test_after_two_misses_in_a_row_the_list_decides(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    hot = "UPDATE analytics.events SET name = name || '!' WHERE id = 3"
    found = []
    for _ in range(4):
        window = place.stored_window()
        place.sql(hot)
        found.append((place.delete(window), place.ledger("range_missed")[-1][0]))
    assert found == [
        (Deleted(15, 10), True),
        (Deleted(0, 10), True),
        # By the list just the one that changes stays; and then its window is tried by range again.
        (Deleted(9, 1), False),
        (Deleted(0, 1), True),
    ]
    by_generation = sorted(place.manifests(), key=lambda one: one.generation)
    assert [bool(one.sub_ranges) for one in by_generation] == [True, True, False, True]
    assert ids(place) == [3]


def test_vacuum_and_freeze_change_nothing_that_counts(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    place.sql("DELETE FROM analytics.events WHERE id = 3")
    place.sql("VACUUM (FREEZE) analytics.events")
    place.sql(insert(5))
    place.sql("VACUUM (FREEZE) analytics.events")
    assert place.delete(window) == Deleted(15, 10)
    assert ids(place) == [1, 2, 4, 5, 6, 7, 8, 9, 10, ROWS + 1]


@pytest.mark.parametrize(
    "rewrite",
    [
        "VACUUM (FULL, FREEZE) analytics.events",
        "CLUSTER analytics.events USING events_triggered_at",
        "ALTER TABLE analytics.events ALTER COLUMN id TYPE numeric",
        "ALTER TABLE analytics.events DROP COLUMN name, ADD COLUMN name text",
        "ALTER TABLE analytics.events ADD COLUMN more int DEFAULT 5",
    ],
)
def test_a_table_that_was_rewritten_or_altered_keeps_its_rows(place: Place, rewrite: str) -> None:
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    if "id TYPE" in rewrite:
        place.sql("ALTER TABLE analytics.events ALTER COLUMN id DROP IDENTITY")
    place.sql(rewrite)
    before = place.live()
    assert place.delete(window) == Deleted(0, ROWS)
    assert place.live() == before
    assert place.ledger("state, cause") == [(State.VOID, "given up")]


def test_rows_that_come_frozen_have_a_version_of_their_day(place: Place) -> None:
    """COPY FREEZE writes rows that every snapshot sees, with the number of the transaction that copied them."""
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    (manifest,) = place.manifests()
    oldest = str(manifest.server.oldest_transaction)
    with place.server.connect(place.database, autocommit=False) as user:
        user.execute("CREATE TABLE public.frozen (at timestamp)")
        with user.cursor() as cursor, cursor.copy("COPY public.frozen FROM STDIN (FREEZE)") as copy:
            copy.write(f"{minute(5)}\n")
    found = "SELECT age(xmin) > age(%s::xid8::xid) FROM {}"
    assert place.sql(found.format("public.frozen"), oldest) == [(False,)]
    assert set(place.sql(found.format("analytics.events"), oldest)) == {(True,)}
    assert place.delete(window) == Deleted(ROWS, 0)


def moved_snapshot(place: Place, by: int) -> None:
    """Makes the export's oldest transaction another one by so many, in the ledger's manifest."""
    place.sql("SET archiver.ledger_version = '3'")
    place.sql(
        "UPDATE archiver.windows SET manifest = jsonb_set(manifest, '{server,snapshot}', to_jsonb("
        " ((split_part(manifest -> 'server' ->> 'snapshot', ':', 1)::bigint + %s)::text || ':9:')))",
        by,
    )


@pytest.mark.parametrize("by", [-(1 << 30) - 1000, -(1 << 31) - 1000, -(1 << 32), 1_000_000])
def test_an_export_that_is_too_many_transactions_back_or_of_the_future_deletes_nothing(place: Place, by: int) -> None:
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    moved_snapshot(place, by)
    assert place.delete(window) == Deleted(0, ROWS)
    assert len(ids(place)) == ROWS
    assert place.ledger("state, note") == [
        (
            State.VOID,
            "too many transactions lie between its export and now, or none: its rows cannot be told by their age",
        )
    ]


def test_an_export_of_another_server_deletes_nothing(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET manifest = jsonb_set(manifest, '{server,system_identifier}', '\"7\"')")
    assert place.delete(window) == Deleted(0, ROWS)
    assert len(ids(place)) == ROWS


def test_a_policy_that_names_another_column_since_deletes_nothing(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    place.sql("ALTER TABLE analytics.events ADD COLUMN seen_at timestamp")
    place.sql("UPDATE analytics.events SET seen_at = triggered_at")
    window = place.stored_window()
    other = place.on("analytics.events", "seen_at")
    assert other.delete(window) == Deleted(0, ROWS)
    assert len(ids(place)) == ROWS


@pytest.mark.usefixtures("by_list")
def test_a_manifest_without_sub_ranges_is_one_of_before(place: Place) -> None:
    """What a former version left half done is finished by its list."""
    place = filled(place)
    window = place.stored_window()
    (row,) = place.sql("SELECT manifest FROM archiver.windows")
    assert Manifest.parse(row[0], "here").sub_ranges is None
    assert not deleted_by_range(place, window)
    assert place.live().total() == 0
