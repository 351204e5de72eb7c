"""What the archive's tasks add to its steps: who may lose rows, what was planned dry, and stops that come early."""

from __future__ import annotations

import os
import re
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from include.archiver.errors import DatabaseRefused, Interrupted, NotEnabled, SettingError, Stopped
from include.archiver.ledger import Ledger
from include.batches import BatchJson
from tests.integration.place import EVENTS, Place, hours_ago
from tests.integration.task_context import connect_airflow, context_of, set_variables, work_on


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


def count(place: Place) -> int:
    return int(place.sql("SELECT count(*) FROM analytics.events")[0][0])


def test_a_run_of_a_client_that_is_not_enabled_writes_nothing_anywhere(filled: Place) -> None:
    work = work_on(filled)
    batches, summary = work.plan(context_of())
    assert [batch["dry_run"] for batch in batches] == [True, True]
    assert "is not enabled: set enabled: true" in str(summary["dry_run"])
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
    with pytest.raises(NotEnabled, match="may not leave any more"):
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

    monkeypatch.setattr("include.archive_tasks.read_client_variables", unreadable)
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
    for key in filter(re.compile("/_owner/").search, filled.keys()):
        filled.remove(key)
    with filled.session() as database:
        assert Ledger(database, filled.order).had_deleted_before_enabling()
    batches, summary = work_on(filled).plan(context_of("run 2"))
    assert [batch["dry_run"] for batch in batches] == [False]
    assert any("nobody has said so" in note for note in summary["notes"])  # type: ignore[attr-defined]
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
        database.change("ledger/record_migration", number=1, name="x")

    exported_and_stored(filled)
    monkeypatch.setattr("include.archive_tasks.export_all", deleting)
    with pytest.raises(DatabaseRefused, match="read-only transaction"):
        work_on(filled).export(planned(filled), context_of())
    assert ran


def test_a_stop_that_comes_while_the_task_makes_its_connections_is_seen(filled: Place) -> None:
    batch = exported_and_stored(filled)
    context = context_of()

    class StoppedRun(SimpleNamespace):
        @property
        def run_id(self) -> str:
            os.kill(os.getpid(), signal.SIGTERM)
            return "run 1"

    context["dag_run"] = StoppedRun(run_after=context["dag_run"].run_after, conf={})
    with pytest.raises(Stopped, match="before its first batch"):
        work_on(filled, enabled=True).delete(batch, context)
    assert count(filled) == 3
    assert work_on(filled, enabled=True).delete(batch, context_of()) == {"deleted": 1, "changed": 0}
