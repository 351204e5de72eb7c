"""index: built without making a writer wait, mended after a break, and nobody else's build is touched."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pg_archiver.airflow.maintenance import Maintenance
from pg_archiver.errors import Busy, DatabaseInterrupted, DatabaseRefused, LockWait, MaintenanceRefused, TableRefused
from pg_archiver.maintenance.disk_room import FreeSpace, estimate_index_bytes
from pg_archiver.maintenance.index import index_name
from pg_archiver.policies.maintenance_settings import Disk
from pg_archiver.policies.yaml_file import Client
from pg_archiver.postgres import activity
from tests.support.concurrency import in_background, until
from tests.support.indexes import indexes, used_by_the_plan
from tests.support.maintenance_steps import BUILD, filled, indexed, transaction, upkeep
from tests.support.place import Place
from tests.support.task_context import connect_airflow

_BUILDING = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()"
OURS = "events_triggered_at_archiver"
_WRITE = "INSERT INTO analytics.events (triggered_at) VALUES (now())"
# By then the index is in the catalog, invalid, for whoever comes next.
_BEGUN = f"{_BUILDING} AND phase LIKE 'waiting for writers%'"


@pytest.fixture(autouse=True)
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "POLL_SECONDS", 0.02)


def test_a_missing_index_is_built_and_used(place: Place) -> None:
    filled(place)
    done = indexed(place)
    assert (done.name, done.built, done.dropped) == (OURS, (OURS,), ())
    assert used_by_the_plan(place) == OURS
    ((action, state, before, after),) = upkeep(place, "action, state, indexes_before, indexes_after")
    assert (action, state) == ("index", "done")
    assert after > before


def test_an_index_that_is_there_is_left_alone(place: Place) -> None:
    filled(place)
    place.sql("CREATE INDEX theirs ON analytics.events (triggered_at, name)")
    assert str(indexed(place)) == "index theirs is valid"
    assert upkeep(place) == [("index", None, "skipped")]


@pytest.mark.parametrize(
    "unfit",
    [
        "(name, triggered_at)",
        "(triggered_at) WHERE id > 5",
        "((triggered_at + interval '1 hour'))",
    ],
)
def test_an_index_that_does_not_lead_to_all_rows_by_time_does_not_count(place: Place, unfit: str) -> None:
    filled(place, 10)
    place.sql(f"CREATE INDEX ON analytics.events {unfit}")
    assert indexed(place).built == (OURS,)


def test_beside_a_brin_index_nothing_is_built_and_that_is_said(place: Place) -> None:
    filled(place, 10)
    place.sql("CREATE INDEX small ON analytics.events USING brin (triggered_at)")
    done = indexed(place)
    assert (done.name, done.built) == ("small", ())
    assert "index small is valid; it is a BRIN index, beside which no b-tree was built" in str(done)
    assert "CREATE INDEX CONCURRENTLY ON analytics.events (triggered_at)" in str(done)
    assert upkeep(place) == [("index", None, "skipped")]


def of(free: int | None) -> FreeSpace:
    return FreeSpace(lambda: free, "the test")


@pytest.mark.parametrize("analyzed", [True, False])
def test_an_index_for_which_the_disk_has_no_room_is_not_built(place: Place, analyzed: bool) -> None:
    filled(place)
    if analyzed:
        place.sql("ANALYZE analytics.events")
    else:
        place.sql("SELECT pg_stat_reset()")
    built = indexed(place.ordered(dry_run=True), space=of(100_000))
    assert "would be refused now: index" in str(built)
    with pytest.raises(MaintenanceRefused, match=r"as much WAL again, and 50% .* 100\.0 kB are free \(the test\)"):
        indexed(place, space=of(100_000))
    with pytest.raises(MaintenanceRefused, match="how much is free is not known"):
        indexed(place, space=of(None))
    assert indexes(place) == indexes(place, valid=False) == []
    assert upkeep(place) == [("index", None, "failed")] * 2
    assert indexed(place, space=of(10_000_000)).built == (OURS,)
    ((size,),) = place.sql("SELECT pg_relation_size('analytics.events_triggered_at_archiver')")
    assert size <= estimate_index_bytes(4000, 0) < 2 * size


def test_where_the_policy_says_nothing_of_the_disk_it_is_built_and_the_room_is_told(place: Place) -> None:
    filled(place)
    done = indexed(place)
    assert done.built == (OURS,)
    assert "how much is free is not known (disk is not set for this instance)" in str(done)


def test_the_task_asks_as_the_policy_says(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_airflow(place, monkeypatch)
    filled(place)
    client = Client(place.database, "rds_main", place.database, (place.policy,), Disk(free_bytes=1000))
    form = {"actions": None, "dry_run": False, "heapallindexed": False, "reindex": True}
    context = {
        "params": form,
        "dag": SimpleNamespace(params=form, dag_id="maintenance"),
        "dag_run": SimpleNamespace(run_id="run 1", conf={}),
    }
    with pytest.raises(MaintenanceRefused, match=r"1\.0 kB are free \(the figure in the policy file\)"):
        Maintenance(client, place.policy, context).index()
    assert indexes(place) == []


@contextmanager
def writing(place: Place) -> Generator[list[int]]:
    """A writer that never waits for a lock: the statement would fail at once."""
    over, written = threading.Event(), []

    def write() -> None:
        with place.server.connect(place.database) as user:
            user.execute("SET lock_timeout = '1ms'; SET deadlock_timeout = '1s'")
            while not over.is_set():
                user.execute("INSERT INTO analytics.events (triggered_at, name) VALUES (now(), 'w')")
                user.execute("UPDATE analytics.events SET name = 'v' WHERE id = (SELECT max(id) FROM analytics.events)")
                user.execute("DELETE FROM analytics.events WHERE id = (SELECT min(id) FROM analytics.events)")
                written.append(1)

    with in_background(write) as writer:
        try:
            yield written
        finally:
            over.set()
        writer.result()


def test_a_build_makes_no_writer_wait(place: Place) -> None:
    filled(place, 50_000)
    with writing(place) as written:
        until(lambda: bool(written))
        begun = len(written)
        assert indexed(place).built == (OURS,)
        assert len(written) > begun
    assert used_by_the_plan(place) == OURS


def broken_build(place: Place, name: str = OURS) -> None:
    """Leaves what a CREATE INDEX CONCURRENTLY leaves that was ended in the middle."""
    statement = f'CREATE INDEX CONCURRENTLY "{name}" ON analytics.events (triggered_at)'

    def build() -> None:
        with place.server.connect(place.database) as user:
            user.execute(statement.encode())

    with transaction(place, _WRITE), in_background(build) as building:
        until(lambda: bool(place.sql(_BEGUN)))
        place.sql(f"SELECT pg_terminate_backend(pid) FROM ({_BUILDING}) AS building")
        assert building.exception() is not None
    assert name in indexes(place, valid=False)


@pytest.mark.parametrize("name", [OURS, "somebody else's"])
def test_what_a_broken_build_left_is_dropped_and_built_again(place: Place, name: str) -> None:
    filled(place)
    broken_build(place, name)
    done = indexed(place)
    assert (done.dropped, done.built) == ((name,), (OURS,))
    assert (indexes(place), indexes(place, valid=False)) == ([OURS], [])


def test_a_leftover_beside_a_valid_index_is_dropped(place: Place) -> None:
    filled(place)
    broken_build(place, "left")
    place.sql("CREATE INDEX theirs ON analytics.events (triggered_at)")
    done = indexed(place)
    assert (done.name, done.dropped, done.built) == ("theirs", ("left",), ())
    assert indexes(place, valid=False) == []


def test_a_build_whose_connection_breaks_is_mended_by_the_next_run(place: Place) -> None:
    filled(place)
    with transaction(place, _WRITE), in_background(lambda: indexed(place)) as build:
        until(lambda: bool(place.sql(_BEGUN)))
        place.sql(f"SELECT pg_terminate_backend(pid) FROM ({_BUILDING}) AS building")
        assert isinstance(build.exception(), DatabaseInterrupted)
    assert indexes(place, valid=False) == [OURS]
    assert upkeep(place) == [("index", None, "running")]
    done = indexed(place)
    assert (done.dropped, done.built) == ((OURS,), (OURS,))
    assert upkeep(place) == [("index", None, "failed"), ("index", None, "done")]


def test_somebody_elses_build_is_not_dropped(place: Place) -> None:
    filled(place)
    with transaction(place, _WRITE) as user:

        def theirs() -> None:
            with place.server.connect(place.database) as other:
                other.execute("CREATE INDEX CONCURRENTLY theirs ON analytics.events (triggered_at)")

        with in_background(theirs) as build:
            until(lambda: bool(place.sql(_BUILDING)) and indexes(place, valid=False) == ["theirs"])
            with pytest.raises(
                Busy, match=r"theirs on analytics\.events is being built right now by the session with pid"
            ):
                indexed(place)
            user.rollback()
            build.result()
    assert indexed(place).name == "theirs"


def test_a_transaction_that_does_not_end_is_named(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    filled(place)
    limits = replace(BUILD, old_transactions=timedelta(milliseconds=400))
    with transaction(place, "SET application_name = 'payroll'", "DELETE FROM analytics.events WHERE id = 1") as user:
        with caplog.at_level("INFO"), pytest.raises(LockWait) as caught:
            indexed(place, limits)
        pid = user.info.backend_pid
    for text in (str(caught.value), caplog.text):
        assert f"pid {pid}" in text
        assert "payroll" in text
    assert indexed(place).dropped == (OURS,)


def test_progress_is_written_to_the_log(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    filled(place, 10)
    with (
        caplog.at_level("INFO"),
        transaction(place, _WRITE) as user,
        in_background(lambda: indexed(place)) as build,
    ):
        until(lambda: "waiting for writers before build, 0%" in caplog.text)
        user.rollback()
        build.result()


def test_a_name_that_is_taken_is_passed_over(place: Place) -> None:
    filled(place, 10)
    place.sql(f"CREATE TABLE analytics.{OURS} (x int)")
    place.sql(f"CREATE INDEX {OURS}_2 ON analytics.events (name)")
    assert indexed(place).name == f"{OURS}_3"


def test_long_names_stay_apart_within_63_bytes(place: Place) -> None:
    table, column = "ä" * 31, 'moment "of" 100% {x} ' + "é" * 20
    names = [index_name(table, column), index_name(table + "x", column), index_name(table, column, 2)]
    assert all(len(name.encode()) <= 63 for name in names)
    assert len(set(names)) == len(names)
    place.sql(f'CREATE TABLE public."{table}" ("{column.replace(chr(34), chr(34) * 2)}" timestamp)')
    long = place.on(f"public.{table}", column)
    assert indexed(long).name == names[0]
    assert used_by_the_plan(long) == names[0]
    assert str(indexed(long)) == f"index {names[0]} is valid"


def test_a_dry_run_builds_nothing(place: Place) -> None:
    filled(place, 10)
    done = indexed(place.ordered(dry_run=True))
    assert done.built == (OURS,)
    assert str(done).startswith(f"would build {OURS}; index {OURS} needs about ")
    assert indexes(place) == []
    assert not place.has_ledger()


def test_a_dry_run_says_what_it_would_drop_or_that_there_is_nothing_to_do(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    filled(place, 10)
    place.sql("CREATE INDEX broken ON analytics.events (triggered_at)")
    place.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'analytics.broken'::regclass")
    with caplog.at_level("INFO"):
        done = indexed(place.ordered(dry_run=True))
    assert str(done).startswith(f"would drop what broken builds have left: broken; would build {OURS}; index ")
    assert f"dry run: {done}" in caplog.text
    assert "dropping index" not in caplog.text
    assert indexed(place).dropped == ("broken",)
    assert str(indexed(place.ordered(dry_run=True))) == f"index {OURS} is valid"


def test_a_role_that_does_not_own_the_table_is_refused_before(place: Place) -> None:
    filled(place, 10)
    role = place.as_role("clerk")
    role.sql(f"GRANT ALL ON SCHEMA analytics TO {role.role}; GRANT ALL ON analytics.events TO {role.role}")
    role.sql(f"GRANT CREATE ON DATABASE {place.database} TO {role.role}")
    with pytest.raises(DatabaseRefused, match=r"only the table's owner postgres may"):
        indexed(role)
    assert indexes(place) == []


def test_a_column_that_is_not_there_is_refused(place: Place) -> None:
    filled(place, 10)
    with pytest.raises(TableRefused, match="no column 'occurred'"):
        indexed(place.on("analytics.events", "occurred"))


def test_the_same_action_started_twice_builds_once(place: Place) -> None:
    filled(place)
    with (
        transaction(place, _WRITE) as user,
        in_background(lambda: indexed(place)) as first,
        in_background(lambda: indexed(place)) as second,
    ):
        until(lambda: bool(place.sql(_BUILDING)))
        user.rollback()
        done: list[Any] = sorted([first.result().built, second.result().built])
    assert done == [(), (OURS,)]
