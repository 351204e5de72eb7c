"""What the archive's tasks add to its steps: who may lose rows, what was planned dry, and stops that come early."""

from __future__ import annotations

import json
import os
import re
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from pg_archiver.airflow.batch_json import BatchJson
from pg_archiver.airflow.variables import ClientVariables
from pg_archiver.archive.delete import delete_all
from pg_archiver.errors import DatabaseRefused, Interrupted, NotEnabled, OwnedElsewhere, SettingError, Stopped
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.ledger.window_ledger import WindowLedger
from tests.support.concurrency import in_background, until
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.task_context import connect_airflow, context_of, set_variables, work_on


@pytest.fixture
def filled(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Two windows that are due, in a place that Airflow knows."""
    place.sql(EVENTS)
    place.events(hours_ago(60.5), hours_ago(55.5), hours_ago(1))
    connect_airflow(place, monkeypatch)
    set_variables(monkeypatch)
    return place


def planned(place: Place, **client: Any) -> BatchJson:
    """The first of two batches of one window each."""
    batches, _ = work_on(place, **client).plan(context_of())
    assert len(batches) == 2
    return batches[0]


def exported_and_stored(place: Place) -> BatchJson:
    work = work_on(place, enabled=True)
    batch = planned(place, enabled=True)
    assert work.export(batch, context_of())["rows"] == 1
    assert work.store(batch, context_of()) == {"rows": 1}
    return batch


def exported_and_stored_of(place: Place, rows: int) -> BatchJson:
    """The first batch, of so many rows."""
    work, batch = work_on(place, enabled=True), planned(place, enabled=True)
    assert work.export(batch, context_of())["rows"] == rows
    assert work.store(batch, context_of()) == {"rows": rows}
    return batch


def count(place: Place) -> int:
    return int(place.sql("SELECT count(*) FROM analytics.events")[0][0])


def test_a_run_of_a_client_that_is_not_enabled_writes_nothing_anywhere(filled: Place) -> None:
    work = work_on(filled)
    batches, summary = work.plan(context_of())
    assert [batch["dry_run"] for batch in batches] == [True, True]
    assert "is not enabled. Fix: set enabled: true" in str(summary["dry_run"])
    assert work.export(batches[0], context_of())["rows"] == 1
    work.store(batches[0], context_of())
    assert work.delete(batches[0], context_of()) == {"deleted": 0, "changed": 0}
    assert count(filled) == 3
    assert filled.keys() == []
    assert not filled.has_ledger()


def test_a_run_that_was_planned_dry_stays_dry_when_the_client_is_enabled_meanwhile(filled: Place) -> None:
    batch = planned(filled)
    work = work_on(filled, enabled=True)
    work.export(batch, context_of())
    assert work.delete(batch, context_of()) == {"deleted": 0, "changed": 0}
    assert filled.keys() == []


def test_a_batch_that_does_not_say_how_it_was_planned_is_taken_for_dry(filled: Place) -> None:
    batch = exported_and_stored(filled)
    del batch["dry_run"]  # type: ignore[misc]
    assert work_on(filled, enabled=True).delete(batch, context_of()) == {"deleted": 0, "changed": 0}
    assert count(filled) == 3


@pytest.mark.parametrize("said", [{"enabled": False}, {}])
def test_a_delete_asks_again_whether_the_client_is_enabled(filled: Place, said: dict[str, bool]) -> None:
    batch = exported_and_stored(filled)
    with pytest.raises(NotEnabled, match="may no longer leave"):
        work_on(filled, **said).delete(batch, context_of())
    assert count(filled) == 3
    assert work_on(filled, enabled=True).delete(batch, context_of()) == {"deleted": 1, "changed": 0}


def test_a_delete_asks_the_variable_again(filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = exported_and_stored(filled)
    set_variables(monkeypatch, enabled="false")
    with pytest.raises(NotEnabled, match=f"Airflow Variable archive_enabled__{filled.database} is false"):
        work_on(filled, enabled=True).delete(batch, context_of())
    set_variables(monkeypatch, enabled="nonsense")
    with pytest.raises(SettingError, match="neither true nor false"):
        work_on(filled, enabled=True).delete(batch, context_of())
    assert count(filled) == 3


def test_a_variable_that_cannot_be_read_deletes_nothing(filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = exported_and_stored(filled)

    def unreadable(_client: str) -> None:
        raise Interrupted("Airflow could not be asked")

    monkeypatch.setattr("pg_archiver.airflow.archive.read_client_variables", unreadable)
    with pytest.raises(Interrupted):
        work_on(filled, enabled=True).delete(batch, context_of())
    assert count(filled) == 3


def test_a_client_goes_on_whose_ledger_held_a_delete_before_there_was_the_question(filled: Place) -> None:
    batch = exported_and_stored(filled)
    work_on(filled, enabled=True).delete(batch, context_of())
    # As if that had been done by a version that did not ask: its ledger has no note yet.
    filled.sql("DROP TABLE archiver.enabled_before")
    filled.sql("DELETE FROM archiver.migrations WHERE number >= 12")
    filled.sql("ALTER TABLE archiver.windows DROP COLUMN cause")
    filled.sql("DROP TABLE archiver.owners")
    filled.sql("ALTER TABLE archiver.restores DROP COLUMN positions")
    filled.sql("DROP FUNCTION archiver.refuse_programs_older_than_this_ledger CASCADE")
    filled.sql("DROP TABLE archiver.lowest_version")
    for key in filter(re.compile("/_owner/").search, filled.keys()):
        filled.remove(key)
    with filled.session() as session:
        assert WindowLedger(session, filled.order).has_deleted_before_enabling()
    batches, summary = work_on(filled).plan(context_of("run 2"))
    assert [batch["dry_run"] for batch in batches] == [False]
    assert any("enabled is not set" in note for note in summary["notes"])  # type: ignore[attr-defined]
    assert filled.sql("SELECT client FROM archiver.enabled_before") == [(filled.database,)]


def test_a_delete_since_then_enables_nobody(filled: Place) -> None:
    work_on(filled, enabled=True).delete(exported_and_stored(filled), context_of())
    batches, _ = work_on(filled).plan(context_of("run 2"))
    assert [batch["dry_run"] for batch in batches] == [True]


def test_a_dry_run_cannot_write_to_the_database_at_all(filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever mistake a step might make: the server refuses what its session is not there for."""
    ran: list[object] = []

    def deleting(database: Any, *_: object, **__: object) -> None:
        ran.append(database)
        database.execute("ledger/schema/record_migration", number=1, name="x")

    exported_and_stored(filled)
    monkeypatch.setattr("pg_archiver.airflow.archive.export_all", deleting)
    with pytest.raises(DatabaseRefused, match="read-only transaction"):
        work_on(filled).export(planned(filled), context_of())
    assert ran


def test_a_dry_run_by_the_forms_parameter_writes_nothing_though_the_client_is_enabled(filled: Place) -> None:
    work = work_on(filled, enabled=True)
    dry = context_of(dry_run=True)
    batches, summary = work.plan(dry)
    assert summary["dry_run"] == "the run's parameter dry_run is set"
    assert [batch["dry_run"] for batch in batches] == [True, True]
    assert filled.keys() == []
    assert not filled.has_ledger()
    real = exported_and_stored(filled)
    keys = filled.keys()
    work.export(real, dry)
    work.store(real, dry)
    assert work.delete(real, dry) == {"deleted": 0, "changed": 0}
    assert filled.keys() == keys
    assert count(filled) == 3


def test_the_steps_themselves_refuse_to_delete_on_the_order_of_a_dry_run(filled: Place) -> None:
    exported_and_stored(filled)
    dry = filled.ordered(dry_run=True)
    with filled.session() as session, pytest.raises(NotEnabled, match="is a dry run"):
        delete_all(session, filled.store, dry.order, filled.windows(), lambda: False)
    assert count(filled) == 3


def foreign_marker(place: Place) -> None:
    """What another database leaves that acts for this archive."""
    (own,) = [key for key in place.keys() if "/_owner/" in key]  # noqa: SIM118 (a method of ours)
    marker = json.loads(place.read(own)) | {"number": 2, "token": "another's", "run_id": "of the copy"}
    place.write(own.replace("00000001", "00000002"), json.dumps(marker).encode())


def test_a_delete_asks_who_acts_for_the_archive(filled: Place) -> None:
    batch = exported_and_stored(filled)
    foreign_marker(filled)
    with pytest.raises(OwnedElsewhere, match="marker 2"):
        work_on(filled, enabled=True).delete(batch, context_of())
    assert count(filled) == 3
    with pytest.raises(OwnedElsewhere):
        work_on(filled, enabled=True).plan(context_of("run 2"))
    work_on(filled, enabled=True).plan(context_of("run 3", adopt="the copy is gone"))
    assert work_on(filled, enabled=True).delete(batch, context_of("run 3"))["deleted"] == 1
    assert filled.sql("SELECT adopted FROM archiver.owners WHERE adopted IS NOT NULL") == [("the copy is gone",)]


def test_a_delete_asks_again_between_its_batches(filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = filled.with_policy(batch_size=10)
    filled.events(*(hours_ago(60.5 - minute / 60) for minute in range(1, 30)))
    batch = exported_and_stored_of(filled, 30)
    asked: list[int] = []

    def asks(ownership: Ownership) -> None:
        asked.append(count(filled))
        if len(asked) == 2:
            foreign_marker(filled)
        ownership.confirm()

    monkeypatch.setattr(Ownership, "reconfirm", asks)
    with pytest.raises(OwnedElsewhere):
        work_on(filled, enabled=True).delete(batch, context_of())
    assert asked == [32, 22]
    assert count(filled) == 22


def test_adopting_works_while_everything_is_kept_and_says_so_where_it_does_not(filled: Place) -> None:
    exported_and_stored(filled)
    foreign_marker(filled)
    work = work_on(filled, enabled=True)
    _, summary = work.plan(context_of("run 2", keep_days=-1, adopt="moved", dry_run=True))
    assert "this database was not adopted, because this is a dry run" in summary["notes"]  # type: ignore[operator]
    work.plan(context_of("run 3", keep_days=-1, adopt="moved"))
    assert filled.sql("SELECT run_id FROM archiver.owners WHERE adopted = 'moved'") == [("run 3",)]
    assert len(work.plan(context_of("run 4"))[0]) == 2


def test_a_misspelt_variable_stops_a_delete_that_is_under_way(filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = exported_and_stored(filled)
    wrong = ClientVariables({}, None, (f"archive_enabled__{filled.database.title()}",))
    monkeypatch.setattr("pg_archiver.airflow.archive.read_client_variables", lambda _client: wrong)
    with pytest.raises(SettingError, match="names no client"):
        work_on(filled, enabled=True).delete(batch, context_of())
    assert count(filled) == 3


def test_a_batch_that_outlasts_the_stop_of_its_task_is_rolled_back(
    filled: Place, request: pytest.FixtureRequest
) -> None:
    batch = exported_and_stored(filled)
    filled.sql(
        "CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(600); RETURN OLD; END $$;"
        "CREATE TRIGGER dawdling BEFORE DELETE ON analytics.events FOR EACH ROW EXECUTE FUNCTION public.dawdle()"
    )

    def stop() -> None:
        # As Airflow does it, while the main thread waits for the server.
        with filled.server.connect(filled.database) as looking:
            sleeping = b"SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            until(lambda: bool(looking.execute(sleeping).fetchall()))
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    request.addfinalizer(lambda: signal.signal(signal.SIGTERM, before))
    with (
        in_background(stop),
        pytest.raises(Stopped, match=r"stopped after 0 of 1 rows\. Run the task again to continue"),
    ):
        work_on(filled, enabled=True).delete(batch, context_of())
    assert count(filled) == 3
    filled.sql("DROP TRIGGER dawdling ON analytics.events")
    assert work_on(filled, enabled=True).delete(batch, context_of()) == {"deleted": 1, "changed": 0}


def test_a_stop_that_comes_while_the_task_makes_its_connections_is_seen(
    filled: Place, request: pytest.FixtureRequest
) -> None:
    batch = exported_and_stored(filled)
    context = context_of()

    stopped: list[int] = []

    class StoppedRun(SimpleNamespace):
        @property
        def run_id(self) -> str:
            # The first thing that the task asks for, long before it has a connection.
            if not stopped:
                stopped.append(1)
                os.kill(os.getpid(), signal.SIGTERM)
            return "run 1"

    context["dag_run"] = StoppedRun(run_after=context["dag_run"].run_after, conf={})
    # Airflow's own handler, which would let the task run on.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    request.addfinalizer(lambda: signal.signal(signal.SIGTERM, before))
    with pytest.raises(Stopped, match="before its first batch"):
        work_on(filled, enabled=True).delete(batch, context)
    assert count(filled) == 3
    assert work_on(filled, enabled=True).delete(batch, context_of()) == {"deleted": 1, "changed": 0}
