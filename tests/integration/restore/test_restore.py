"""What was archived comes back: the very rows, once, and only those that had left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest

from pg_archiver.errors import Conflict, Refused, SettingError, Stopped, TableRefused, Unfinished
from pg_archiver.restore.sources import Sources
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import differences, events, keyless, remembered, restored


def test_everything_that_left_comes_back_as_it_was(place: Place) -> None:
    events(place, rows=90)
    place.archive()
    assert place.live().total() == 0
    result = restored(place)
    assert (result.objects, result.rows_read, result.restored, result.failures) == (2, 90, 90, [])
    assert differences(place) == []


def test_only_the_span_comes_back(place: Place) -> None:
    events(place, rows=25, hours=60)
    place.archive()
    result = restored(place, hours_ago(60 - 5 / 60), hours_ago(60 - 15 / 60))
    assert (result.restored, result.outside) == (10, 15)
    moments = [row[0] for row in place.sql("SELECT triggered_at FROM analytics.events ORDER BY 1")]
    assert moments == [hours_ago(60 - minute / 60) for minute in range(5, 15)]


def test_moments_with_an_offset_are_instants(place: Place) -> None:
    place.sql("CREATE TABLE public.notes (id int PRIMARY KEY, at timestamp)")
    place = place.on("public.notes", "at", timezone="Asia/Tokyo").with_policy(timezone="Asia/Tokyo")
    place.sql(
        "INSERT INTO public.notes SELECT n, %s::timestamp + n * interval '1 hour' FROM generate_series(0, 9) n",
        hours_ago(100),
    )
    place.archive()
    start = (hours_ago(98) - timedelta(hours=9)).replace(tzinfo=UTC)
    assert restored(place, start, start + timedelta(hours=3)).restored == 3
    assert [row[0] for row in place.sql("SELECT id FROM public.notes ORDER BY 1")] == [2, 3, 4]


def test_a_date_stands_for_its_midnight(place: Place) -> None:
    place.sql("CREATE TABLE public.notes (id int PRIMARY KEY, at date)")
    place = place.on("public.notes", "at")
    day = hours_ago(24 * 5).replace(hour=0)
    place.sql("INSERT INTO public.notes SELECT n, %s::date + n FROM generate_series(0, 2) n", day)
    place.archive()
    noon = day.replace(hour=12, tzinfo=UTC)
    assert restored(place, noon, noon + timedelta(hours=1)).objects == 0
    assert restored(place, noon, noon + timedelta(hours=24)).restored == 1
    assert place.sql("SELECT id FROM public.notes") == [(1,)]


@pytest.mark.first_run
def test_nothing_archived_is_no_error(place: Place) -> None:
    events(place)
    result = restored(place)
    assert result.restored == 0
    assert result.notes == ["no archived object of this table overlaps the span"]
    assert not place.has_ledger()


def test_a_span_that_ends_before_it_starts_is_refused(place: Place) -> None:
    events(place)
    with pytest.raises(SettingError, match="is not after its start"):
        restored(place, hours_ago(1), hours_ago(2))


@pytest.mark.usefixtures("both_ways")
def test_rows_that_never_left_do_not_come_back(place: Place) -> None:
    events(place)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id = 3")
    place.delete(window)
    place.sql("UPDATE analytics.events SET id = DEFAULT WHERE name = 'changed'")
    result = restored(place)
    assert result.kept == 1
    assert place.sql("SELECT count(*) FROM analytics.events WHERE id = 3 OR name = 'changed'") == [(1,)]


def test_an_object_of_which_nothing_was_deleted_is_left_alone(place: Place) -> None:
    place.sql(EVENTS)
    place.events(*(hours_ago(60) for _ in range(5)))
    place.stored_window()
    place.sql("DELETE FROM analytics.events")
    assert restored(place).objects == 0


def test_a_delete_that_stopped_half_way_gives_back_what_it_took(place: Place) -> None:
    place = keyless(place)
    window = place.stored_window()
    calls = iter([False])
    with pytest.raises(Stopped):
        place.delete(window, lambda: next(calls, True))
    before = place.live().total()
    result = restored(place)
    assert (before, result.restored, result.kept) == (10, 10, 10)
    assert differences(place) == []


@pytest.mark.parametrize(("on_conflict", "live", "restored_rows"), [("skip", "changed", 4), ("newest", "changed", 4)])
def test_a_row_in_the_table_that_is_not_older_stays(
    place: Place, on_conflict: str, live: str, restored_rows: int
) -> None:
    place = _reused(place, timedelta(hours=0))
    result = restored(place, on_conflict=on_conflict)
    assert (result.restored, result.in_conflict, result.skipped) == (restored_rows, 1, 1)
    assert place.sql("SELECT name FROM analytics.events WHERE id = 3") == [(live,)]


def test_newest_puts_a_later_row_in_the_place_of_an_older_one(place: Place) -> None:
    place = _reused(place, timedelta(hours=-1))
    rehearsed = restored(place.ordered(dry_run=True), on_conflict="newest")
    result = restored(place, on_conflict="newest")
    assert (result.restored, result.in_conflict, result.skipped) == (5, 1, 0)
    assert replace(rehearsed, dry_run=False, held=result.held) == result
    assert differences(place) == []


def test_fail_ends_at_the_first_conflict_with_nothing_of_the_object(place: Place) -> None:
    place = _reused(place, timedelta(hours=0))
    with pytest.raises(Conflict, match=r"1 row\(s\) of .* are in analytics.events already"):
        restored(place, on_conflict="fail")
    assert place.live().total() == 1
    place.sql("DELETE FROM analytics.events")
    assert restored(place, on_conflict="fail").restored == 5
    assert differences(place) == []


def _reused(place: Place, later: timedelta) -> Place:
    """Five archived rows, and a live one under the third one's key, later than it by so much."""
    place.sql(EVENTS)
    place.events(*(hours_ago(60) for _ in range(5)))
    remembered(place)
    place.archive()
    place.sql(
        "INSERT INTO analytics.events OVERRIDING SYSTEM VALUE VALUES (3, %s, 'changed', NULL)", hours_ago(60) + later
    )
    return place


