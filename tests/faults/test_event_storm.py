"""Workers of events and their server that are killed: each event once, in order, and none lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.postgres import PostgresServer
from tests.faults.event_storm import EventStorm
from tests.support.event_place import EventPlace

pytestmark = pytest.mark.more

OPERATIONS = 6_000


@pytest.mark.rare
def test_each_event_is_done_once_in_order_while_workers_and_the_server_are_killed(
    server: PostgresServer, tmp_path: Path
) -> None:
    with EventPlace.made(server, "events_killed", tmp_path) as place:
        storm = EventStorm(place, OPERATIONS, "events", server_kills=0.3)
        verdict = storm.run()
    assert verdict.good, f"{verdict} ({dict(storm.events)})"
    assert verdict.rows >= OPERATIONS
    assert storm.events["workers killed"] > 0
    assert storm.events["servers killed"] > 0
