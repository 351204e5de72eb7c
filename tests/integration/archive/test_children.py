"""Rows that others point to leave only when nothing points to them any more; no child is lost with its parent."""

from __future__ import annotations

import random
from dataclasses import dataclass

import psycopg
import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import TableRefused
from pg_archiver.ledger.window_generation import State
from pg_archiver.policies.settings import parse_table
from tests.support.concurrency import in_background, until, wait_for_blocked
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.refusals import refused
from tests.support.restores import restored

pytestmark = pytest.mark.more

ACTIONS = ["CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION", "RESTRICT"]
REACHING = ACTIONS[:3]
CLICKS = """
    CREATE TABLE analytics.clicks (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id bigint CONSTRAINT of_event REFERENCES analytics.events ON DELETE {action},
        at timestamp NOT NULL
    );
    CREATE INDEX ON analytics.clicks (event_id);
    CREATE INDEX ON analytics.clicks (at)
"""
CLICK = "INSERT INTO analytics.clicks (event_id, at) VALUES (%s, %s)"


@dataclass(frozen=True)
class Family:
    """A table of old events, and one of clicks that point to them and come first."""

    parent: Place
    child: Place

    def click(self, event: int, hours: float = 1) -> None:
        self.child.sql(CLICK, event, hours_ago(hours))

    @property
    def events(self) -> list[int]:
        return [row[0] for row in self.parent.sql("SELECT id FROM analytics.events ORDER BY id")]

    @property
    def clicks(self) -> list[int | None]:
        return [row[0] for row in self.child.sql("SELECT event_id FROM analytics.clicks ORDER BY id")]


def parent_of(place: Place, *children: str) -> Place:
    return place.ordered(children=tuple(map(parse_table, children)))


def family(place: Place, action: str = "CASCADE", events: int = 3) -> Family:
    place.sql(EVENTS)
    place.events(*(hours_ago(60 - number / (events + 1)) for number in range(1, events + 1)))
    place.sql(CLICKS.format(action=action))
    return Family(parent_of(place, "analytics.clicks"), place.on("analytics.clicks", "at"))


@pytest.mark.parametrize("action", ACTIONS)
def test_a_row_leaves_when_its_last_child_has_left_and_no_child_is_touched(place: Place, action: str) -> None:
    both = family(place, action)
    both.click(1, hours=50)
    both.click(2, hours=1)
    everything = both.parent.csv_of_table()
    assert both.parent.archive() == [Deleted(1, 0)]
    assert (both.events, both.clicks) == ([1, 2], [1, 2])
    assert both.child.archive() == [Deleted(1, 0)]
    assert both.parent.archive() == [Deleted(1, 0)]
    assert (both.events, both.clicks) == ([2], [2])
    place.sql("DELETE FROM analytics.clicks")
    assert both.parent.archive() == [Deleted(1, 0)]
    assert both.parent.ledger("generation, state, rows, deleted_rows")[:1] == [(1, State.DELETED, 1, 1)]
    assert both.parent.csv_of_table().total() == 0
    events = [manifest for manifest in place.manifests() if manifest.table == "events"]
    assert [manifest.rows for manifest in events] == [1, 1, 1]
    assert {row for row in place.archived() if row in everything} == set(everything)


def test_rows_that_wait_are_not_exported_night_after_night(place: Place) -> None:
    both = family(place)
    for event in (1, 2, 3):
        both.click(event)
    keys = place.keys()
    for _ in range(3):
        plan = both.parent.plan()
        assert plan.windows == 0
        assert plan.notes == ("3 of the 3 oldest rows due wait: rows of analytics.clicks point to them",)
        assert both.parent.archive() == []
    assert (place.keys(), place.ledger()) == (keys, [])


def test_a_window_whose_rows_all_got_children_since_the_plan_leaves_no_trace(place: Place) -> None:
    both = family(place, events=1)
    window = both.parent.window()
    both.click(1)
    both.parent.export(window)
    assert (place.keys(), place.ledger()) == ([], [])