def test_of_several_generations_the_newest_version_comes_back(place: Place) -> None:
    place.sql(EVENTS)
    for version in ("first", "second", "third"):
        place.sql(
            "INSERT INTO analytics.events OVERRIDING SYSTEM VALUE VALUES (1, %s, %s, NULL), (%s, %s, %s, NULL)",
            hours_ago(60), version, {"first": 10, "second": 20, "third": 30}[version], hours_ago(60), version,
        )  # fmt: skip
        place.archive()
    assert [manifest.generation for manifest in place.manifests()] == [1, 2, 3]
    result = restored(place)
    assert (result.restored, result.superseded) == (4, 2)
    assert place.sql("SELECT id, name FROM analytics.events ORDER BY id") == [
        (1, "third"), (10, "first"), (20, "second"), (30, "third"),
    ]  # fmt: skip


def test_a_version_that_lives_in_a_newer_hour_wins_over_the_older_one(place: Place) -> None:
    """The newer version lies in an earlier hour: neither the order of hours nor of generations tells."""
    place.sql(EVENTS)
    place.sql("INSERT INTO analytics.events OVERRIDING SYSTEM VALUE VALUES (1, %s, 'old', NULL)", hours_ago(60))
    place.archive()
    place.sql("INSERT INTO analytics.events OVERRIDING SYSTEM VALUE VALUES (1, %s, 'new', NULL)", hours_ago(70))
    place.archive()
    assert restored(place).superseded == 1
    assert place.sql("SELECT name FROM analytics.events") == [("new",)]


def test_a_table_without_a_key_gets_each_row_back_as_often_as_it_was_there_and_not_again(place: Place) -> None:
    place = keyless(place)
    place.archive()
    part = restored(place, hours_ago(60), hours_ago(60 - 4 / 60))
    assert part.restored == 8
    rest = restored(place)
    assert (rest.restored, rest.already) == (12, 8)
    again = restored(place)
    assert (again.restored, again.already) == (0, 20)
    assert differences(place) == []


def test_without_a_key_and_a_ledger_nothing_is_put_back_into_the_table_itself(place: Place) -> None:
    place = keyless(place)
    place.archive()
    place.sql("DROP SCHEMA archiver CASCADE")
    result = restored(place)
    assert result.restored == 0
    with pytest.raises(Unfinished, match="no ledger says"):
        result.refuse_failures()
    assert restored(place, into="public.copy").restored == 20
    assert differences(place, "public.copy") == []


