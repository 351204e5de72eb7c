"""Objects that are not where the policy says by now are found by the ledger; holes are told, and never passed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pg_archiver.errors import Busy, DatabaseInterrupted, Unfinished
from pg_archiver.ledger.locks import window_lock
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, events, keyless, restored

MADE: list[Callable[[Place], Place]] = [events, keyless]


def with_bucket(place: Place, bucket: str) -> Place:
    return replace(place.ordered(bucket=bucket), bucket=bucket)


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("change", ["bucket", "prefix", "no such bucket"])
def test_after_a_change_of_bucket_or_prefix_everything_comes_back(
    place: Place, make: Callable[[Place], Place], change: str
) -> None:
    place = make(place)
    rows = place.live().total()
    place.archive()
    if change == "prefix":
        changed = place.ordered(prefix="v2")
    else:
        changed = with_bucket(place, f"{place.bucket}-new")
        if change == "bucket":
            place.client.create_bucket(Bucket=f"{place.bucket}-new")
    result = restored(changed)
    assert result.restored == rows
    assert differences(place) == []
    if change == "no such bucket":
        with pytest.raises(Unfinished, match="does not exist"):
            result.refuse_failures()
    else:
        assert result.failures == []


def test_a_ledger_made_again_from_manifests_finds_objects_below_another_prefix_too(place: Place) -> None:
    events(place)
    place.archive()
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET rebuilt_at = now(), state = 'void', deleted_upto = 0, deleted_rows = 0")
    assert restored(place.ordered(prefix="v2")).restored == 25
    assert differences(place) == []


def test_a_bucket_that_is_not_the_archive_s_and_no_ledger_is_nothing_found(place: Place) -> None:
    events(place)
    place.archive()
    place.sql("DROP SCHEMA archiver CASCADE")
    place.client.create_bucket(Bucket=f"{place.bucket}-other")
    assert restored(with_bucket(place, f"{place.bucket}-other")).found_nothing
    missing = restored(with_bucket(place, f"{place.bucket}-missing"))
    with pytest.raises(Unfinished, match="does not exist"):
        missing.refuse_failures()


def test_objects_that_are_gone_are_told_and_the_others_come_back(place: Place) -> None:
    events(place, rows=150)
    place.archive()
    gone = place.data_keys()[1]
    place.remove(gone)
    result = restored(place)
    assert result.restored == 90
    with pytest.raises(Unfinished, match=f"{gone}: object .* is no longer there"):
        result.refuse_failures()


def test_an_hour_of_which_everything_is_gone_is_told(place: Place) -> None:
    events(place)
    place.archive()
    for key in place.keys():  # noqa: SIM118 (it is a method)
        place.remove(key)
    result = restored(place)
    assert (result.restored, len(result.failures)) == (0, 1)


def test_a_year_mistyped_is_told_with_what_there_is(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    result = restored(place, hours_ago(24 * 365 + 60), hours_ago(24 * 365))
    assert result.found_nothing
    assert result.notes == [
        f"no archived object of this table overlaps the span; by the ledger rows left it from {hours_ago(60)} "
        f"to {hours_ago(59)}"
    ]


def test_what_a_person_put_there_is_told_and_passed_over(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    (key,) = place.data_keys()
    folder, _, _ = key.rpartition("/")
    place.write(f"{folder}/notes.txt", b"mine")
    place.write(f"{folder}/_mine.manifest.json", b"{}")
    result = restored(place)
    assert result.restored == 5
    with pytest.raises(Unfinished, match=r"_mine.manifest.json is not a manifest"):
        result.refuse_failures()


def test_a_window_that_another_run_has_in_hand_keeps_no_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pg_archiver.postgres.session.LOCK_WAIT_SECONDS", 0.1)
    events(place, rows=150)
    place.archive()
    cells = [manifest.cell for manifest in place.manifests()]
    with (
        place.session() as other,
        other.advisory_lock(window_lock(place.order.table, cells[1]), "the window"),
    ):
        with pytest.raises(Busy, match="1 object could not be locked, everything else was done"):
            restored(place)
        assert place.live().total() == 90
    assert restored(place).restored == 60
    assert differences(place) == []


def test_a_bucket_that_refuses_is_told_by_the_object(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET bucket = 'no-such-bucket'")
    for key in place.keys():  # noqa: SIM118 (it is a method)
        place.remove(key)
    result = restored(place)
    with pytest.raises(Unfinished, match="no-such-bucket"):
        result.refuse_failures()


def test_a_disk_that_is_full_half_way_ends_the_restore_and_another_try_brings_the_rest(place: Place) -> None:
    place = keyless(place, rows=150)
    place.archive()
    place.sql(
        "CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.note = 'note 70' THEN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END IF;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER full_disk BEFORE INSERT ON public.notes FOR EACH ROW EXECUTE FUNCTION public.full()"
    )
    with pytest.raises(DatabaseInterrupted):
        restored(place)
    assert place.live().total() == 60
    place.sql("DROP TRIGGER full_disk ON public.notes")
    result = restored(place)
    assert (result.restored, result.already, result.failures) == (240, 60, [])
    assert differences(place) == []


def test_wall_times_that_came_twice_are_in_every_span_that_may_mean_them(place: Place) -> None:
    """Clocks were put back at 03:00: each time from 02:00 on may be of summer or of winter time."""
    place.sql("CREATE TABLE public.notes (id int PRIMARY KEY, at timestamp)")
    place = place.on("public.notes", "at", timezone="Europe/Berlin").with_policy(timezone="Europe/Berlin")
    moments = ["01:30", "02:15", "02:45", "03:30"]
    for number, moment in enumerate(moments):
        place.sql("INSERT INTO public.notes VALUES (%s, %s)", number, f"2025-10-26 {moment}")
    place.archive()
    summer = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    winter = datetime(2025, 10, 26, 1, 30, tzinfo=UTC)

    def back(start: datetime, end: datetime) -> list[str]:
        restored(place, start, end, hold_days=0)
        found = [moments[row[0]] for row in place.sql("SELECT id FROM public.notes ORDER BY id")]
        place.sql("DELETE FROM public.notes")
        return found

    assert back(summer - timedelta(hours=2), summer) == ["01:30", "02:15"]
    assert back(summer, summer + timedelta(hours=5)) == ["02:15", "02:45", "03:30"]
    assert back(summer - timedelta(hours=2), winter) == ["01:30", "02:15", "02:45"]
    assert back(winter, winter + timedelta(hours=5)) == ["02:45", "03:30"]
