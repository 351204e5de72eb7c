"""Places for tests of events."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from dev.postgres import PostgresServer
from tests.support.event_place import EventPlace

_numbers = count(1)


@pytest.fixture
def events(server: PostgresServer, tmp_path: Path) -> Iterator[EventPlace]:
    """A database with a queue, and a function that writes what it gets."""
    folder = tmp_path / "functions"
    folder.mkdir()
    with EventPlace.made(server, f"events{next(_numbers)}", folder) as place:
        place.define("writes")
        yield place
