"""Of a table whose job says `delete` just the rows go that are old enough, in batches, the oldest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import RightMissing, TableMissing, TableRefused
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import parse_table
from pg_archiver.postgres.session import Session
from pg_archiver.purge import due as due_module
from pg_archiver.purge.purge import purge, rehearse
from tests.support.partitions import partitioned
from tests.support.place import Place
from tests.support.purges import COUNTED, KEEP, OLD, ROWS, Purges, after, never

CUTOFF = datetime(2026, 3, 10, 12, tzinfo=UTC)


def ids(purges: Purges) -> list[int]:
    return [row[0] for row in purges.place.sql(f"SELECT id FROM {purges.relation} ORDER BY id")]


@pytest.fixture
def at_cutoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is older than this moment is due."""

    def read_clock(_session: Session) -> datetime:
        return CUTOFF + timedelta(days=KEEP.days)

    monkeypatch.setattr(due_module, "read_clock", read_clock)


def test_just_the_old_rows_go_and_are_counted_with_their_batches(purges: Purges) -> None:
    result = purges.purge()
    assert (result.rows, result.partitions, result.left) == (OLD, 0, None)
    assert ids(purges) == list(range(1, ROWS, 2))
    assert sum(purges.counts()) == OLD
    assert max(purges.counts()) == 6
    assert result.told.startswith("20 rows deleted, and archived nowhere; due is what is older than ")
    assert "(keep_days of job 'old rows': 2)" in result.told
    assert "stay for the next run" not in result.told
    assert purges.purge().rows == 0


@pytest.mark.parametrize("batch_size", [1, 7, 20, 1000])
def test_a_batch_of_any_size(purges: Purges, batch_size: int) -> None:
    assert purges.purge(batch_size=batch_size).rows == OLD
    assert max(purges.counts()) == min(batch_size, OLD)
    assert ids(purges) == list(range(1, ROWS, 2))


def test_the_oldest_go_first_and_no_batch_begins_when_the_work_is_not_wanted_any_more(purges: Purges) -> None:
    result = purges.purge(after(3))
    assert (result.rows, result.left) == (12, "its row has changed")
    assert ids(purges) == sorted([*range(1, ROWS, 2), *range(26, ROWS + 1, 2)])
    assert purges.purge().rows == OLD - 12


def test_nothing_is_looked_at_where_the_work_is_not_wanted_at_all(place: Place) -> None:
    purges = Purges.of(place)
    assert purges.purge(after(0)).left == "its row has changed"
    assert not place.has_ledger()


def test_minus_one_keeps_everything(place: Place) -> None:
    purges = Purges.of(place)
    everything = KeepDays(-1, "keep_days of the test")
    assert purges.purge(keep=everything).told == "keep_days of the test is -1: everything is kept"
    assert purges.rehearse(keep=everything) == "keep_days of the test is -1: everything is kept"
    assert not place.has_ledger()


def test_zero_days_keep_nothing_that_has_a_time_before_now(purges: Purges) -> None:
    assert purges.purge(keep=KeepDays(0, "the test")).rows == ROWS


# The cutoff is 12:00 UTC, which is 13:00 in Berlin; a day is due when it is over there.
AT_CUTOFF = {
    "timestamptz": ("timestamptz", "UTC", "2026-03-10 11:59:59.999999+00", "2026-03-10 12:00+00"),
    "timestamptz elsewhere": ("timestamptz", "Europe/Berlin", "2026-03-10 12:59:59.999999+01", "2026-03-10 13:00+01"),
    "timestamp": ("timestamp", "UTC", "2026-03-10 11:59:59.999999", "2026-03-10 12:00"),
    "timestamp elsewhere": ("timestamp", "Europe/Berlin", "2026-03-10 12:59:59.999999", "2026-03-10 13:00"),
    "date": ("date", "UTC", "2026-03-09", "2026-03-10"),
    "date elsewhere": ("date", "Pacific/Kiritimati", "2026-03-10", "2026-03-11"),
}


@pytest.mark.usefixtures("at_cutoff")
@pytest.mark.parametrize("index", ["CREATE INDEX ON public.notes (at)", "SELECT 1"], ids=["index", "no index"])
@pytest.mark.parametrize("kind", AT_CUTOFF)
def test_a_row_goes_just_before_the_cutoff_and_stays_at_it(place: Place, kind: str, index: str) -> None:
    column, zone, before, at = AT_CUTOFF[kind]
    place.sql(f"ALTER DATABASE {place.database} SET timezone = 'Asia/Tokyo'")
    made = (
        f"CREATE TABLE public.notes (id int, at {column});"
        f"INSERT INTO public.notes VALUES (1, '{before}'), (2, '{at}'), (3, '1999-12-31'); {index}"
    )
    purges = Purges.of(place, made=made)
    assert purges.purge(timezone=zone).rows == 2
    assert ids(purges) == [2]


