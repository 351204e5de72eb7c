"""While workers are upgraded one by one: what an older one writes to a ledger that a newer one uses fails, whole."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pg_archiver.domain.ledger_version import LEDGER_VERSION
from pg_archiver.errors import DatabaseRefused
from pg_archiver.ledger.migrations import list_migrations
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres.session import Session
from tests.support.place import Place, hours_ago
from tests.support.restores import events, restored

pytestmark = pytest.mark.more

# The statements of release 0750206, which knows nothing of versions of the ledger.
OLD = Path(__file__).parents[2] / "cases" / "format_1" / "sql"
READS = ["ledger_all", "ledger_latest", "ledger_open_windows"]
WRITES = sorted({path.stem for path in OLD.glob("*.sql")} - set(READS))
TABLES = ("windows", "partitions", "restores")
VERSIONED = [number for number, path in list_migrations() if path.stem.endswith("lowest_version")]


def values(**changes: Any) -> dict[str, Any]:
    """Something for every value that one of the statements wants."""
    start, end = hours_ago(60), hours_ago(59)
    said = {
        **dict.fromkeys(("client", "schema", "table", "object_key", "run_id", "note", "sha256", "etag", "bucket"), "x"),
        **dict.fromkeys(("partition_schema", "partition_name", "parent_schema", "parent_name", "lower", "upper"), "x"),
        **dict.fromkeys(("target_schema", "target_table"), "x"),
        **dict.fromkeys(("id", "generation", "oid", "target_oid", "hold_days"), 1),
        **dict.fromkeys(("rows", "csv_bytes", "object_bytes", "bytes"), 5),
        **dict.fromkeys(("start", "cell_start", "span_start"), start),
        **dict.fromkeys(("end", "cell_end", "span_end"), end),
        "manifest": "{}",
        "after": 0,
        "upto": 1,
        "deleted": 1,
        "kept": [],
        "state": "void",
    }
    return {**said, **changes}


@contextmanager
def old_worker(place: Place) -> Generator[psycopg.Connection[Any]]:
    """A session as that release has it, each statement in a transaction of its own."""
    with place.connect() as connection:
        connection.autocommit = True
        yield connection


def written(connection: psycopg.Connection[Any], statement: str, **changes: Any) -> int:
    text = (OLD / f"{statement}.sql").read_bytes()
    return connection.execute(text, values(**changes)).rowcount


def with_windows_in(place: Place, state: str) -> Place:
    """Two windows of a table, one of them in this state, and a partition that is being detached."""
    events(place, rows=5)
    place.events(hours_ago(70))
    first, _ = place.windows()
    with place.session() as session:
        ledger = WindowLedger(session, place.order)
        if state == "planned":
            ledger.begin(first, 1)
    if state in {"exported", "stored"}:
        place.export(first)
    if state == "stored":
        place.check(first)
    place.sql("SET archiver.ledger_version = '3'")
    place.user.execute((OLD / "partition_begin.sql").read_bytes(), values())
    return place


def everything(place: Place) -> list[list[Any]]:
    return [place.sql(f"SELECT * FROM archiver.{table} ORDER BY id") for table in TABLES]


STATE_FOR = {"ledger_exported": "planned", "ledger_stored": "exported", "ledger_progress": "stored"}


@pytest.mark.parametrize("statement", WRITES)
def test_every_write_of_the_release_before_this_fails_and_would_not_have_without_the_triggers(
    place: Place, statement: str
) -> None:
    with_windows_in(place, STATE_FOR.get(statement, "stored"))
    changes = {"state": "gone"} if statement == "partition_ended" else {}
    before = everything(place)
    with old_worker(place) as connection:
        with pytest.raises(psycopg.Error, match="written only by a later version") as refused:
            written(connection, statement, **changes)
        assert refused.value.sqlstate == "AR001"
        assert everything(place) == before
        place.sql("DROP FUNCTION archiver.refuse_programs_older_than_this_ledger CASCADE")
        assert written(connection, statement, **changes) == 1


def test_its_delete_batch_is_rolled_back_whole(place: Place) -> None:
    with_windows_in(place, "stored")
    rows = place.live()
    with old_worker(place) as connection, connection.transaction() as batch:
        assert connection.execute("DELETE FROM analytics.events").rowcount == len(rows)
        with pytest.raises(psycopg.Error, match="later version"):
            written(connection, "ledger_progress")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        raise psycopg.Rollback(batch)
    assert place.live() == rows
    assert place.ledger("state, deleted_upto") == [("stored", 0)]


def test_what_it_reads_it_goes_on_reading(place: Place) -> None:
    with_windows_in(place, "stored")
    with old_worker(place) as connection:
        for statement in READS:
            changes: dict[str, Any] = {"client": place.database, "schema": "analytics", "table": "events"}
            if statement == "ledger_latest":
                (row,) = place.sql("SELECT cell_start, cell_end FROM archiver.windows")
                changes |= {"cell_start": row[0], "cell_end": row[1]}
            if statement == "ledger_open_windows":
                changes |= {"start": hours_ago(100), "end": hours_ago(0)}
            assert written(connection, statement, **changes) == 1


@pytest.mark.parametrize("path", ["public", '"$user", public, pg_catalog', "evil, pg_catalog", ""])
def test_no_search_path_and_no_operator_of_a_user_opens_the_way(place: Place, path: str) -> None:
    with_windows_in(place, "stored")
    place.sql(
        "CREATE SCHEMA evil;"
        "CREATE TABLE evil.lowest_version (version int); INSERT INTO evil.lowest_version VALUES (0);"
        "CREATE FUNCTION evil.yes(int, int) RETURNS bool LANGUAGE sql AS 'SELECT true';"
        "CREATE OPERATOR evil.>= (FUNCTION = evil.yes, LEFTARG = int, RIGHTARG = int);"
        "CREATE FUNCTION evil.current_setting(text, bool) RETURNS text LANGUAGE sql AS $$ SELECT '9' $$"
    )
    with old_worker(place) as connection:
        connection.execute("SELECT set_config('search_path', %s, false)", [path])
        with pytest.raises(psycopg.Error, match="later version"):
            written(connection, "ledger_progress")
        for junk in ("", "1", "two", "-2", "1e3", "99999999999999999999", " 2"):
            connection.execute("SELECT set_config('archiver.ledger_version', %s, false)", [junk])
            with pytest.raises(psycopg.Error, match="later version"):
                written(connection, "ledger_progress")
        connection.execute("SELECT set_config('archiver.ledger_version', '3', false)")
        assert written(connection, "ledger_progress") == 1


def test_what_a_person_writes_by_hand_needs_no_setting(place: Place) -> None:
    with_windows_in(place, "stored")
    with old_worker(place) as connection:
        ended = connection.execute("UPDATE archiver.windows SET state = 'void' WHERE object_key <> ''")
        assert ended.rowcount == 1
        with pytest.raises(psycopg.Error, match="later version"):
            connection.execute("UPDATE archiver.windows SET state = 'void', note = 'by hand'")
        with pytest.raises(psycopg.Error, match="later version"):
            connection.execute("UPDATE archiver.windows SET state = 'stored'")
    place.archive()
    place.sql("RESET archiver.ledger_version")
    restored(place, hold_days=7)
    held = place.sql("UPDATE archiver.restores SET hold_until = now() WHERE hold_until > now() RETURNING id")
    assert len(held) == 2


def raised(place: Place) -> None:
    """As a later version of the program does when older ones must not write any more."""
    place.sql("UPDATE archiver.lowest_version SET version = %s", LEDGER_VERSION + 1)


def newer(place: Place) -> str:
    return (
        f"the ledger of database {place.database} may be written only by ledger version {LEDGER_VERSION + 1} or later. "
        f"This program has {LEDGER_VERSION}. Nothing more was deleted. Fix: update this worker"
    )


def test_this_program_refuses_plainly_when_it_is_the_older_one(place: Place) -> None:
    events(place, rows=5)
    window = place.stored_window()
    rows, ledger = place.live(), place.ledger("*")
    raised(place)
    for attempt in (lambda: place.delete(window), place.windows, lambda: restored(place)):
        with pytest.raises(DatabaseRefused) as refused:
            attempt()
        assert str(refused.value) == newer(place)
    assert (place.live(), place.ledger("*")) == (rows, ledger)
    assert place.plan().windows == 1


def test_a_ledger_that_wants_a_later_program_gets_no_migration_and_a_dry_run_says_so(place: Place) -> None:
    events(place, rows=5)
    place.windows()
    with place.session() as session:
        assert WindowLedger(session, place.order).find_hindrance() is None
    raised(place)
    place.sql("DELETE FROM archiver.migrations WHERE number = 16")
    with place.session() as session:
        ledger = WindowLedger(session, place.order)
        assert ledger.find_hindrance() == newer(place)
        with pytest.raises(DatabaseRefused, match="update this worker"):
            ledger.migrate()
    assert place.sql("SELECT count(*) FROM archiver.migrations WHERE number = 16") == [(0,)]


def test_a_ledger_that_does_not_say_takes_nothing(place: Place) -> None:
    events(place, rows=5)
    window = place.stored_window()
    place.sql("DELETE FROM archiver.lowest_version")
    with pytest.raises(DatabaseRefused, match="only by ledger version unknown or later"):
        place.delete(window)
    assert len(place.live()) == 5


@pytest.mark.usefixtures("by_list")
def test_a_worker_whose_batches_were_under_way_is_stopped_between_two_of_them(place: Place) -> None:
    events(place, rows=25)
    window = place.stored_window()

    def upgraded() -> bool:
        if place.ledger("deleted_upto") == [(10,)]:
            raised(place)
        return False

    with pytest.raises(DatabaseRefused, match="update this worker"):
        place.delete(window, upgraded)
    assert place.ledger("state, deleted_upto") == [("stored", 10)]
    assert len(place.live()) == 15


def test_a_role_that_may_write_the_windows_needs_no_right_on_what_the_triggers_read(place: Place) -> None:
    events(place, rows=5)
    window = place.stored_window()
    limited = place.as_role(
        "worker",
        "USAGE ON SCHEMA analytics, archiver",
        "SELECT, DELETE ON analytics.events",
        "SELECT, UPDATE ON archiver.windows",
    )
    assert limited.delete(window).rows == 5


def old_ledger(session: Session) -> None:
    """The ledger as it was before it noted a lowest version."""
    with session.transaction():
        for number, path in list_migrations():
            if number < VERSIONED[0]:
                session.run_script(path.read_text(encoding="utf-8"))
                if number > 1:
                    session.execute("ledger/schema/record_migration", number=number, name=path.stem)


def test_a_ledger_from_before_that_is_used_by_an_older_worker_is_closed_to_it_by_the_first_newer_run(
    place: Place,
) -> None:
    events(place, rows=5)
    with place.session() as session:
        old_ledger(session)
    with old_worker(place) as connection:
        assert written(connection, "ledger_begin") == 1
        place.windows()
        with pytest.raises(psycopg.Error, match="later version"):
            written(connection, "ledger_exported")