@pytest.mark.parametrize("filled", [lambda place: events(place, rows=120), lambda place: keyless(place, rows=70)])
def test_a_restore_cut_off_between_two_objects_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, filled: Callable[[Place], Place]
) -> None:
    place = filled(place)
    rows = place.live().total()
    place.archive()
    first = iter([Sources.describe])

    def cut(sources: Sources, *arguments: Any) -> Any:
        return next(first)(sources, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Sources, "describe", cut)
        with pytest.raises(StopIteration):
            restored(place)
    assert 0 < place.live().total() < rows
    assert restored(place).failures == []
    assert differences(place) == []


def test_a_dry_run_says_what_would_happen_and_changes_nothing(place: Place) -> None:
    events(place)
    place.archive()
    place.sql("INSERT INTO analytics.events OVERRIDING SYSTEM VALUE SELECT * FROM public.before WHERE id < 4")
    rehearsed = restored(place.ordered(dry_run=True))
    assert place.live().total() == 3
    assert place.sql("SELECT count(*) FROM archiver.restores") == [(0,)]
    assert restored(place.ordered(dry_run=True), into="public.copy").restored == 25
    assert place.sql("SELECT to_regclass('public.copy')") == [(None,)]
    result = restored(place)
    assert replace(rehearsed, dry_run=False, held=result.held) == result
    assert rehearsed.held == "the archive would leave them there for 7 days"
    assert result.held.startswith("the archive leaves them there until ")


def test_a_dry_run_never_says_that_it_restored_anything(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    events(place)
    place.archive()
    with caplog.at_level("INFO"):
        rehearsed = restored(place.ordered(dry_run=True))
    assert "object 1 of 1, " in caplog.text
    assert "25 of 25 rows would be restored" in caplog.text
    assert "25 rows would be restored into analytics.events, of 25 read from 1 object" in caplog.text
    assert "restored" not in caplog.text.replace("would be restored", "")
    assert "restored" not in rehearsed.as_dict()
    assert rehearsed.as_dict()["would_be_restored"] == 25
    rehearsed.failures.append("a hole")
    with pytest.raises(Unfinished, match=r"1 object\(s\) would not be restored, everything else would be: a hole"):
        rehearsed.refuse_failures()
    with caplog.at_level("INFO"):
        result = restored(place)
    assert result.as_dict()["restored"] == 25
    assert "25 of 25 rows restored" in caplog.text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hold_days": 0}, "hold_days is 0, so the next run of the archive may delete them again"),
        ({"into": "public.copy"}, "the archive of this table does not concern them there"),
    ],
)
def test_the_log_says_what_becomes_of_rows_that_are_not_held(
    place: Place, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], words: str
) -> None:
    events(place)
    place.archive()
    with caplog.at_level("INFO"):
        restored(place, **settings)
    assert words in caplog.text
    assert f"come back into {settings.get('into', 'analytics.events')}; {words}" in caplog.text


def test_a_key_that_arrives_while_rows_are_on_their_way_is_left_alone(place: Place) -> None:
    """The count is taken before the insert; what comes in between still cannot be overwritten or break the restore."""
    events(place, rows=1)
    place.archive()
    place.sql(
        "CREATE FUNCTION public.twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF pg_trigger_depth() = 1 THEN INSERT INTO analytics.events OVERRIDING SYSTEM VALUE"
        " VALUES (NEW.id, NEW.triggered_at, 'first', NULL); END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER twice BEFORE INSERT ON analytics.events FOR EACH ROW EXECUTE FUNCTION public.twice()"
    )
    result = restored(place)
    assert (result.restored, result.skipped) == (0, 1)
    assert result.notes == ["insert triggers fire: twice"]


def test_the_role_needs_the_right_to_insert(place: Place) -> None:
    events(place)
    place.archive()
    reader = place.as_role("reader", "USAGE ON SCHEMA analytics, archiver", "SELECT ON analytics.events")
    reader.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA archiver TO {reader.role}")
    with pytest.raises(TableRefused, match=r"may not INSERT on analytics\.events"):
        restored(reader)
    with pytest.raises(Refused, match="INSERT and UPDATE"):
        restored(reader, on_conflict="newest")
