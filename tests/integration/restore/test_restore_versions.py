"""Of several versions the newest comes back, whatever clocks said: the server's own numbers tell which that is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pg_archiver.objects.object_keys import manifest_key
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import restored


def versions(place: Place, *hours: float) -> Place:
    """One row, archived in one version after the other, each at the hour that is named for it."""
    place.sql(EVENTS)
    for number, hour in enumerate(hours):
        place.sql(
            "INSERT INTO analytics.events OVERRIDING SYSTEM VALUE VALUES (1, %s, %s, NULL)",
            hours_ago(hour),
            f"version {number}",
        )
        place.archive()
    return place


def server_said(place: Place, generation_of: dict[int, dict[str, Any]]) -> None:
    """Rewrites what the server said at each export, in the ledger and in S3."""
    place.sql("SET archiver.ledger_version = '3'")
    rows = place.sql("SELECT id, object_key, manifest FROM archiver.windows WHERE manifest IS NOT NULL ORDER BY id")
    for number, (identifier, key, manifest) in enumerate(rows):
        manifest["server"] |= generation_of.get(number, {})
        place.sql("UPDATE archiver.windows SET manifest = %s WHERE id = %s", json.dumps(manifest), identifier)
        place.write(manifest_key(key), json.dumps(manifest).encode())


def name(place: Place) -> str:
    return str(place.sql("SELECT name FROM analytics.events")[0][0])


LEDGER = pytest.mark.parametrize("ledger", [True, False], ids=["ledger", "ledger lost"])


def brought_back(place: Place, *, ledger: bool) -> str:
    if not ledger:
        place.sql("DROP SCHEMA archiver CASCADE")
    result = restored(place)
    assert (result.restored, result.superseded, result.failures) == (1, result.objects - 1, [])
    return name(place)


@LEDGER
@pytest.mark.parametrize("hours", [(60, 60), (60, 70), (70, 60)])
def test_a_clock_that_went_back_changes_nothing(place: Place, hours: tuple[float, float], ledger: bool) -> None:
    place = versions(place, *hours)
    server_said(place, {0: {"read_at": "2026-01-02T00:00:00Z"}, 1: {"read_at": "2026-01-01T00:00:00Z"}})
    assert brought_back(place, ledger=ledger) == "version 1"


@LEDGER
@pytest.mark.parametrize("hours", [(60, 60), (60, 70), (70, 60)])
def test_a_server_brought_back_to_an_earlier_time_counts_on_from_there_in_a_new_timeline(
    place: Place, hours: tuple[float, float], ledger: bool
) -> None:
    place = versions(place, *hours)
    server_said(place, {0: {"timeline": 1, "snapshot": "900:900:"}, 1: {"timeline": 2, "snapshot": "800:800:"}})
    assert brought_back(place, ledger=ledger) == "version 1"


@LEDGER
def test_of_one_window_a_later_generation_is_newer_whatever_the_numbers_say(place: Place, ledger: bool) -> None:
    place = versions(place, 60, 60, 60)
    server_said(
        place,
        {0: {"timeline": None, "snapshot": "900:900:"}, 1: {"timeline": None, "snapshot": "700:700:"},
         2: {"timeline": None, "snapshot": "800:800:"}},
    )  # fmt: skip
    assert brought_back(place, ledger=ledger) == "version 2"


@LEDGER
@pytest.mark.parametrize("hours", [(60, 70), (70, 60)])
def test_between_servers_the_clock_decides(place: Place, hours: tuple[float, float], ledger: bool) -> None:
    place = versions(place, *hours)
    server_said(
        place,
        {
            0: {"system_identifier": "1", "snapshot": "900:900:", "read_at": "2026-01-01T00:00:00Z"},
            1: {"system_identifier": "2", "snapshot": "5:5:", "read_at": "2026-01-02T00:00:00Z"},
        },
    )
    assert brought_back(place, ledger=ledger) == "version 1"


@LEDGER
@pytest.mark.parametrize("hours", [(60, 70), (70, 60)])
def test_servers_that_do_not_say_who_they_are_may_be_different_ones(
    place: Place, hours: tuple[float, float], ledger: bool
) -> None:
    place = versions(place, *hours)
    server_said(
        place,
        {
            0: {"system_identifier": None, "snapshot": "900:900:", "read_at": "2026-01-01T00:00:00Z"},
            1: {"system_identifier": None, "snapshot": "5:5:", "read_at": "2026-01-02T00:00:00Z"},
        },
    )
    assert brought_back(place, ledger=ledger) == "version 1"


def test_an_older_version_in_the_span_of_a_row_that_has_moved_out_of_it_does_not_come_back(place: Place) -> None:
    place = versions(place, 60, 60 - 0.5)
    result = restored(place, hours_ago(60), hours_ago(60 - 0.25))
    assert (result.restored, result.outside, result.superseded) == (0, 1, 1)