@pytest.mark.parametrize("missing", ["nothing", "event_id", "triggered_at"])
def test_the_plan_finds_the_windows_with_and_without_indexes(place: Place, missing: str) -> None:
    both = family(place, events=0)
    place.events(*(hours_ago(hour + part) for hour in range(60, 70) for part in (0.2, 0.7)))
    whole_hour = [hours_ago(65 + part) for part in (0.2, 0.7)]
    place.sql(
        "INSERT INTO analytics.clicks (event_id, at) SELECT id, '2024-01-01' FROM analytics.events"
        " WHERE triggered_at IN (%s, %s) OR extract(minute FROM triggered_at) = 48",
        *whole_hour,
    )
    index = {"event_id": "clicks_event_id_idx", "triggered_at": "events_triggered_at"}.get(missing)
    if index:
        place.sql(f"DROP INDEX analytics.{index}")
    plan = both.parent.plan()
    free = [hours_ago(hour + 1) for hour in reversed(range(60, 70)) if hour != 65]
    assert [window.cell.start for batch in plan.batches for window in batch] == free
    assert "11 of the 20 oldest rows due wait" in plan.notes[-1]
    assert (missing == "nothing") == (len(plan.notes) == 1)


def test_a_row_that_got_a_child_since_the_export_stays_and_is_archived_later(place: Place) -> None:
    both = family(place)
    window = both.parent.stored_window()
    both.click(2)
    assert both.parent.delete(window) == Deleted(2, 1)
    assert (both.events, both.clicks) == ([2], [2])
    assert place.ledger("state, note") == [
        ("deleted", "1 row(s) changed, or got children, since the export and stayed")
    ]
    assert both.parent.archive() == []
    place.sql("DELETE FROM analytics.clicks")
    assert both.parent.archive() == [Deleted(1, 0)]
    assert both.events == []


def waiting_delete(both: Family, statement: str, *values: object, commit: bool = True) -> Deleted:
    """Deletes the one window while a user's statement is not committed yet."""
    window = both.parent.stored_window()
    with both.parent.connect() as user:
        user.execute(statement.encode(), values)
        with in_background(lambda: both.parent.delete(window)) as deleting:
            wait_for_blocked(both.parent)
            user.commit() if commit else user.rollback()
    return deleting.result()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_child_that_commits_while_the_delete_waits_for_it_keeps_its_parent(place: Place, action: str) -> None:
    both = family(place, action)
    assert waiting_delete(both, CLICK, 2, hours_ago(1)) == Deleted(2, 1)
    assert (both.events, both.clicks) == ([2], [2])


def test_the_isolation_that_a_database_prefers_does_not_matter(place: Place) -> None:
    both = family(place)
    place.sql(f"ALTER DATABASE {place.database} SET default_transaction_isolation = 'repeatable read'")
    assert waiting_delete(both, CLICK, 2, hours_ago(1)) == Deleted(2, 1)
    assert (both.events, both.clicks) == ([2], [2])


def test_a_child_that_is_rolled_back_while_the_delete_waits_for_it_holds_nothing(place: Place) -> None:
    both = family(place)
    assert waiting_delete(both, CLICK, 2, hours_ago(1), commit=False) == Deleted(3, 0)


def test_a_child_that_is_put_under_another_parent_while_the_delete_waits_keeps_that_one(place: Place) -> None:
    both = family(place, events=1)
    place.events(hours_ago(1))
    both.click(2)
    assert waiting_delete(both, "UPDATE analytics.clicks SET event_id = 1") == Deleted(0, 1)
    assert (both.events, both.clicks) == ([1, 2], [1])


def test_a_child_that_comes_while_its_parent_is_being_deleted_is_refused_to_its_user(place: Place) -> None:
    """The delete holds the first row and waits for the second; a child of the first one comes too late."""
    both = family(place, events=2)
    window = both.parent.stored_window()
    with both.parent.connect() as user, both.parent.connect() as late:
        user.execute(CLICK, (2, hours_ago(1)))
        with in_background(lambda: both.parent.delete(window)) as deleting:
            wait_for_blocked(both.parent)
            with in_background(lambda: late.execute(CLICK, (1, hours_ago(1)))) as inserting:
                until(
                    lambda: (
                        place.sql(
                            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                            " AND datname = current_database()"
                        )
                        == [(2,)]
                    )
                )
                user.commit()
            assert isinstance(inserting.exception(), psycopg.errors.ForeignKeyViolation)
            late.rollback()
    assert deleting.result() == Deleted(1, 1)
    assert (both.events, both.clicks) == ([2], [2])


def test_no_child_is_lost_while_many_arrive(place: Place) -> None:
    both = family(place, events=300)
    chance = random.Random(7)  # noqa: S311 (no secret)
    window = both.parent.stored_window()
    committed: list[int] = []

    def clicking() -> None:
        with both.parent.connect() as user:
            user.autocommit = True
            for _ in range(300):
                event = chance.randint(1, 300)
                try:
                    user.execute(CLICK, (event, hours_ago(1)))
                except psycopg.errors.ForeignKeyViolation:
                    continue
                committed.append(event)

    with in_background(clicking):
        until(lambda: len(committed) > 20)
        deleted = both.parent.delete(window)
    assert deleted.rows + deleted.changed == 300
    assert both.clicks == committed
    assert set(committed) <= set(both.events)
    assert len(both.events) == deleted.changed


