"""Timestamps of every type and every oddity: what is due goes, what is in doubt stays and is reported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pg_archiver.archive.delete import Deleted
from tests.support.place import NOW, Place, hours_ago

ODD = ["NULL", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'0001-06-01'", "'9999-12-31'", "'12345-01-01'"]


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date"])
@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "not indexed"])
def test_odd_timestamps_stay_and_are_reported(place: Place, kind: str, indexed: bool) -> None:
    place.sql(f"CREATE TABLE public.things (at {kind}, name text)")
    if indexed:
        place.sql("CREATE INDEX ON public.things (at)")
    place = place.on("public.things", "at")
    for value in ODD:
        place.sql(f"INSERT INTO public.things VALUES ({value}, 'odd')")
    place.sql("INSERT INTO public.things VALUES (%s, 'due')", hours_ago(100))
    notes = place.plan().notes
    for words in (
        "1 row(s) with no timestamp stay in the table",
        "3 row(s) with a timestamp before the year 2, or -infinity, stay in the table",
        "3 row(s) with a timestamp more than a day in the future stay in the table",
    ):
        assert words in notes
    assert place.archive(keep_days=0) == [Deleted(1, 0)]
    assert place.sql("SELECT name, count(*) FROM public.things GROUP BY name") == [("odd", len(ODD))]


def test_a_table_without_odd_timestamps_has_no_notes_on_them(place: Place) -> None:
    place.sql("CREATE TABLE public.things (at timestamp); CREATE INDEX ON public.things (at)")
    place.sql("INSERT INTO public.things VALUES (now()), (now() + interval '23 hours')")
    assert place.on("public.things", "at").plan().notes == ()


@pytest.mark.parametrize("kind", ["timestamptz", "timestamptz(0)", "timestamp(3)"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_the_cutoff_is_an_instant_whatever_time_zone_the_database_is_set_to(place: Place, kind: str, zone: str) -> None:
    place.sql(f"CREATE TABLE public.things (at {kind}, name text); CREATE INDEX ON public.things (at)")
    utc = [hours_ago(48) - timedelta(seconds=1), hours_ago(48), hours_ago(48) + timedelta(seconds=1)]
    for moment, name in zip(utc, ["due", "at the cutoff", "young"], strict=True):
        value = moment.replace(tzinfo=UTC) if kind.startswith("timestamptz") else moment
        place.sql("INSERT INTO public.things VALUES (%s, %s)", value, name)
    place.sql(f"ALTER DATABASE {place.database} SET TimeZone = '{zone}'")
    assert place.on("public.things", "at").archive() == [Deleted(1, 0)]
    assert {row[0] for row in place.sql("SELECT name FROM public.things")} == {"at the cutoff", "young"}


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_column_without_a_time_zone_is_read_in_the_policys(place: Place, zone: str) -> None:
    place.sql("CREATE TABLE public.things (at timestamp, name text); CREATE INDEX ON public.things (at)")
    cutoff = NOW - timedelta(days=2)
    for seconds, name in ((-7200, "due"), (7200, "young")):
        wall = (cutoff + timedelta(seconds=seconds)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        place.sql("INSERT INTO public.things VALUES (%s, %s)", wall, name)
    place = place.on("public.things", "at").ordered(timezone=zone).with_policy(timezone=zone)
    assert place.archive() == [Deleted(1, 0)]
    assert place.sql("SELECT name FROM public.things") == [("young",)]


def test_days_are_archived_from_a_date_column(place: Place) -> None:
    place.sql("CREATE TABLE public.things (at date, name text); CREATE INDEX ON public.things (at)")
    today = datetime.now(UTC).date()
    for days in range(6):
        place.sql("INSERT INTO public.things VALUES (%s, %s)", today - timedelta(days=days), f"{days} days old")
    place = place.on("public.things", "at")
    before = place.csv_of_table()
    place.archive(keep_days=3)
    left = {row[0] for row in place.sql("SELECT name FROM public.things")}
    assert {"0 days old", "1 days old", "2 days old"} <= left
    assert not {"4 days old", "5 days old"} & left
    assert place.archived() + place.csv_of_table() == before


def test_microseconds_at_the_borders_of_windows_are_in_exactly_one(place: Place) -> None:
    place.sql("CREATE TABLE public.things (at timestamp, name text); CREATE INDEX ON public.things (at)")
    border, tick = hours_ago(60), timedelta(microseconds=1)
    for moment in (border - tick, border, border + tick, border + timedelta(hours=1) - tick):
        place.sql("INSERT INTO public.things VALUES (%s, 'thing')", moment)
    place = place.on("public.things", "at")
    before = place.csv_of_table()
    windows = place.windows()
    # Both are read while all rows are there, so that each takes its own alone.
    for window in windows:
        place.export(window)
    for window in windows:
        place.check(window)
    assert [place.delete(window) for window in windows] == [Deleted(1, 0), Deleted(3, 0)]
    assert place.archived() == before
