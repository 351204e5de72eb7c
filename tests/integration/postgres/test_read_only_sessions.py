"""A session that is not to write is read-only by the server's own word; what only looks can do its work in it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest

from pg_archiver.archive.export import rehearse
from pg_archiver.archive.plan import plan
from pg_archiver.archive.report import BatchEnd, report
from pg_archiver.archive.run_span import Limits
from pg_archiver.domain.work import Batch
from pg_archiver.errors import DatabaseRefused
from pg_archiver.ledger.maintenance_log import MaintenanceLog
from pg_archiver.maintenance.disk_room import FreeSpace
from pg_archiver.maintenance.index import index
from pg_archiver.maintenance.inspect import find_due_maintenance, inspect
from pg_archiver.maintenance.pg_repack import Repacker
from pg_archiver.maintenance.reclaim import ReclaimContext, ReclaimRules, reclaim
from pg_archiver.maintenance.vacuum import vacuum
from pg_archiver.maintenance.validate import CheckOptions, validate
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.off_hours import OffHours
from pg_archiver.policies.retention import KeepDays
from pg_archiver.postgres.session import Session
from pg_archiver.verify.verify_archive import verify
from tests.support.place import NOW, Place
from tests.support.restores import events


@contextmanager
def looking(place: Place) -> Generator[Session]:
    with Session.connect(place.connect, place.database, "test", writes=False) as session:
        yield session


@pytest.mark.parametrize("superuser", [True, False])
def test_the_server_refuses_to_change_rows_or_tables_in_a_session_that_only_looks(
    place: Place, superuser: bool
) -> None:
    events(place, rows=3)
    who = place if superuser else place.as_role("writer", "ALL ON SCHEMA analytics", "ALL ON analytics.events")
    assert place.sql("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(True,)]
    for statement in (
        "DELETE FROM analytics.events",
        "TRUNCATE analytics.events",
        "CREATE TABLE analytics.other (id int)",
        "DROP TABLE analytics.events",
        "CREATE INDEX CONCURRENTLY ON analytics.events (name)",
    ):
        with looking(who) as database, pytest.raises(DatabaseRefused, match="read-only transaction"):
            database.run_script(statement)
    with looking(who) as database, pytest.raises(DatabaseRefused, match="read-only"), database.transaction():
        database.run_script("DELETE FROM analytics.events")
    assert len(place.live()) == 3


def test_vacuum_is_no_change_to_the_server(place: Place) -> None:
    """Which is why the steps themselves must not vacuum or reindex in a dry run."""
    events(place, rows=3)
    with looking(place) as database:
        database.run_script("VACUUM FULL analytics.events")
        database.run_script("REINDEX TABLE analytics.events")


def test_a_session_that_is_to_write_may(place: Place) -> None:
    events(place, rows=3)
    with place.session() as session:
        session.run_script("DELETE FROM analytics.events")
    assert not place.live()


def test_a_snapshot_leaves_the_session_read_only(place: Place) -> None:
    events(place, rows=3)
    with looking(place) as database:
        with database.snapshot():
            assert database.fetch_one("postgres/session/server").version
        with pytest.raises(DatabaseRefused, match="read-only"):
            database.run_script("DELETE FROM analytics.events")


def test_all_that_only_looks_can_do_its_work_in_it(place: Place) -> None:
    events(place, rows=40)
    place.archive()
    place.sql("CREATE EXTENSION pgstattuple")
    place.sql("CREATE EXTENSION amcheck")
    place.sql("INSERT INTO analytics.events (triggered_at) SELECT triggered_at FROM public.before")
    order = place.ordered(dry_run=True).order
    rules = ReclaimRules(Strategy.AUTO, 0, 0, OffHours.parse("00:00-23:59 UTC"), force="now")
    around = ReclaimContext(
        lambda: NOW, FreeSpace(lambda: 10**12, "the test"), lambda: looking(place), lambda: "", Repacker(None)
    )
    with looking(place) as database:
        inspect(database, order)
        index(database, order, around.watcher)
        validate(database, order, around.watcher, CheckOptions(heapallindexed=True, reindex=True))
        vacuum(database, order, around.watcher)
        reclaim(database, order, rules, around)
        found = plan(
            database,
            place.store,
            order,
            place.policy,
            KeepDays(2, "the test"),
            Limits(run_time=NOW, start=None, end=None),
        )
        windows = [window for batch in found.batches for window in batch]
        assert sum(rehearse(database, order, window).rows for window in windows) == 40
        report(database, order, [BatchEnd(Batch(tuple(windows)), "", "", exported=True)])
        find_due_maintenance(database, order, 20, 100)
        assert verify(database, place.store, order).problems == []
        assert MaintenanceLog(database, order).list_of_run() == []
