"""reclaim beside others: it waits for readers and for the archive with patience, and makes nobody wait for long."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pg_archiver.errors import Busy, DatabaseInterrupted, LockWait, MaintenanceRefused
from pg_archiver.ledger.locks import rewrite_lock
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.policies.maintenance_settings import Strategy
from tests.support.concurrency import in_background, until
from tests.support.maintenance_steps import GATE, QUICK, bloated, file_node, gated, more, transaction, upkeep
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.reclaims import AT_THE_GATE, NOON, READ, Helpers, reclaimed

pytestmark = pytest.mark.more


def test_a_long_reader_is_waited_for_briefly_and_named(place: Place) -> None:
    bloated(place)
    node = file_node(place)
    with transaction(place, "SET application_name = 'report'", READ) as user:
        with pytest.raises(LockWait, match=rf"VACUUM FULL of analytics\.events: .*pid {user.info.backend_pid}"):
            reclaimed(place)
        # Whoever comes after us is not kept waiting by us any more.
        assert place.sql(READ) == [(300,)]
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
        transaction(place, READ) as user,
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
        transaction(place, READ),
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


def test_the_longest_wait_it_caused_is_noted(place: Place) -> None:
    bloated(place)
    gated(place)
    patient = replace(QUICK, lock=timedelta(seconds=20))
    waiting = "SELECT 1 FROM pg_locks WHERE waitstart < now() - interval '1200 ms' AND mode = 'AccessShareLock'"
    with transaction(place, GATE) as user, in_background(lambda: reclaimed(place, patience=patient)) as work:
        until(lambda: bool(place.sql(AT_THE_GATE)))
        with (
            place.server.connect(place.database) as looking,
            in_background(lambda: place.sql(READ)) as reader,
        ):
            until(lambda: looking.execute(waiting.encode()).fetchone() is not None)
            user.rollback()
            reader.result()
        work.result()
    ((wait,),) = upkeep(place, "longest_wait_seconds")
    assert wait > 0


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
    place.sql("SET archiver.ledger_version = '3'")
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
    gated(place)
    patient = replace(QUICK, lock=timedelta(seconds=20))
    with transaction(place, GATE) as user, in_background(lambda: reclaimed(place, patience=patient)) as first:
        until(lambda: bool(place.sql(AT_THE_GATE)))
        with pytest.raises(Busy, match=r"maintenance of analytics\.events has been locked by another run"):
            reclaimed(place)
        user.rollback()
        first.result()
    assert reclaimed(place).choice.strategy is Strategy.NONE
