"""Places with events, and with a table of orders that may be watched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.events import ORDERS, PARTITIONED, Events
from tests.support.place import Place

SHAPES = {"plain": ORDERS, "partitioned": PARTITIONED}


@pytest.fixture
def events(place: Place) -> Iterator[Events]:
    with Events.of(place) as events:
        yield events


@pytest.fixture(params=SHAPES)
def orders(request: pytest.FixtureRequest, events: Events) -> Events:
    """A place with a table of orders, a plain one and a partitioned one."""
    events.place.sql(SHAPES[request.param])
    return events
