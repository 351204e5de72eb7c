"""reclaim: VACUUM FULL only within hours, disk and patience; whatever breaks it off, the table is as it was."""

from __future__ import annotations

import os
import socket
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pg_archiver.errors import Busy, DatabaseInterrupted, DatabaseRefused, LockWait, MaintenanceRefused, SettingError
from pg_archiver.ledger.locks import rewrite_lock
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.maintenance import reclaim as step
from pg_archiver.maintenance.disk_room import UNKNOWN_SPACE, FreeSpace
from pg_archiver.maintenance.reclaim import ReclaimContext, Reclaimed, ReclaimRules, reclaim
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.off_hours import OffHours
from pg_archiver.postgres import activity, snapshot_holders
from pg_archiver.postgres import session as session_module
from pg_archiver.postgres.base_session import ALIVE
from pg_archiver.postgres.session import Session
from tests.support.concurrency import in_background, until
from tests.support.maintenance_steps import QUICK, filled, inspected, more, transaction, upkeep
from tests.support.place import EVENTS, Place, hours_ago

pytestmark = pytest.mark.more

NIGHT = datetime(2026, 6, 10, 2, tzinfo=UTC)
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
RULES = ReclaimRules(Strategy.VACUUM_FULL, 20, 100_000, OffHours.parse("01:00-05:00 UTC"), patience=QUICK)
PLENTY = FreeSpace(lambda: 10**12, "the test")
_REWRITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%VACUUM (FULL)%'"
    " AND pid <> pg_backend_pid()"
)
_READ = "SELECT count(*) FROM analytics.events"
_GATE = "LOCK TABLE gate IN ACCESS EXCLUSIVE MODE"
_AT_THE_GATE = "SELECT 1 FROM pg_stat_progress_cluster WHERE phase = 'rebuilding index'"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(snapshot_holders, "LONG_SNAPSHOT", timedelta(0))
    monkeypatch.setattr(step, "ARCHIVE_WAIT_SECONDS", 0.3)
    monkeypatch.setattr(step, "ARCHIVE_POLL_SECONDS", 0.05)
    monkeypatch.setattr(session_module, "LOCK_WAIT_SECONDS", 0.3)
    monkeypatch.setattr(session_module, "LOCK_POLL_SECONDS", 0.02)


class Helpers:
    """A clock that a test sets, a disk, and an online way that only notes that it was taken."""

    def __init__(self, place: Place, now: datetime = NIGHT, space: FreeSpace = PLENTY) -> None:
        self.now = now
        self.compacted = 0
        self.around = ReclaimContext(lambda: self.now, space, place.session, self._compact)

    def _compact(self) -> str:
        self.compacted += 1
        return "compacted"


def reclaimed(place: Place, rules: ReclaimRules = RULES, helpers: Helpers | None = None, **changes: Any) -> Reclaimed:
    with place.session() as session:
        return reclaim(session, place.order, replace(rules, **changes), (helpers or Helpers(place)).around)


def bloated(place: Place, rows: int = 6000) -> Place:
    filled(place, rows)
    place.sql("DELETE FROM analytics.events WHERE id % 20 <> 0")
    place.sql("VACUUM (ANALYZE) analytics.events")
    return place


def file_node(place: Place) -> int:
    return int(place.sql("SELECT pg_relation_filenode('analytics.events')")[0][0])


def content(place: Place) -> Counter[tuple[str, ...]]:
    return place.live()


