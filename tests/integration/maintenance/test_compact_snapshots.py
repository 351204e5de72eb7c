"""compact beside old snapshots: they are named, waited for, and nothing grows while they last."""

from __future__ import annotations

import pytest

from pg_archiver.maintenance.compact.row_mover import MovePace
from tests.support.bloated_tables import bloated, compacted, fresh_heap_bytes, owned
from tests.support.concurrency import in_background, until
from tests.support.place import Place

pytestmark = pytest.mark.more
PAGE = 8192
EVERY_TWENTIETH = "id % 20 = 0"
PATIENT = MovePace(rest=0.0, patience_seconds=30.0)
# VACUUM makes the maps of free space and visibility beside the rows.
MAPS = 5 * PAGE


def test_an_old_snapshot_is_named_and_nothing_grows(place: Place) -> None:
    bloated(place)
    with place.connect() as reader:
        reader.execute("SET application_name = 'a long report'")
        reader.execute("SET default_transaction_isolation = 'repeatable read'")
        reader.commit()
        reader.execute("SELECT 'secret' FROM analytics.events")
        place.sql("SELECT pg_current_xact_id()")
        before = place.sql("SELECT pg_total_relation_size('analytics.events'), min(ctid) FROM analytics.events")
        done = compacted(place)
        assert place.sql("SELECT pg_total_relation_size('analytics.events'), min(ctid) FROM analytics.events") == before
        assert f"session, pid {reader.info.backend_pid}, " in done.ended
    assert done.held
    assert (done.rows, done.before) == (0, done.after)
    assert "user postgres, application a long report, idle in transaction" in done.ended
    assert "secret" not in done.ended
    assert compacted(place).after.heap <= fresh_heap_bytes(place) + PAGE


def test_a_snapshot_taken_while_it_works_ends_it_after_one_stretch(place: Place) -> None:
    bloated(place, EVERY_TWENTIETH, width=1000, rows=16000)
    with place.connect() as reader:
        reader.execute("SET default_transaction_isolation = 'repeatable read'")
        reader.commit()
        asked = 0

        def reading_from_the_second_batch_on() -> bool:
            nonlocal asked
            asked += 1
            if asked == 2:
                reader.execute("SELECT count(*) FROM analytics.events")
            return False

        done = compacted(place, stopping=reading_from_the_second_batch_on)
        assert done.held
        assert "the moved rows' old versions cannot be removed yet" in done.ended
        assert done.rows < 16000 / 20
        assert done.after.heap <= done.before.heap + MAPS
        found = reader.execute("SELECT count(*) FROM analytics.events").fetchone()
        assert found == (16000 // 20,)
    assert compacted(place).after.heap <= 1.1 * fresh_heap_bytes(place)


def test_an_old_snapshot_is_noticed_by_a_role_without_rights_to_see_it_too(place: Place) -> None:
    bloated(place)
    owner = owned(place)
    with place.connect() as reader:
        reader.execute("SET default_transaction_isolation = 'repeatable read'")
        reader.commit()
        reader.execute("SELECT count(*) FROM analytics.events")
        done = compacted(owner)
        assert f"session, pid {reader.info.backend_pid}, " in done.ended
    assert "state not to be seen without pg_monitor" in done.ended
    assert (done.rows, done.before, done.held) == (0, done.after, True)


def test_an_old_snapshot_that_ends_in_time_is_waited_for(place: Place) -> None:
    bloated(place)
    with place.connect() as reader:
        reader.execute("SET default_transaction_isolation = 'repeatable read'")
        reader.commit()
        reader.execute("SELECT count(*) FROM analytics.events")
        with in_background(lambda: compacted(place, tempo=PATIENT)) as running:
            until(
                lambda: bool(
                    place.sql(
                        "SELECT 1 FROM pg_stat_activity"
                        " WHERE application_name = 'test' AND query ~ 'keeps an old snapshot'"
                    )
                )
            )
            assert not running.done()
            reader.rollback()
    assert not running.result().held
    assert running.result().rows == 400
