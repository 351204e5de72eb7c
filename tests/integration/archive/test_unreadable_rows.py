"""A row that the server cannot write out stays and is named by its place; everything else leaves, night after night."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from pg_archiver.archive.delete import delete_all
from pg_archiver.archive.drop_partition import drop
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.report import BatchEnd, report
from pg_archiver.archive.store import store_all
from pg_archiver.domain.work import Batch
from pg_archiver.errors import ArchiverError, Damaged, DatabaseInterrupted, DatabaseRefused, ValueRefused
from pg_archiver.ledger.window_generation import State
from pg_archiver.postgres import session as database_module
from pg_archiver.postgres.session import Line
from tests.support.partitions import name_of, partitioned, partitions
from tests.support.place import EVENTS, Place, hours_ago

pytestmark = pytest.mark.more

SECRET = "a text that no log may hold"
LOST_LABEL = """
    CREATE TYPE mood AS ENUM ('fine', 'lost');
    ALTER TABLE analytics.events ADD mood mood DEFAULT 'fine';
    UPDATE analytics.events SET mood = 'lost' WHERE id = ANY(%s);
    SET allow_system_table_mods = on;
    DELETE FROM pg_catalog.pg_enum WHERE enumlabel = 'lost';
    RESET allow_system_table_mods
"""

# The server lets nobody write to a table of TOAST, but for one that it takes for an ordinary one.
LOST_CHUNK = """
    SET allow_system_table_mods = on;
    UPDATE pg_catalog.pg_class SET relkind = 'r' WHERE oid = '{toast}'::regclass;
    DELETE FROM {toast} WHERE chunk_seq = 1;
    UPDATE pg_catalog.pg_class SET relkind = 't' WHERE oid = '{toast}'::regclass;
    RESET allow_system_table_mods
"""


def lose_label(place: Place, ids: list[int]) -> None:
    """A value for which no text stands any more."""
    place.sql(LOST_LABEL.replace("%s", f"'{{{', '.join(map(str, ids))}}}'"))


def lose_chunk(place: Place, ids: list[int]) -> None:
    """A large value of which the server's disk has lost a piece."""
    for (part,) in place.sql("SELECT DISTINCT tableoid::regclass::text FROM analytics.events WHERE id = ANY(%s)", ids):
        place.sql(f"ALTER TABLE {part} ALTER name SET STORAGE EXTERNAL")
        place.sql(f"UPDATE {part} SET name = repeat('{SECRET} ', 200) WHERE id = ANY(%s)", ids)
        ((toast,),) = place.sql("SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = %s::regclass", part)
        place.sql(LOST_CHUNK.format(toast=toast))
        # Until then a value is put together from its deleted pieces too.
        place.sql(f"VACUUM {part}")


def make_too_large(place: Place, ids: list[int]) -> None:
    """A value that as text takes more than the server's memory manager gives to any."""
    place.sql("ALTER TABLE analytics.events ADD body bytea")
    place.sql("UPDATE analytics.events SET body = convert_to(repeat('a', 540000000), 'UTF8') WHERE id = ANY(%s)", ids)


@dataclass(frozen=True)
class Bad:
    """A way to make rows unreadable, and how the server puts it."""

    make: Callable[[Place, list[int]], None]
    error: type[DatabaseRefused]
    column: str


KINDS = {
    "a label that is gone": Bad(lose_label, ValueRefused, "mood"),
    "a lost TOAST chunk": Bad(lose_chunk, Damaged, "name"),
    "too large as text": Bad(make_too_large, ValueRefused, "body"),
}


@dataclass
class Night:
    """One run: what its tasks raised, and what its report calls unfinished."""

    errors: list[ArchiverError]
    unfinished: tuple[str, ...]
    batches: tuple[Batch, ...]


def night(place: Place, run: str) -> Night:
    """A whole run as the DAG has it: each step after the one before, whatever became of that."""
    place = place.ordered(run_id=run)
    place.windows()
    batches = place.plan().batches
    errors: list[ArchiverError] = []
    ends = []
    for batch in batches:
        failed = {step.__name__: error for step in (exported, stored, removed) if (error := raised(step, place, batch))}
        errors += failed.values()
        ends.append(BatchEnd(batch, "label", ", ".join(failed), exported="exported" not in failed))
    with place.session() as session:
        return Night(errors, report(session, place.order, ends).unfinished, batches)


def raised(step: Callable[[Place, Batch], None], place: Place, batch: Batch) -> ArchiverError | None:
    try:
        step(place, batch)
    except ArchiverError as error:
        return error
    return None


def exported(place: Place, batch: Batch) -> None:
    with place.session() as session:
        export_all(session, place.store, place.order, batch.windows)


def stored(place: Place, batch: Batch) -> None:
    with place.session() as session:
        store_all(session, place.store, place.order, batch.windows)


def removed(place: Place, batch: Batch) -> None:
    with place.session() as session:
        if not (batch.partition and drop(session, place.store, place.order, batch.partition)):
            delete_all(session, place.store, place.order, batch.windows, lambda: False)


def ids(place: Place) -> list[int]:
    return [row[0] for row in place.sql("SELECT id FROM analytics.events ORDER BY id")]


def place_of(place: Place, number: int) -> str:
    ((ctid, part),) = place.sql(
        "SELECT ctid::text, tableoid::regclass::text FROM analytics.events WHERE id = %s", number
    )
    return f"the row at ctid {ctid} of {part}"


