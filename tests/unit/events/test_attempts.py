"""How long a failed event waits: e to the number of its failures, 6 hours at most, and never all of them alike."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from pg_archiver.events.attempts import JITTER, wait_before
from tests.faults.chance import seeded


@pytest.mark.parametrize("attempt", [1, 2, 5, 10, 11, 30_000])
def test_it_waits_about_e_to_that_power(attempt: int) -> None:
    chance, middle = seeded(str(attempt)), math.exp(min(attempt, 10))
    waits = [wait_before(attempt, chance).total_seconds() for _ in range(200)]
    assert min(waits) >= middle * (1 - JITTER)
    assert max(waits) <= middle * (1 + JITTER)
    assert max(waits) - min(waits) > middle * JITTER
    assert max(waits) < timedelta(hours=7).total_seconds()
