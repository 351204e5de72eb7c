"""Events as functions get them: numbers of a key are exact, and what Python cannot read is an error of that event."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pg_archiver.events.making import make_event
from tests.support.claimed_events import claimed


def test_numbers_of_a_key_are_exact_and_those_of_a_payload_are_pythons() -> None:
    number = "12345678901234567890.120"
    event = make_event(
        claimed(key=f'{{"id": {number}}}', old_key='{"id": 1.10}', payload="[1.5, null]", config='{"rate": 0.5}')
    )
    assert event.key == {"id": Decimal(number)}
    assert event.old_key == {"id": Decimal("1.10")}
    assert (event.payload, event.config) == ([1.5, None], {"rate": 0.5})
    assert type(event.config["rate"]) is float


def test_of_several_that_are_one_the_last_one_speaks() -> None:
    event = make_event(claimed(id=7, merged_ids=(8, 9), attempts=2, channel="/q", source=None))
    assert (event.id, event.merged, event.attempt, event.channel, event.table) == (9, 3, 3, "/q", None)


@pytest.mark.parametrize("name", ["key", "old_key", "payload", "config"])
@pytest.mark.parametrize(("text", "error"), [("[" * 100_000 + "]" * 100_000, RecursionError), ("9" * 5000, ValueError)])
def test_what_python_cannot_read_is_an_error(name: str, text: str, error: type[Exception]) -> None:
    changes: dict[str, Any] = {name: text}
    with pytest.raises(error):
        make_event(claimed(**changes))