def test_all_of_several_children_must_have_left(place: Place) -> None:
    both = family(place)
    place.sql(
        'CREATE TABLE public."Odd, 100% {notes}" ("a""b" int REFERENCES analytics.events ON DELETE SET NULL);'
        "CREATE TABLE public.plain (event_id bigint REFERENCES analytics.events)"
    )
    place.sql('INSERT INTO public."Odd, 100% {notes}" VALUES (2)')
    place.sql("INSERT INTO public.plain VALUES (3)")
    both.click(1)
    refused(both.parent, TableRefused, "public.Odd, 100% {notes} (ON DELETE SET NULL)", "under 'children'")
    parent = place.ordered(children=(TableName("analytics", "clicks"), TableName("public", "Odd, 100% {notes}")))
    assert parent.plan().windows == 0
    for leaving in ("analytics.clicks", 'public."Odd, 100% {notes}"', "public.plain"):
        place.sql(f"DELETE FROM {leaving}")
        assert parent.archive() == [Deleted(1, 0)]
    assert both.events == []


def test_a_chain_of_three_tables_goes_from_its_end(place: Place) -> None:
    both = family(place, events=2)
    place.sql(
        "CREATE TABLE analytics.marks (click_id int REFERENCES analytics.clicks ON DELETE CASCADE, at timestamp);"
        "CREATE INDEX ON analytics.marks (click_id); CREATE INDEX ON analytics.marks (at)"
    )
    both.click(1, hours=50)
    both.click(2, hours=50)
    place.sql("INSERT INTO analytics.marks VALUES (1, %s), (2, %s)", hours_ago(49), hours_ago(1))
    refused(both.child, TableRefused, "analytics.marks (ON DELETE CASCADE)", "'children' of analytics.clicks")
    chain = [place.on("analytics.marks", "at"), parent_of(both.child, "analytics.marks"), both.parent]
    assert [one.archive() for one in chain] == [[Deleted(1, 0)]] * 3
    assert [one.archive() for one in chain] == [[], [], []]
    assert (both.events, both.clicks) == ([2], [2])
    assert place.sql("SELECT click_id FROM analytics.marks") == [(2,)]


@pytest.mark.parametrize("match", ["SIMPLE", "FULL"])
def test_keys_of_several_columns_hold_a_row_only_if_all_of_them_match(place: Place, match: str) -> None:
    place.sql(
        "CREATE TABLE public.things (a int, b text, at timestamp, UNIQUE (b, a));"
        "CREATE TABLE public.parts (x bigint, y varchar(9), CONSTRAINT part FOREIGN KEY (y, x)"
        f" REFERENCES public.things (b, a) MATCH {match} ON DELETE CASCADE)"
    )
    place.sql(
        "INSERT INTO public.things SELECT a, b, %s FROM (VALUES (1, 'x'), (1, 'y'), (2, 'x')) v (a, b)", hours_ago(60)
    )
    place.sql("INSERT INTO public.things VALUES (NULL, NULL, %s)", hours_ago(60))
    place.sql("INSERT INTO public.parts VALUES (1, 'x'), (NULL, NULL)")
    if match == "SIMPLE":
        place.sql("INSERT INTO public.parts VALUES (2, NULL), (NULL, 'y')")
    before = place.sql("SELECT * FROM public.parts")
    parent = parent_of(place.on("public.things", "at"), "public.parts")
    assert parent.archive() == [Deleted(3, 0)]
    assert place.sql("SELECT a, b FROM public.things") == [(1, "x")]
    assert place.sql("SELECT * FROM public.parts") == before


