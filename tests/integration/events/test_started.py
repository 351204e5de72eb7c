"""What the tests' own workers do when a test fails."""

from __future__ import annotations

import pytest

from tests.support.concurrency import until
from tests.support.event_place import EventPlace


def test_a_worker_does_not_outlive_a_test_that_fails(events: EventPlace) -> None:
    def fail() -> None:
        with events.start() as process:
            until(lambda: bool(events.sql("SELECT 1 FROM archiver.workers")))
            assert process.poll() is None
            raise AssertionError("red")

    with pytest.raises(AssertionError, match="red"):
        fail()
    until(lambda: events.sql("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE %s", "%events%") == [])