def test_space_is_given_back_and_noted(place: Place) -> None:
    bloated(place)
    before = content(place)
    done = reclaimed(place)
    assert content(place) == before
    assert done.choice.strategy is Strategy.VACUUM_FULL
    assert done.given_back > 1_000_000
    place.sql("CREATE TABLE fresh (LIKE analytics.events INCLUDING ALL)")
    place.sql("INSERT INTO fresh OVERRIDING SYSTEM VALUE SELECT * FROM analytics.events")
    place.sql("VACUUM fresh")
    ((live, fresh),) = place.sql("SELECT pg_total_relation_size('analytics.events'), pg_total_relation_size('fresh')")
    assert live <= 1.1 * fresh
    ((action, strategy, state, back),) = upkeep(
        place,
        "action, strategy, state,"
        " heap_before + indexes_before + toast_before - heap_after - indexes_after - toast_after",
    )
    assert (action, strategy, state, back) == ("reclaim", "vacuum_full", "done", done.given_back)
    assert place.sql("SELECT relallvisible = relpages FROM pg_class WHERE relname = 'events'") == [(True,)]


def test_a_table_without_dead_space_is_left_alone(place: Place) -> None:
    filled(place)
    place.sql("VACUUM (ANALYZE) analytics.events")
    node = file_node(place)
    for strategy in (Strategy.AUTO, Strategy.VACUUM_FULL, Strategy.COMPACT):
        helpers = Helpers(place)
        done = reclaimed(place, helpers=helpers, strategy=strategy)
        assert done.choice.strategy is Strategy.NONE
        assert "only" in done.choice.why
        assert helpers.compacted == 0
    assert file_node(place) == node
    assert upkeep(place) == [("reclaim", "none", "skipped")] * 3


@pytest.mark.parametrize(
    ("now", "space", "words"),
    [
        (NOON, PLENTY, ["not within maintenance_window, 01:00-05:00 UTC"]),
        (
            NIGHT,
            FreeSpace(lambda: 1000, "figure"),
            ["new heap", "+ indexes", "+ TOAST", "as much WAL", "1.0 kB are free (figure)"],
        ),
        (NIGHT, UNKNOWN_SPACE, ["how much is free is not known", "disk is not set for this instance"]),
    ],
)
def test_the_hour_and_the_disk_refuse_with_their_reasons(
    place: Place, now: datetime, space: FreeSpace, words: list[str]
) -> None:
    bloated(place)
    node = file_node(place)
    with pytest.raises(MaintenanceRefused) as caught:
        reclaimed(place, helpers=Helpers(place, now, space))
    assert [word for word in words if word not in str(caught.value)] == []
    assert file_node(place) == node
    assert upkeep(place) == [("reclaim", "vacuum_full", "failed")]


def test_a_person_may_force_the_hour_and_the_threshold_but_not_the_disk(place: Place) -> None:
    bloated(place)
    node = file_node(place)
    with pytest.raises(SettingError, match="force is set without a reason"):
        reclaimed(place, force="  ")
    for space in (UNKNOWN_SPACE, FreeSpace(lambda: 0, "figure")):
        with pytest.raises(MaintenanceRefused, match="the disk does not suffice or is not known"):
            reclaimed(place, helpers=Helpers(place, NIGHT, space), force="disk is at 99%")
    assert file_node(place) == node
    reclaimed(place, helpers=Helpers(place, NOON), force="disk is at 99%", min_percent=99)
    assert file_node(place) != node
    assert "forced: disk is at 99%" in upkeep(place, "note")[-1][0]


@pytest.mark.parametrize(("now", "space"), [(NOON, PLENTY), (NIGHT, UNKNOWN_SPACE)])
def test_auto_goes_the_online_way_where_a_rewrite_is_out_of_the_question(
    place: Place, now: datetime, space: FreeSpace
) -> None:
    bloated(place)
    node = file_node(place)
    helpers = Helpers(place, now, space)
    done = reclaimed(place, helpers=helpers, strategy=Strategy.AUTO)
    assert (done.choice.strategy, done.notes, helpers.compacted) == (Strategy.COMPACT, ("compacted",), 1)
    assert file_node(place) == node


def test_auto_rewrites_at_night_with_room(place: Place) -> None:
    bloated(place)
    node = file_node(place)
    assert reclaimed(place, strategy=Strategy.AUTO).choice.strategy is Strategy.VACUUM_FULL
    assert file_node(place) != node