def test_in_the_hour_that_clocks_repeat_nothing_goes_that_may_be_the_later_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 02:30 comes twice in that night; at the cutoff it is 02:40 for the first time.
    now = datetime(2026, 10, 25, 0, 40, tzinfo=UTC) + timedelta(days=KEEP.days)
    monkeypatch.setattr(due_module, "read_clock", lambda _session: now)
    made = (
        "CREATE TABLE public.notes (id int, at timestamp);"
        "INSERT INTO public.notes VALUES (1, '2026-10-25 01:39'), (2, '2026-10-25 01:41'), (3, '2026-10-25 02:30')"
    )
    purges = Purges.of(place, made=made)
    assert purges.purge(timezone="Europe/Berlin").rows == 1
    assert ids(purges) == [2, 3]


@pytest.mark.parametrize("column", ["timestamptz", "timestamp", "date"])
@pytest.mark.parametrize("index", ["CREATE INDEX ON public.notes (at)", "SELECT 1"], ids=["index", "no index"])
def test_rows_without_a_usable_time_stay_and_are_told(place: Place, column: str, index: str) -> None:
    made = (
        f"CREATE TABLE public.notes (id int, at {column});"
        "INSERT INTO public.notes VALUES (1, NULL), (2, 'infinity'), (3, '-infinity'), (4, '0001-06-01'),"
        f"(5, '0044-03-15 BC'), (6, '9999-12-31'), (7, '294276-01-01'), (8, '2024-01-01'); {index}"
    )
    if column == "date":
        made = made.replace("294276", "5874897")
    purges = Purges.of(place, made=made)
    told = purges.purge().told
    assert ids(purges) == [1, 2, 3, 4, 5, 6, 7]
    for words in (
        "1 row(s) with no timestamp",
        "3 row(s) with a timestamp before the year 2",
        "3 row(s) with a timesta",
    ):
        assert words in told
        assert words in purges.rehearse()


def test_a_table_of_rows_without_a_time_fails_nothing(place: Place) -> None:
    purges = Purges.of(place, made="CREATE TABLE public.notes (id int, at date); INSERT INTO public.notes VALUES (1)")
    assert purges.purge().rows == 0
    assert "no timestamp" in purges.rehearse()


def test_a_rehearsal_says_what_would_go_and_writes_nothing(purges: Purges) -> None:
    told = purges.rehearse()
    assert told.startswith("20 rows would be deleted, in batches of 6 rows, and archived nowhere; due is what is older")
    assert purges.rows() == ROWS
    assert not purges.place.has_ledger()
    purges.purge()
    assert purges.rehearse().startswith("nothing is due; ")


@pytest.mark.parametrize("table", ["public.nothing", "nowhere.notes"])
def test_a_table_that_is_missing_is_told_apart(place: Place, table: str) -> None:
    other = Purges(place, parse_table(table))
    with place.session() as session:
        for work in (lambda: purge(session, other.order(), never, print), lambda: rehearse(session, other.order())):
            with pytest.raises(TableMissing, match="Fix: correct 'table'"):
                work()


def test_a_column_that_is_missing_is_told_apart(place: Place) -> None:
    purges = Purges.of(place)
    with pytest.raises(TableMissing, match="has no column 'since'"):
        Purges(place, purges.table, "since").rehearse()


