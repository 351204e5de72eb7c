"""When an event of a job last ended well: known for jobs that ask `only_if_idle`, whatever their bindings log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from pg_archiver.ledger.event_schedule import EventSchedule
from tests.support.events import Events, open_lane
from tests.support.place import Place

SUCCESSES = "SELECT count(*) FROM archiver.event_successes"


@pytest.fixture
def queue(place: Place) -> Iterator[Events]:
    with Events.of(place) as events:
        yield events


def ran(queue: Events, job: int, minutes: float = 60) -> bool:
    """Whether an event of the job waits or ended well in these minutes."""
    ((now,),) = queue.place.sql("SELECT clock_timestamp()")
    return EventSchedule(queue.session).ran_since(job, now - timedelta(minutes=minutes))


@pytest.mark.parametrize("log", ["none", "errors", "all"])
def test_a_success_is_known_whatever_the_binding_logs(queue: Events, log: str) -> None:
    job = queue.add_job("tidy", only_if_idle=True)
    queue.open_channel(job="tidy", log=log)
    assert not ran(queue, job)
    queue.send(1, 2)
    assert ran(queue, job)
    assert len(queue.lane.work_off()) == 2
    assert ran(queue, job)
    assert queue.place.sql(SUCCESSES) == [(1,)]
    queue.place.sql("UPDATE archiver.event_successes SET started_at = started_at - interval '2 hours'")
    queue.place.sql("DELETE FROM archiver.event_log")
    assert not ran(queue, job)
    assert ran(queue, job, minutes=180)


def test_what_failed_or_was_discarded_is_no_success(queue: Events) -> None:
    job = queue.add_job("tidy", only_if_idle=True)
    queue.open_channel(job="tidy", log="none", max_attempts=1)
    queue.send(1, topic="a")
    queue.send(2, topic="b")
    with queue.lane.functions.batch():
        failed, discarded = queue.lane.claim()
        queue.lane.fail(failed)
        queue.lane.complete(discarded, message="discarded: why")
    assert not ran(queue, job)


def test_of_a_job_that_does_not_ask_nothing_is_written(queue: Events) -> None:
    queue.open_channel()
    queue.send(1)
    assert len(queue.lane.work_off()) == 1
    assert queue.place.sql(SUCCESSES) == [(0,)]


def test_workers_that_succeed_at_once_do_not_wait_for_each_other(queue: Events) -> None:
    job = queue.add_job("tidy", only_if_idle=True)
    queue.open_channel(job="tidy", log="none", topic=".t")
    queue.send(1, topic="a")
    queue.send(2, topic="b")
    with open_lane(queue.place, "another") as other, queue.lane.functions.batch():
        queue.lane.complete(*queue.lane.claim(1))
        # That one is not committed yet.
        assert len(other.work_off()) == 1
    assert ran(queue, job)
    assert queue.place.sql(SUCCESSES) == [(2,)]


def test_the_newest_success_is_kept_and_those_of_a_job_that_is_gone_are_not(queue: Events) -> None:
    job, gone = queue.add_job("tidy", only_if_idle=True), queue.add_job("gone", only_if_idle=True)
    queue.place.sql(
        "INSERT INTO archiver.event_successes SELECT job, now() - make_interval(mins => minute)"
        " FROM unnest(%s::int[]) AS job, generate_series(1, 3) AS minute",
        [job, gone],
    )
    queue.place.sql("DELETE FROM archiver.jobs WHERE job_id = %s", gone)
    assert queue.upkeep.prune() == 5
    assert queue.place.sql(f"{SUCCESSES} WHERE job_id = {job}") == queue.place.sql(SUCCESSES) == [(1,)]
    assert ran(queue, job, minutes=1.5)
