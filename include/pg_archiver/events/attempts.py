"""When a failed event comes again: later after each failure, and never all of them at once."""

from __future__ import annotations

import math
import random
from datetime import timedelta

# Of the time, to either side.
JITTER = 0.13
_MOST_DOUBLINGS = 10


def wait_before(attempt: int, chance: random.Random) -> timedelta:
    """Return how long an event waits after so many failures: e to that power seconds, 6 hours at most, ± 13%."""
    seconds = math.exp(min(attempt, _MOST_DOUBLINGS))
    return timedelta(seconds=seconds * (1 + chance.uniform(-JITTER, JITTER)))