@pytest.mark.parametrize(
    ("own", "other"),
    [("ext.citext", "ext.citext"), ('text COLLATE "C"', 'text COLLATE "POSIX"'), ("numeric", "numeric")],
)
def test_rows_are_compared_as_the_foreign_key_compares_them(place: Place, own: str, other: str) -> None:
    place.sql("CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext")
    place.sql(
        f"CREATE TABLE public.things (name {own} PRIMARY KEY, at timestamp);"
        f"CREATE TABLE public.parts (name {other} REFERENCES public.things ON DELETE CASCADE)"
    )
    held, pointing = {"ext.citext": ("Abc", "aBC"), "numeric": ("1.0", "1.00")}.get(own, ("abc", "abc"))
    place.sql(f"INSERT INTO public.things VALUES ('{held}', %s), ('2', %s)", hours_ago(60), hours_ago(60))
    place.sql(f"INSERT INTO public.parts VALUES ('{pointing}')")
    parent = parent_of(place.on("public.things", "at"), "public.parts")
    assert parent.archive() == [Deleted(1, 0)]
    assert place.sql("SELECT name::text FROM public.things") == [(held,)]
    assert place.sql("SELECT name::text FROM public.parts") == [(pointing,)]


PARTITIONED = """
    CREATE TABLE public.things (id int, at timestamp, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE public.things_all PARTITION OF public.things DEFAULT;
    CREATE TABLE public.parts (id int, at timestamp) PARTITION BY LIST (id);
    CREATE TABLE public.parts_one PARTITION OF public.parts FOR VALUES IN (1);
    CREATE TABLE public.parts_rest PARTITION OF public.parts DEFAULT
"""


@pytest.mark.parametrize(
    ("child", "parent"),
    [("parts", "things"), ("parts_one", "things"), ("parts", "things_all"), ("parts_one", "things_all")],
)
def test_children_in_partitions_hold_rows_in_partitions(place: Place, child: str, parent: str) -> None:
    place.sql(PARTITIONED)
    place.sql(
        f"ALTER TABLE public.{child} ADD CONSTRAINT part FOREIGN KEY (id, at) REFERENCES public.{parent}"
        " ON DELETE CASCADE"
    )
    place.sql("INSERT INTO public.things SELECT number, %s FROM generate_series(1, 3) AS number", hours_ago(60))
    things = place.on("public.things", "at")
    refused(things, TableRefused, f"public.{child} (ON DELETE CASCADE)")
    both = Family(parent_of(things, "public.parts"), place.on("public.parts", "at"))
    statement = "INSERT INTO public.parts SELECT * FROM public.things WHERE id = 1"
    assert waiting_delete(both, statement) == Deleted(2, 1)
    assert place.sql("SELECT id FROM public.things") == place.sql("SELECT id FROM public.parts") == [(1,)]
    assert both.child.archive() == [Deleted(1, 0)]
    assert both.parent.archive() == [Deleted(1, 0)]


def test_a_foreign_key_made_since_the_export_is_seen_by_the_delete(place: Place) -> None:
    both = family(place)
    window = both.parent.stored_window()
    place.sql("CREATE TABLE public.late (event_id bigint REFERENCES analytics.events ON DELETE CASCADE)")
    place.sql("INSERT INTO public.late VALUES (1)")
    with pytest.raises(TableRefused, match=r"public\.late \(ON DELETE CASCADE\)"):
        both.parent.delete(window)
    place.sql(
        "ALTER TABLE public.late DROP CONSTRAINT late_event_id_fkey, ADD FOREIGN KEY (event_id)"
        " REFERENCES analytics.events"
    )
    assert both.parent.delete(window) == Deleted(2, 1)


@pytest.mark.parametrize("how", ["NO ACTION", "RESTRICT", "NO ACTION DEFERRABLE INITIALLY DEFERRED"])
def test_rows_with_unlisted_children_end_the_delete_clearly_and_wait_once_these_are_listed(
    place: Place, how: str
) -> None:
    both = family(place, how)
    window = place.stored_window()
    both.click(2)
    with pytest.raises(TableRefused, match="violates") as caught:
        place.delete(window)
    for words in ("of_event", "rows of analytics.clicks point to rows of analytics.events", "under 'children'"):
        assert words in str(caught.value)
    assert "=(2)" not in str(caught.value)
    assert (both.events, both.clicks) == ([1, 2, 3], [2])
    assert place.ledger("state, deleted_upto, deleted_rows") == [(State.STORED, 0, 0)]
    assert both.parent.archive() == [Deleted(2, 1)]
    assert (both.events, both.clicks) == ([2], [2])


def test_a_deferred_foreign_key_that_is_checked_after_the_delete_fails_its_own_user(place: Place) -> None:
    both = family(place, "CASCADE DEFERRABLE INITIALLY DEFERRED", events=1)
    window = both.parent.stored_window()
    with both.parent.connect() as user:
        user.execute(CLICK, (1, hours_ago(1)))
        assert both.parent.delete(window) == Deleted(1, 0)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            user.commit()
    assert (both.events, both.clicks) == ([], [])


