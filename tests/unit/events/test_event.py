"""Snooze and Discard take what can be meant, and an event has what a test does not care to say."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from pg_archiver.events import Discard, Event, Snooze


def test_an_event_has_what_a_test_does_not_care_to_say() -> None:
    event = Event(operation="UPDATE", table="app.input", key={"id": 7})
    assert (event.key["id"], event.topic, event.attempt, event.merged, event.payload) == (7, "", 1, 1, None)
    assert event.queued_at.tzinfo
    with pytest.raises(FrozenInstanceError):
        event.id = 2  # type: ignore[misc]


@pytest.mark.parametrize("seconds", [0, 60, 0.5, 366 * 86_400])
def test_a_snooze_is_a_number_of_seconds(seconds: float) -> None:
    assert Snooze(seconds).seconds == seconds


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "60", None, True, 366 * 86_400 + 1])
def test_what_is_none_is_an_error_of_the_function(seconds: Any) -> None:
    with pytest.raises(ValueError, match="Snooze takes"):
        Snooze(seconds)


def test_a_discard_says_why() -> None:
    assert Discard("gone").reason == "gone"