def test_pg_repack_is_refused_with_what_is_missing(place: Place) -> None:
    bloated(place)
    with pytest.raises(
        MaintenanceRefused, match=r"install the package postgresql-\d+-repack on the server, then a super"
    ):
        reclaimed(place, strategy=Strategy.PG_REPACK)


def test_a_long_reader_is_waited_for_briefly_and_named(place: Place) -> None:
    bloated(place)
    node = file_node(place)
    with transaction(place, "SET application_name = 'report'", _READ) as user:
        with pytest.raises(LockWait, match=rf"VACUUM FULL of analytics\.events: .*pid {user.info.backend_pid}"):
            reclaimed(place)
        # Whoever comes after us is not kept waiting by us any more.
        assert place.sql(_READ) == [(300,)]
        assert place.sql("SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted") == []
    assert file_node(place) == node
    assert upkeep(place) == [("reclaim", "vacuum_full", "failed")]
    reclaimed(place)
    assert file_node(place) != node


def test_the_lock_is_tried_for_until_it_is_there(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    bloated(place)
    node = file_node(place)
    patient = replace(QUICK, tries=500)
    with (
        caplog.at_level("INFO"),
        transaction(place, _READ) as user,
        in_background(lambda: reclaimed(place, patience=patient)) as work,
    ):
        until(lambda: caplog.text.count("trying again in") > 1)
        user.rollback()
        work.result()
    assert file_node(place) != node


def test_the_span_may_end_while_the_lock_is_waited_for(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    bloated(place)
    node = file_node(place)
    helpers = Helpers(place)
    patient = replace(QUICK, tries=500)
    with (
        caplog.at_level("INFO"),
        transaction(place, _READ),
        in_background(lambda: reclaimed(place, helpers=helpers, patience=patient)) as work,
    ):
        until(lambda: "trying again in" in caplog.text)
        helpers.now = NOON
        with pytest.raises(MaintenanceRefused, match="not within maintenance_window"):
            work.result()
    assert file_node(place) == node


def test_a_rewrite_gets_no_more_time_than_is_left_of_the_span(place: Place) -> None:
    bloated(place)
    helpers = Helpers(place, datetime(2026, 6, 10, 4, 59, 59, 999_000, tzinfo=UTC))
    node = file_node(place)
    with pytest.raises(DatabaseInterrupted, match=r"The limit is 0\.001 seconds a statement"):
        reclaimed(place, helpers=helpers)
    assert file_node(place) == node


def held_in_mid_rewrite(place: Place) -> None:
    """A table whose rewrite stops at an index that has to wait for a user's lock on what it calls."""
    place.sql("CREATE TABLE gate (x int)")
    place.sql(
        "CREATE FUNCTION waits(bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN PERFORM count(*) FROM public.gate; RETURN $1; END $$"
    )
    place.sql("CREATE INDEX slow ON analytics.events (waits(id))")


def test_a_connection_that_breaks_in_mid_rewrite_leaves_the_table_as_it_was(place: Place) -> None:
    bloated(place)
    held_in_mid_rewrite(place)
    node, before, sizes = file_node(place), content(place), inspected(place).sizes
    patient = replace(QUICK, lock=timedelta(seconds=20))
    with transaction(place, _GATE), in_background(lambda: reclaimed(place, patience=patient)) as work:
        until(lambda: bool(place.sql(_AT_THE_GATE)))
        place.sql(f"SELECT pg_terminate_backend(pid) FROM ({_REWRITING}) AS rewriting")
        assert isinstance(work.exception(), DatabaseInterrupted)
    assert (file_node(place), content(place), inspected(place).sizes) == (node, before, sizes)
    assert upkeep(place) == [("reclaim", "vacuum_full", "running")]
    assert reclaimed(place).given_back > 1_000_000
    assert [state for _, _, state in upkeep(place)] == ["failed", "done"]


def test_a_client_that_vanishes_takes_its_rewrite_with_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALIVE, "client_connection_check_interval", "100ms")
    bloated(place)
    held_in_mid_rewrite(place)
    node, connections = file_node(place), []

    def connect() -> psycopg.Connection[Any]:
        connections.append(place.connect())
        return connections[-1]

    def rewrite() -> None:
        rules = replace(RULES, patience=replace(QUICK, lock=timedelta(minutes=10)))
        with Session.connect(connect, place.database, "test") as session:
            reclaim(session, place.order, rules, Helpers(place).around)

    with transaction(place, _GATE), in_background(rewrite) as work:
        until(lambda: bool(place.sql(_AT_THE_GATE)))
        with socket.socket(fileno=os.dup(connections[0].fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        assert isinstance(work.exception(), DatabaseInterrupted)
        until(lambda: not place.sql(_REWRITING))
    assert file_node(place) == node


def test_without_a_wanted_approval_nothing_is_rewritten(place: Place) -> None:
    bloated(place)
    node = file_node(place)
    with pytest.raises(MaintenanceRefused, match="nobody has approved it"):
        reclaimed(place, approved=False)
    assert file_node(place) == node
    helpers = Helpers(place, NOON)
    assert reclaimed(place, helpers=helpers, strategy=Strategy.AUTO, approved=False).choice.strategy is Strategy.COMPACT


def test_the_longest_wait_it_caused_is_noted(place: Place) -> None:
    bloated(place)
    held_in_mid_rewrite(place)
    patient = replace(QUICK, lock=timedelta(seconds=20))
    waiting = "SELECT 1 FROM pg_locks WHERE waitstart < now() - interval '60 ms' AND mode = 'AccessShareLock'"
    with transaction(place, _GATE) as user, in_background(lambda: reclaimed(place, patience=patient)) as work:
        until(lambda: bool(place.sql(_AT_THE_GATE)))
        with (
            place.server.connect(place.database) as looking,
            in_background(lambda: place.sql(_READ)) as reader,
        ):
            until(lambda: looking.execute(waiting.encode()).fetchone() is not None)
            user.rollback()
            reader.result()
        work.result()
    ((wait,),) = upkeep(place, "longest_wait_seconds")
    assert wait > 0


def test_dead_rows_that_a_snapshot_holds_are_explained(place: Place) -> None:
    filled(place)
    with transaction(place, "SELECT pg_current_xact_id()") as user:
        place.sql("DELETE FROM analytics.events WHERE id % 20 <> 0")
        place.sql("ANALYZE analytics.events")
        done = reclaimed(place)
        assert any(f"pid {user.info.backend_pid}" in note and "copied along" in note for note in done.notes)


def test_a_role_that_may_not_is_refused_before(place: Place) -> None:
    bloated(place)
    role = place.as_role("clerk")
    role.sql(f"GRANT USAGE ON SCHEMA analytics TO {role.role}; GRANT SELECT, DELETE ON analytics.events TO {role.role}")
    with pytest.raises(
        DatabaseRefused, match=r"may not maintain analytics\.events. Fix: grant it the role .* postgres"
    ):
        reclaimed(role)
    assert not place.has_ledger()
    role.sql(f"GRANT MAINTAIN ON analytics.events TO {role.role}")
    role.sql(f"GRANT CREATE ON DATABASE {place.database} TO {role.role}")
    assert reclaimed(role).given_back > 1_000_000


def test_a_dry_run_chooses_and_touches_nothing(place: Place) -> None:
    bloated(place)
    node = file_node(place)
    done = reclaimed(place.ordered(dry_run=True), helpers=Helpers(place, NOON))
    assert done.choice.strategy is Strategy.VACUUM_FULL
    assert "not within maintenance_window" in done.notes[0]
    assert "; would be refused now: it is not within maintenance_window" in str(done)
    assert "given back (" not in str(done)
    allowed = reclaimed(place.ordered(dry_run=True))
    assert "; would give back about 1." in str(allowed)
    assert not str(allowed).endswith("given back")
    assert allowed.prospect
    assert allowed.prospect.room.enough
    assert allowed.prospect.seconds > 0
    assert file_node(place) == node
    assert not place.has_ledger()


def test_partitions_are_rewritten_one_by_one_where_it_pays(place: Place) -> None:
    place.sql("CREATE TABLE public.log (id bigint, at timestamp NOT NULL, name text) PARTITION BY RANGE (at)")
    log = place.on("public.log", "at")
    for year in (2024, 2025):
        log.sql(
            f"CREATE TABLE public.log_{year} PARTITION OF public.log FOR VALUES FROM ('{year}-01-01') TO"
            f" ('{year + 1}-01-01')"
        )
    more(log, 4000)
    log.sql("INSERT INTO public.log SELECT id, at + interval '1 year', name FROM public.log")
    log.sql("DELETE FROM public.log_2024 WHERE at < '2024-01-03'")
    log.sql("VACUUM (ANALYZE) public.log")
    nodes = "SELECT relname, pg_relation_filenode(oid) FROM pg_class WHERE relname ~ '^log_20..$' ORDER BY 1"
    before = dict(log.sql(nodes))
    assert reclaimed(log).given_back > 500_000
    after = dict(log.sql(nodes))
    assert [name for name in before if before[name] != after[name]] == ["log_2024"]


def test_it_waits_for_an_archive_run_that_has_windows_in_hand(place: Place) -> None:
    place.sql(EVENTS)
    more(place, 4000)
    place.events(hours_ago(60))
    place.sql("DELETE FROM analytics.events WHERE id < 3900")
    place.sql("VACUUM (ANALYZE) analytics.events")
    node = file_node(place)
    windows = place.windows()
    place.export(windows[0])
    with pytest.raises(Busy, match=r"an archive run has windows of .* in progress"):
        reclaimed(place)
    assert file_node(place) == node
    # Nobody has gone on with it for a long time: whoever exported it is gone.
    place.sql("SET archiver.ledger_version = '2'")
    place.sql("UPDATE archiver.windows SET exported_at = now() - interval '1 day'")
    reclaimed(place)
    assert file_node(place) != node
    before = place.csv_of_table()
    place.archive()
    place.archive()
    assert place.live() == Counter()
    assert place.archived() >= before


def test_the_archive_waits_for_a_rewrite_and_a_rewrite_for_the_archive(place: Place) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(60))
    window = place.window()
    with place.session() as session:
        with (
            session.advisory_lock(rewrite_lock(place.order), "the table"),
            pytest.raises(Busy, match=r"analytics\.events"),
        ):
            place.export(window)
        place.stored_window()
        with (
            session.advisory_lock(rewrite_lock(place.order), "the table"),
            pytest.raises(Busy, match=r"analytics\.events"),
        ):
            place.delete(window)
        with session.advisory_lock(rewrite_lock(place.order), "the table", shared=True):
            with pytest.raises(Busy, match=r"table analytics\.events has been locked by"):
                reclaimed(place, force="now")
            assert place.delete(window).rows == 1
    with place.session() as session:
        assert WindowLedger(session, place.order).exists()


def test_the_same_action_started_twice_gives_way(place: Place) -> None:
    bloated(place)
    held_in_mid_rewrite(place)
    patient = replace(QUICK, lock=timedelta(seconds=20))
    with transaction(place, _GATE) as user, in_background(lambda: reclaimed(place, patience=patient)) as first:
        until(lambda: bool(place.sql(_AT_THE_GATE)))
        with pytest.raises(Busy, match=r"maintenance of analytics\.events has been locked by another run"):
            reclaimed(place)
        user.rollback()
        first.result()
    assert reclaimed(place).choice.strategy is Strategy.NONE