@pytest.mark.parametrize("action", ["CASCADE", "NO ACTION", "RESTRICT"])
def test_a_table_that_points_to_itself_goes_from_its_leaves(place: Place, action: str) -> None:
    place.sql(EVENTS)
    place.sql(f"ALTER TABLE analytics.events ADD parent bigint REFERENCES analytics.events ON DELETE {action}")
    place.sql("CREATE INDEX ON analytics.events (parent)")
    place.events(*(hours_ago(60 - number / 7) for number in range(1, 6)), hours_ago(1))
    for event, parent in ((1, 1), (3, 2), (4, 3), (6, 5)):
        place.sql("UPDATE analytics.events SET parent = %s WHERE id = %s", parent, event)
    rows = place.csv_of_table()
    listed = parent_of(place, "analytics.events")
    assert [listed.archive() for _ in range(4)] == [[Deleted(2, 0)], [Deleted(1, 0)], [Deleted(1, 0)], []]
    assert place.sql("SELECT id FROM analytics.events ORDER BY id") == [(5,), (6,)]
    assert place.archived() + place.csv_of_table() == rows
    assert restored(listed).failures == []
    assert place.csv_of_table() == rows


def test_a_table_that_points_to_itself_and_is_not_listed_loses_nothing(place: Place) -> None:
    place.sql(EVENTS)
    place.sql("ALTER TABLE analytics.events ADD parent bigint REFERENCES analytics.events")
    place.events(hours_ago(60.2), hours_ago(60.1), hours_ago(50.2), hours_ago(1))
    place.sql("UPDATE analytics.events SET parent = 1 WHERE id = 2")
    place.sql("UPDATE analytics.events SET parent = 3 WHERE id = 4")
    first, second = place.windows()
    for window in (first, second):
        place.export(window)
        place.check(window)
    assert place.delete(first) == Deleted(2, 0)
    with pytest.raises(TableRefused, match=r"list analytics\.events under 'children' of analytics\.events"):
        place.delete(second)
    assert place.sql("SELECT id FROM analytics.events ORDER BY id") == [(3,), (4,)]
    assert place.ledger("state, deleted_rows") == [(State.DELETED, 2), (State.STORED, 0)]


@pytest.mark.parametrize("how", ["CASCADE", "NO ACTION DEFERRABLE INITIALLY DEFERRED"])
def test_a_child_is_restored_after_its_parent_and_says_so(place: Place, how: str) -> None:
    both = family(place, how)
    both.click(2, hours=50)
    assert (both.child.archive(), both.parent.archive()) == ([Deleted(1, 0)], [Deleted(3, 0)])
    early = restored(both.child)
    (failure,) = early.failures
    assert "restore analytics.events for the same span first" in failure
    assert "of_event" in failure
    assert "=(2)" not in failure
    assert (early.restored, both.clicks) == (0, [])
    assert restored(both.parent).restored == 3
    assert restored(both.child).restored == 1
    assert (both.events, both.clicks) == ([1, 2, 3], [2])


def test_missing_rights_are_refused_with_what_to_grant(place: Place) -> None:
    both = family(place)
    rights = ["USAGE ON SCHEMA analytics", "SELECT, DELETE ON analytics.events"]
    blind = both.parent.as_role("blind", *rights)
    refused(blind, TableRefused, "may not read all of analytics.clicks", "SELECT on the table")
    unlocking = both.parent.as_role("unlocking", *rights, "SELECT ON analytics.clicks")
    refused(unlocking, TableRefused, "may not lock rows of analytics.events", "grant UPDATE on one of its columns")
    enough = both.parent.as_role(
        "enough",
        *rights,
        "SELECT ON analytics.clicks",
        "UPDATE (name) ON analytics.events",
        f"CREATE ON DATABASE {place.database}",
    )
    both.click(1)
    place.sql("ALTER TABLE analytics.clicks ENABLE ROW LEVEL SECURITY")
    refused(enough, TableRefused, "may not read all of analytics.clicks", "BYPASSRLS")
    place.sql("ALTER TABLE analytics.clicks DISABLE ROW LEVEL SECURITY")
    assert enough.archive() == [Deleted(2, 0)]


def test_what_the_policy_lists_without_a_foreign_key_is_told(place: Place) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(60))
    place.sql("CREATE TABLE public.other (event_id bigint)")
    parent = parent_of(place, "public.other")
    assert parent.plan().notes == ("'children' lists public.other, of which no foreign key points here",)
    assert parent.archive() == [Deleted(1, 0)]