@pytest.fixture
def hours(place: Place) -> Place:
    """Four hours that are due, of three rows each."""
    place.sql(EVENTS)
    place.events(*(hours_ago(hour - minute / 60) for hour in range(63, 59, -1) for minute in (10, 20, 30)))
    return place


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_named_and_keeps_its_own_hour_alone(hours: Place, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    bad = KINDS[kind]
    bad.make(hours, [5])
    told = f"{place_of(hours, 5)}, column {bad.column} (its key: id)"
    for number in (1, 2):
        done = night(hours, f"night {number}")
        assert ids(hours) == [4, 5, 6]
        assert type(done.errors[0]) is bad.error
        assert told in str(done.errors[0])
        assert len(done.unfinished) == 1
        assert told in done.unfinished[0]
    assert SECRET not in caplog.text + str(done)
    assert hours.ledger("state, generation")[-3:] != []
    hours.sql(f"UPDATE analytics.events SET {bad.column} = NULL WHERE id = 5")
    done = night(hours, "the night after")
    assert (ids(hours), done.errors, done.unfinished) == ([], [], ())
    assert hours.archived().total() == 12


@pytest.mark.parametrize("kind", list(KINDS)[:2])
def test_a_partition_that_is_due_as_a_whole_stays_with_that_hour_alone(place: Place, kind: str) -> None:
    """Its other rows leave in batches in the same run; when the row is mended, the partition is dropped."""
    partitioned(place, 6, 5)
    KINDS[kind].make(place, [3])
    told = place_of(place, 3)
    assert name_of(6) in told
    for number in (1, 2):
        done = night(place, f"night {number}")
        assert any(batch.partition for batch in done.batches)
        assert ids(place) == [3, 4]
        assert partitions(place) == {name_of(6)}
        assert any(told in line for line in done.unfinished)
    place.sql("DELETE FROM analytics.events WHERE id = 3")
    assert night(place, "the night after").unfinished == ()
    assert partitions(place) == set()


def test_several_are_named_and_those_of_a_table_without_a_key_too(hours: Place) -> None:
    hours.sql("ALTER TABLE analytics.events DROP CONSTRAINT events_pkey")
    lose_label(hours, [4, 6])
    told = [place_of(hours, number) for number in (4, 6)]
    found = night(hours, "night 1").errors[0]
    assert all(f"{one}, column mood" in str(found) for one in told)
    assert "its key" not in str(found)


def test_a_dry_run_names_it_and_notes_nothing(hours: Place) -> None:
    lose_label(hours, [5])
    dry = hours.ordered(dry_run=True)
    batch = Batch(tuple(window for one in dry.plan().batches for window in one))
    with pytest.raises(ValueRefused, match="the server cannot write out the row at ctid"):
        exported(dry, batch)
    assert hours.keys() == []
    assert len(ids(hours)) == 12


def test_what_no_row_is_to_blame_for_is_said_as_it_is(hours: Place) -> None:
    """Not even none of its rows could be written out."""
    lose_label(hours, [5])
    hours.sql(
        "SET allow_system_table_mods = on; UPDATE pg_catalog.pg_type SET typoutput = 0 WHERE typname = 'mood';"
        "RESET allow_system_table_mods"
    )
    done = night(hours, "night 1")
    assert "no output function available for type" in str(done.errors[0])
    assert "cannot write out" not in str(done.errors[0])
    assert len(ids(hours)) == 12


@contextmanager
def dying_at(place: Place, number: int) -> Iterator[None]:
    """The server's process dies whenever it writes this row out."""
    batches = database_module.CopyOut.batches
    mark = f",event at {place.sql('SELECT triggered_at FROM analytics.events WHERE id = %s', number)[0][0]}".encode()

    def dying(copy: database_module.CopyOut) -> Iterator[list[Line]]:
        for rows in batches(copy):
            if any(mark in bytes(row) for row in rows):
                place.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'test'"
                )
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            yield rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database_module.CopyOut, "batches", dying)
        yield


def test_a_row_at_which_the_server_dies_has_its_turn_last_from_the_second_run_on(hours: Place) -> None:
    hours = hours.with_policy(windows_per_task=10)
    with dying_at(hours, 2):
        first = night(hours, "night 1")
        assert isinstance(first.errors[0], DatabaseInterrupted)
        assert len(ids(hours)) == 12, "it is in the oldest window, after which no other had its turn"
        second = night(hours, "night 2")
        assert ids(hours) == [1, 2, 3]
        assert second.unfinished
        assert night(hours, "night 3").unfinished
    assert night(hours, "night 4").unfinished == ()
    assert ids(hours) == []


def test_bad_windows_that_fill_a_whole_run_keep_no_other_one(hours: Place) -> None:
    """A run of two windows, and the two oldest ones are bad: the others have their turns, one of these is tried."""
    hours = hours.with_policy(windows_per_task=1, max_mapped_windows=2)
    lose_label(hours, [2, 5])
    for number in (1, 2, 3):
        done = night(hours, f"night {number}")
        assert done.unfinished, "a run that tries none of them would be green"
    assert ids(hours) == [1, 2, 3, 4, 5, 6]
    assert {row[0] for row in hours.ledger("state")} == {State.PLANNED, State.VOID, State.DELETED}
