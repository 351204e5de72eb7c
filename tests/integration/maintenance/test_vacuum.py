"""vacuum: dead rows go, at a pace of its own; what holds them back is named, and missing rights are no warning."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pg_archiver.errors import DatabaseInterrupted, DatabaseRefused
from pg_archiver.maintenance.vacuum import VacuumCost, Vacuumed, vacuum
from pg_archiver.postgres import activity, snapshot_holders
from tests.support.concurrency import in_background, until
from tests.support.maintenance_steps import filled, transaction, upkeep
from tests.support.place import Place


@pytest.fixture(autouse=True)
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(snapshot_holders, "LONG_SNAPSHOT", timedelta(0))


def vacuumed(place: Place, pace: VacuumCost | None = None) -> Vacuumed:
    with place.session() as session:
        return vacuum(session, place.order, place.session, pace)


def with_dead_rows(place: Place) -> Place:
    filled(place)
    place.sql("DELETE FROM analytics.events WHERE id % 2 = 0")
    return place


def test_dead_rows_are_removed_and_live_ones_counted(place: Place) -> None:
    with_dead_rows(place)
    place.sql("CREATE EXTENSION pgstattuple")
    done = vacuumed(place)
    assert (done.before.dead, done.after.dead, done.after.live) == (2000, 0, 2000)
    assert place.sql("SELECT reltuples FROM pg_class WHERE relname = 'events'") == [(2000.0,)]
    assert upkeep(place, "action, state, note") == [("vacuum", "done", "2,000 dead rows removed, 0 left")]


def test_what_holds_dead_rows_back_is_named(place: Place) -> None:
    place.sql("CREATE EXTENSION pgstattuple")
    filled(place)
    with transaction(place, "SELECT pg_current_xact_id()") as user:
        place.sql("DELETE FROM analytics.events WHERE id % 2 = 0")
        done = vacuumed(place)
        assert done.after.dead == 2000
        assert f"held back by session, pid {user.info.backend_pid}" in str(done)


def test_a_pace_is_kept_and_progress_is_written_to_the_log(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with_dead_rows(place)
    slow = VacuumCost(rest=timedelta(milliseconds=100), cost=1)
    vacuuming = "SELECT pid FROM pg_stat_progress_vacuum WHERE datname = current_database()"
    with caplog.at_level("INFO"), in_background(lambda: vacuumed(place, slow)) as work:
        until(lambda: bool(place.sql(vacuuming)))
        until(lambda: "VACUUM of analytics.events: scanning heap" in caplog.text)
        place.sql(f"SELECT pg_cancel_backend(pid) FROM ({vacuuming}) AS vacuuming")
        assert isinstance(work.exception(), DatabaseInterrupted)
    assert upkeep(place) == [("vacuum", None, "failed")]


def test_the_time_limit_is_its_own(place: Place) -> None:
    with_dead_rows(place)
    slow = VacuumCost(rest=timedelta(milliseconds=100), cost=1, longest=timedelta(milliseconds=300))
    with pytest.raises(DatabaseInterrupted, match=r"The limit is 0\.3 seconds a statement"):
        vacuumed(place, slow)


def test_a_role_that_may_not_is_refused_instead_of_warned(place: Place) -> None:
    with_dead_rows(place)
    role = place.as_role("clerk")
    role.sql(f"GRANT USAGE ON SCHEMA analytics TO {role.role}; GRANT ALL ON analytics.events TO {role.role}")
    role.sql(f"GRANT CREATE ON DATABASE {place.database} TO {role.role}")
    role.sql(f"REVOKE MAINTAIN ON analytics.events FROM {role.role}")
    with pytest.raises(
        DatabaseRefused, match=r"may not maintain analytics\.events. Fix: grant it the role of the table's"
    ):
        vacuumed(role)
    role.sql(f"GRANT MAINTAIN ON analytics.events TO {role.role}")
    assert vacuumed(role).after.dead == 0


def test_a_dry_run_only_looks(place: Place) -> None:
    with_dead_rows(place)
    place.sql("CREATE EXTENSION pgstattuple")
    assert str(vacuumed(place.ordered(dry_run=True))) == "VACUUM would look at 2,000 dead rows"
    assert not place.has_ledger()
    assert place.sql("SELECT vacuum_count FROM pg_stat_all_tables WHERE relname = 'events'") == [(0,)]
