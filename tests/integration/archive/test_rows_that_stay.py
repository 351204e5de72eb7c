"""Rows that stay although they are old: the plan says how many and why, and whether any of them can ever leave."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pg_archiver.archive.plan import Plan, plan
from pg_archiver.archive.run_span import Limits, OtherTables
from pg_archiver.domain.tables import TableName
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.policies.retention import KeepDays
from pg_archiver.postgres.rows_that_stay import Staying
from tests.support.children import CLICKS, parent_of
from tests.support.place import EVENTS, NOW, Place, hours_ago

CLICK_TABLE = TableName("analytics", "clicks")


def chained(place: Place, hours: Sequence[int] = range(1, 121)) -> Place:
    """Home Assistant's states: each row points to the one before it."""
    place.sql(EVENTS)
    place.sql("ALTER TABLE analytics.events ADD former bigint REFERENCES analytics.events")
    place.sql("CREATE INDEX ON analytics.events (former)")
    place.events(*(hours_ago(hour) for hour in sorted(hours, reverse=True)))
    place.sql("UPDATE analytics.events SET former = id - 1 WHERE id > 1")
    return parent_of(place, "analytics.events")


def planned(place: Place, kept_for_ever: Sequence[TableName] = ()) -> Plan:
    limits = Limits(run_time=NOW, start=None, end=None)
    keep = KeepDays(2, "the test")
    with place.session() as session:
        return plan(
            session,
            place.store,
            place.order,
            place.policy,
            keep,
            limits,
            OtherTables(kept_for_ever=tuple(kept_for_ever)),
        )


def staying(place: Place, kept_for_ever: Sequence[TableName] = ()) -> list[Staying]:
    return list(planned(place, kept_for_ever).staying)


def test_a_chain_of_which_nothing_can_ever_leave(place: Place) -> None:
    (found,) = staying(chained(place))
    assert (found.cause, found.rows, found.never) == ("waits_for_ever", 72, True)
    assert found.words.startswith("72 of the 72 oldest rows due wait: rows of analytics.events point to them")
    assert "as in a chain without end. Nothing that is due can leave" in found.words


def test_a_chain_of_which_some_can_leave_is_told_and_not_red(place: Place) -> None:
    place = chained(place)
    place.sql("UPDATE analytics.events SET former = NULL WHERE id = 11")
    found = planned(place)
    assert found.windows == 1
    (one,) = found.staying
    assert (one.cause, one.rows, one.never) == ("waits_for_ever", 71, False)
    assert "71 of them may never leave" in found.notes[-1]


def test_children_that_go_later_are_waited_for(place: Place) -> None:
    parent = family_of(place)
    (found,) = staying(parent)
    assert (found.cause, found.rows, found.never) == ("waits_for_children", 3, False)


def test_children_of_which_everything_is_kept_are_waited_for_in_vain(place: Place) -> None:
    parent = family_of(place)
    (found,) = staying(parent, [CLICK_TABLE])
    assert (found.cause, found.rows, found.never) == ("waits_for_ever", 3, True)
    assert "rows of analytics.clicks point to them, of which everything is kept" in found.words
    place.sql("DELETE FROM analytics.clicks WHERE event_id = 2")
    (found,) = staying(parent, [CLICK_TABLE])
    assert (found.rows, found.never) == (2, False)


def family_of(place: Place) -> Place:
    place.sql(EVENTS)
    place.events(hours_ago(60), hours_ago(59), hours_ago(58))
    place.sql(CLICKS.format(action="CASCADE"))
    place.sql("INSERT INTO analytics.clicks (event_id, at) SELECT id, now() FROM analytics.events")
    return parent_of(place, "analytics.clicks")


def test_a_table_of_which_no_row_has_a_usable_timestamp(place: Place) -> None:
    place.sql(EVENTS)
    place.sql("ALTER TABLE analytics.events ALTER triggered_at DROP NOT NULL")
    place.sql("INSERT INTO analytics.events (triggered_at) SELECT NULL FROM generate_series(1, 120)")
    place.sql("INSERT INTO analytics.events (triggered_at) VALUES ('infinity'), ('-infinity')")
    missing, *others = staying(place)
    assert (missing.cause, missing.rows, missing.never) == ("no_timestamp", 120, True)
    assert "no row of analytics.events has a usable timestamp in triggered_at" in missing.words
    assert [(one.cause, one.rows, one.never) for one in others] == [
        ("timestamp_too_old", 1, False),
        ("timestamp_in_the_future", 1, False),
    ]
    place.events(hours_ago(1))
    assert not any(one.never for one in staying(place))


@pytest.mark.parametrize("column", ["timestamptz", "date"])
def test_a_chain_is_seen_whatever_kind_of_time_its_rows_have(place: Place, column: str) -> None:
    place = chained(place)
    place.sql(f"ALTER TABLE analytics.events ALTER triggered_at TYPE {column}")
    (found,) = staying(place)
    assert (found.cause, found.never) == ("waits_for_ever", True)


def test_an_answer_that_came_a_little_later_leaves_a_little_later(place: Place) -> None:
    """A thread on a quiet table: its answer is due in an hour, and then both can go."""
    place = chained(place, hours=(50, 47))
    (found,) = staying(place)
    assert (found.cause, found.rows, found.never) == ("waits_for_children", 1, False)


def test_a_table_of_open_jobs_whose_done_ones_have_left_is_nobodys_worry(place: Place) -> None:
    place.sql(EVENTS)
    place.sql("ALTER TABLE analytics.events ALTER triggered_at DROP NOT NULL")
    place.events(hours_ago(60))
    place.archive()
    place.sql("INSERT INTO analytics.events (triggered_at) VALUES (NULL), (NULL)")
    (found,) = staying(place)
    assert (found.cause, found.rows, found.never) == ("no_timestamp", 2, False)


def test_appointments_of_the_coming_days_become_due_by_themselves(place: Place) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(-72), hours_ago(-96))
    (found,) = staying(place)
    assert (found.cause, found.rows, found.never) == ("timestamp_in_the_future", 2, False)


def test_children_without_an_index_are_not_looked_through_for_each_row(place: Place) -> None:
    place = chained(place, hours=range(1, 400))
    place.sql("DROP INDEX analytics.events_former_idx")
    place.sql("ANALYZE analytics.events")
    before = scans_of(place)
    assert staying(place)[0].rows == 351
    assert scans_of(place) - before < 20


def scans_of(place: Place) -> int:
    """How often the table was read from end to end."""
    place.sql("SELECT pg_stat_force_next_flush()")
    return int(place.sql("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'events'")[0][0])


def test_an_empty_table_and_one_with_nothing_due_are_nobodys_worry(place: Place) -> None:
    place.sql(EVENTS)
    assert staying(place) == []
    place.events(hours_ago(1))
    assert staying(place) == []


def test_rows_that_a_restore_holds_are_not_called_stuck(place: Place) -> None:
    place = chained(place)
    with place.session() as session:
        WindowLedger(session, place.order).migrate()
    place.sql("SET archiver.ledger_version = '3'")
    place.sql(
        """
        INSERT INTO archiver.restores (
            client, table_schema, table_name, bucket, object_key, generation, target_schema, target_table, target_oid,
            span_start, span_end, rows, run_id, hold_until
        )
        SELECT
            %s, 'analytics', 'events', 'b', 'k', 1, 'analytics', 'events', 0, %s, %s, 1, 'r', now() + interval '1 day'
        """,
        place.order.client,
        hours_ago(60),
        hours_ago(59),
    )
    assert not any(one.never for one in staying(place))