REFUSED: dict[str, tuple[str, str]] = {
    "a view": ("ALTER TABLE public.notes RENAME TO others; CREATE VIEW public.notes AS TABLE public.others", "a view"),
    "a rule": ("CREATE RULE keep AS ON DELETE TO public.notes DO INSTEAD NOTHING", "rules change what becomes"),
    "a foreign key": (
        "CREATE TABLE public.replies (id int, note int REFERENCES public.notes ON DELETE CASCADE)",
        "would reach rows that nobody archived",
    ),
    "a publication": (
        "ALTER TABLE public.notes DROP CONSTRAINT notes_pkey; CREATE PUBLICATION all_of_it FOR TABLE public.notes",
        "publish deletes without a replica identity",
    ),
    "another kind of column": ("ALTER TABLE public.notes ALTER COLUMN at TYPE text", "is of type text"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_archive_refuses_is_refused_and_nothing_goes(place: Place, kind: str) -> None:
    purges = Purges.of(place)
    change, words = REFUSED[kind]
    place.sql(change)
    for work in (purges.purge, purges.rehearse):
        with pytest.raises(TableRefused, match=words):
            work()
    assert purges.rows() == ROWS


def test_rows_that_row_level_security_hides_are_not_taken_for_missing_ones(place: Place) -> None:
    purges = Purges.of(place)
    place.sql(
        "ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY; CREATE POLICY hiding ON public.notes USING (id > 10)"
    )
    guest = Purges(place.as_role("guest", *RIGHTS, f"CREATE ON DATABASE {place.database}"), purges.table)
    for work in (guest.purge, guest.rehearse):
        with pytest.raises(TableRefused, match="row-level security hides rows"):
            work()
    assert purges.rows() == ROWS


RIGHTS = ("USAGE ON SCHEMA public", "SELECT, DELETE ON public.notes")


@pytest.mark.parametrize("right", RIGHTS)
def test_a_missing_privilege_is_named(place: Place, right: str) -> None:
    purges = Purges.of(place)
    place.sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    rights = [one for one in RIGHTS if one != right]
    guest = Purges(place.as_role("guest", *rights, f"CREATE ON DATABASE {place.database}"), purges.table)
    with pytest.raises(TableRefused, match=r"may not (SELECT|DELETE) from public\.notes"):
        guest.rehearse()


@pytest.mark.parametrize("index", [True, False], ids=["index", "no index"])
def test_any_name_is_only_a_name(place: Place, index: bool) -> None:
    table = TableName('a "schema" %s {x}', "ta'ble; DROP TABLE public.bystander --")
    column = 'at "%(end)s" {table}'
    purges = Purges(place, table, column)
    quoted = sql.Identifier(column).as_string()
    with place.connect() as user:
        user.execute(f"CREATE SCHEMA {sql.Identifier(table.schema).as_string()}".encode())
        user.execute(f"CREATE TABLE {purges.relation} (id int, {quoted} timestamp)".encode())
        user.execute(f"INSERT INTO {purges.relation} VALUES (1, '2024-01-01'), (2, now())".encode())
        if index:
            user.execute(f"CREATE INDEX ON {purges.relation} ({quoted})".encode())
        user.execute(f"CREATE TABLE public.bystander (); {COUNTED}".encode())
    assert purges.rehearse().startswith("1 row would be deleted")
    assert purges.purge().rows == 1
    assert ids(purges) == [2]
    assert place.sql("SELECT to_regclass('public.bystander') IS NOT NULL") == [(True,)]


def test_a_pace_is_kept_and_a_batch_holds_no_more_than_a_second_of_it(place: Place) -> None:
    purges = Purges.of(place)
    began = datetime.now(UTC)
    assert purges.purge(batch_size=1000, rows_per_second=10).rows == OLD
    assert max(purges.counts()) == 10
    assert datetime.now(UTC) - began >= timedelta(seconds=1)


def test_a_pause_ends_when_the_process_is_told_to(place: Place) -> None:
    purges = Purges.of(place)

    def stop() -> str | None:
        if purges.counts():
            return "the task was told to end"
        session.stop.request()
        return None

    with place.session() as session:
        began = datetime.now(UTC)
        result = purges.purge(stop, session, rows_per_second=1, batch_size=1)
    assert (result.rows, result.left) == (1, "the task was told to end")
    assert datetime.now(UTC) - began < timedelta(seconds=60)


def test_rows_of_one_day_are_many_batches(place: Place) -> None:
    made = (
        "CREATE TABLE public.notes (id int, at date); CREATE INDEX ON public.notes (at);"
        "INSERT INTO public.notes SELECT n, '2024-01-01' FROM generate_series(1, 40) AS n;"
        "INSERT INTO public.notes SELECT n, current_date FROM generate_series(41, 50) AS n"
    )
    purges = Purges.of(place, made=made)
    assert purges.purge().rows == 40
    assert ids(purges) == list(range(41, 51))


def test_children_by_inheritance_go_by_the_same_rules(place: Place) -> None:
    purges = Purges.of(place)
    place.sql(
        "CREATE TABLE public.more () INHERITS (public.notes);"
        "INSERT INTO public.more VALUES (101, now() - interval '4 days'), (102, now())"
    )
    assert purges.purge(never).rows == OLD + 1
    assert ids(purges) == [*range(1, ROWS, 2), 102]


def test_its_own_counts_are_those_of_a_counting_trigger(place: Place) -> None:
    purges = Purges.of(place)
    place.sql(
        """
        CREATE TABLE public.seen (transaction text, rows bigint);
        CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO public.seen SELECT pg_current_xact_id()::text, count(*) FROM gone; RETURN NULL; END $$;
        CREATE TRIGGER see AFTER DELETE ON public.notes REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT EXECUTE FUNCTION public.see()
        """
    )
    assert purges.purge().rows == OLD
    seen: list[Any] = place.sql("SELECT transaction, sum(rows) FROM public.seen GROUP BY 1 HAVING sum(rows) > 0")
    assert sorted(seen) == sorted(place.sql("SELECT transaction, rows FROM public.counted"))
    assert max(rows for _, rows in seen) == 6


def test_rows_that_cannot_be_counted_stay(purges: Purges) -> None:
    def refuse(rows: int) -> None:
        raise RightMissing(f"{rows} rows may not be counted")

    with purges.place.session() as session, pytest.raises(RightMissing):
        purge(session, purges.order(), never, refuse)
    assert purges.rows() == ROWS


def test_rows_of_a_partition_that_cannot_be_counted_stay(place: Place) -> None:
    partitioned(place, 6, 5)
    purges = Purges.of(place, "analytics.events", "triggered_at", "SELECT 1")

    def refuse(rows: int) -> None:
        raise RightMissing(f"{rows} rows may not be counted")

    with place.session() as session, pytest.raises(RightMissing):
        purge(session, purges.order(), never, refuse)
    assert purges.rows() == 16
