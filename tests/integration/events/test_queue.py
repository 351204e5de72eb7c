"""The queue itself, by the calls of a worker: what it hands out, what becomes of it, and what is told of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from pg_archiver.errors import DatabaseInterrupted
from pg_archiver.ledger.event_queue import LaneScan, Recovered
from pg_archiver.ledger.migrations import EVENTS, list_migrations
from pg_archiver.ledger.version_events import VersionEvents
from tests.support.concurrency import until
from tests.support.events import CHANNEL, Events, Lane, numbers, open_lane
from tests.support.place import Place

LAST = "turn = (SELECT max(turn) FROM archiver.events)"


@pytest.fixture
def queue(place: Place) -> Iterator[Events]:
    """A place with a channel of which the field `t` of a message is the topic."""
    with Events.of(place) as events:
        events.open_channel()
        yield events


def binding(queue: Events, **settings: Any) -> None:
    """Changes the settings of the binding of the channel."""
    given = ", ".join(f"{name} = %s" for name in settings)
    queue.place.sql(f"UPDATE archiver.bindings SET {given}", *settings.values())


def die_with_all_in_hand(lane: Lane, worker: int, expected: list[int]) -> None:
    """Claims these, and loses the session, as when the process is gone."""
    with lane.functions.batch():
        claimed = lane.claim()
        assert numbers(claimed) == expected
        lane.notes.note_in_hand(worker, claimed)
        lane.functions.connection.close()


def recover(queue: Events) -> Recovered:
    """What the first look that finds dead workers says: their sessions end a moment after their connections."""
    found: list[Recovered] = []

    def look() -> bool:
        found.append(queue.lane.notes.recover_workers())
        return found[-1].workers > 0

    until(look)
    return found[-1]


def test_a_topic_comes_in_order_and_a_later_one_only_behind_the_earlier(queue: Events) -> None:
    queue.send(1, 2, 3)
    with open_lane(queue.place, "another") as other, queue.lane.functions.batch():
        first = queue.lane.claim(1)
        assert numbers(first) == [1]
        # The rest of the topic is behind one that somebody has in hand.
        assert other.look() == []
        queue.lane.complete(*first)
    assert numbers(queue.lane.work_off()) == [2, 3]


def test_what_was_begun_before_and_committed_later_comes_later_and_is_not_passed_over(queue: Events) -> None:
    send = 'SELECT archiver.send(%s, \'{"n": 1, "t": "t"}\')'
    scan = LaneScan(0, 1, ["copy"])
    with queue.place.server.connect(queue.place.database, autocommit=False) as slow:
        slow.execute(send.encode(), [CHANNEL])
        queue.send(2)
        with queue.lane.functions.batch():
            claimed = queue.lane.claim(scan=scan)
            assert numbers(claimed) == [2]
            queue.lane.complete(*claimed)
        for _ in range(3):
            queue.take_in()
        slow.commit()
    queue.take_in()
    with queue.lane.functions.batch():
        # Behind the place that the scan had reached.
        assert numbers(queue.lane.claim(scan=scan)) == [1]


def test_what_the_newest_transaction_writes_while_others_are_taken_in_is_not_passed_over(queue: Events) -> None:
    queue.take_in()
    with queue.place.server.connect(queue.place.database, autocommit=False) as newest:
        # No transaction after it has ended when the horizon is noted.
        newest.execute("SELECT archiver.send(%s, '{}')", [CHANNEL])
        for _ in range(3):
            queue.take_in()
        newest.commit()
    assert queue.take_in() == 1


def test_merged_events_are_one_that_says_what_the_last_said(queue: Events) -> None:
    queue.place.sql("CREATE TABLE public.orders (id int PRIMARY KEY, note text)")
    queue.watch("public.orders", payload_columns=["note"], merge=True, topic=".id")
    queue.place.sql("INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
    queue.place.sql("UPDATE orders SET note = 'c' WHERE id = 1")
    queue.place.sql("UPDATE orders SET note = 'd' WHERE id = 1")
    queue.take_in()
    found = queue.lane.work_off()
    assert [(one.key, one.payload, one.merged) for one in found] == [
        ('{"id": 1}', '{"note": "d"}', 3),
        ('{"id": 2}', '{"note": "b"}', 1),
    ]
    assert queue.queued() == []


def notes_of_one_row(queue: Events, *notes: str) -> None:
    """Writes one row of a watched table again and again, and takes in what that leaves."""
    for note in notes:
        queue.place.sql(
            "INSERT INTO orders VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET note = excluded.note RETURNING id", note
        )
        queue.take_in()


def work_all_off(queue: Events) -> list[Any]:
    """What the functions are told of the row, in order."""
    told = []
    while found := queue.lane.work_off(1):
        told += [json.loads(one.payload or "{}")["note"] for one in found]
    return told


@pytest.mark.parametrize("left_out", ["locked", "waits"])
def test_merged_events_step_over_none_of_their_key(queue: Events, left_out: str) -> None:
    queue.place.sql("CREATE TABLE public.orders (id int PRIMARY KEY, note text)")
    queue.watch("public.orders", payload_columns=["note"], merge=True, topic=".id")
    notes_of_one_row(queue, "a")
    with open_lane(queue.place, "another") as other, other.functions.batch():
        with queue.lane.functions.batch():
            assert len(queue.lane.claim(1)) == 1
            notes_of_one_row(queue, "b")
            if left_out == "locked":
                # It is not in order, and stays locked until the other's batch ends.
                assert other.claim() == []
            else:
                queue.place.sql(f"UPDATE archiver.events SET available_at = now() + interval '1 hour' WHERE {LAST}")
        notes_of_one_row(queue, "c")
        told = work_all_off(queue)
    queue.ripen()
    assert told + work_all_off(queue) == ["a", "c"]


def test_after_three_deaths_alone_it_is_dead_and_its_topic_goes_on(queue: Events) -> None:
    queue.send(1, 2)
    queue.send(3, topic="other")
    for death in range(3):
        with open_lane(queue.place, "dies") as dying:
            worker = dying.queue.begin_worker("here", None, 0)
            with pytest.raises(DatabaseInterrupted):
                die_with_all_in_hand(dying, worker, [1, 2, 3] if death == 0 else [1])
        recovered = recover(queue)
        assert (recovered.workers, recovered.dead_events) == (1, int(death == 2))
    assert [reason for _, reason in queue.dead()] == ["its worker died 3 times while it had this in hand"]
    left = []
    while found := queue.lane.work_off():
        assert len(found) == 1
        left += numbers(found)
    assert left == [2, 3]


def test_two_that_look_at_the_same_dead_worker_count_it_once(queue: Events) -> None:
    queue.send(1)
    with open_lane(queue.place, "dies") as dying:
        worker = dying.queue.begin_worker("here", None, 0)
        with dying.functions.batch():
            dying.notes.note_in_hand(worker, dying.claim())
    assert recover(queue).workers == 1
    assert queue.lane.notes.recover_workers().workers == 0
    assert queue.queued("crashes") == [(1,)]


def test_dead_events_come_back_at_the_end_as_if_they_were_new(queue: Events) -> None:
    binding(queue, max_attempts=1)
    queue.send(1, 2)
    with queue.lane.functions.batch():
        (first, *_) = queue.lane.claim()
        assert queue.lane.fail(first) == "dead"
    ((number,),) = queue.place.sql("SELECT binding_id FROM archiver.bindings")
    assert queue.upkeep.retry_dead(number, [first.id]) == 1
    assert queue.upkeep.retry_dead(number) == 0
    found = queue.lane.work_off()
    assert numbers(found) == [2, 1]
    assert [one.attempts for one in found] == [0, 0]


@pytest.mark.parametrize(("log", "kept"), [("none", []), ("errors", [False]), ("all", [False, True])])
def test_the_log_has_what_its_binding_says(queue: Events, log: str, kept: list[bool]) -> None:
    binding(queue, log=log)
    queue.send(1)
    with queue.lane.functions.batch():
        (event,) = queue.lane.claim()
        assert queue.lane.fail(event, "it failed") == "later"
    queue.ripen()
    assert len(queue.lane.work_off()) == 1
    assert [succeeded for (succeeded,) in queue.log("succeeded")] == kept


def test_what_is_older_than_its_binding_keeps_it_is_pruned_and_nothing_else(queue: Events) -> None:
    binding(queue, log="all", max_attempts=1, keep_log="1 day", keep_dead="2 days")
    queue.send(1, 2, topic="a")
    queue.send(3, topic="b")
    with queue.lane.functions.batch():
        events = queue.lane.claim()
        queue.lane.complete(*events[:2])
        queue.lane.fail(events[2])
    assert queue.upkeep.prune() == 0
    queue.place.sql("UPDATE archiver.event_log SET started_at = now() - interval '25 hours' WHERE event_id = 1")
    queue.place.sql("UPDATE archiver.dead_events SET died_at = now() - interval '47 hours'")
    assert queue.upkeep.prune() == 1
    assert [event for event, _ in queue.log()] == [2, 3]
    queue.place.sql("UPDATE archiver.dead_events SET died_at = now() - interval '49 hours'")
    assert queue.upkeep.prune() == 1
    assert queue.dead() == []


def test_a_binding_that_ended_goes_with_its_last_event(queue: Events) -> None:
    queue.send(1)
    ((number,),) = queue.place.sql("SELECT binding_id FROM archiver.bindings")
    queue.place.sql("SELECT archiver.unwatch(%s)", number)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="has no binding"):
        queue.send(2)
    queue.place.sql("UPDATE archiver.bindings SET removed_at = now() - interval '2 hours'")
    assert queue.upkeep.prune() == 0
    assert numbers(queue.lane.work_off()) == [1]
    assert queue.upkeep.prune() == 1
    assert queue.place.sql("SELECT FROM archiver.bindings") == []


def test_what_is_discarded_with_its_binding_is_gone(queue: Events) -> None:
    queue.send(1)
    ((number,),) = queue.place.sql("SELECT binding_id FROM archiver.bindings")
    queue.place.sql("SELECT archiver.unwatch(%s, discard => true)", number)
    assert queue.lane.look() == []
    assert queue.upkeep.survey().waiting == 0


def test_with_too_many_waiting_nothing_more_is_noted_and_what_waits_is_worked_off(queue: Events) -> None:
    binding(queue, max_waiting=2)
    queue.send(1, 2)
    assert queue.upkeep.suspend_overfull() == []
    queue.send(3)
    (row,) = queue.upkeep.suspend_overfull()
    assert (row.watched, row.max_waiting) == (CHANNEL, 2)
    queue.send(4)
    assert numbers(queue.lane.work_off()) == [1, 2, 3]
    queue.place.sql("UPDATE archiver.bindings SET suspended_at = NULL WHERE binding_id = %s", row.binding_id)
    queue.send(5)
    assert numbers(queue.lane.work_off()) == [5]


def test_the_status_says_how_each_event_stands(queue: Events) -> None:
    binding(queue, max_attempts=2)
    queue.send(1, 2, topic="a")
    queue.send(3, topic="b")
    queue.place.sql('SELECT archiver.send(%s, \'{"n": 4, "t": "c"}\')', CHANNEL)
    worker = queue.lane.queue.begin_worker("here", "run 7", 0)
    with queue.lane.functions.batch():
        first, _, third = queue.lane.claim()
        queue.lane.notes.note_in_hand(worker, [third])
        queue.lane.fail(first)
        assert queue.status("state, airflow_run_id", third.id) == [("running", "run 7")]
        assert (third.id, "running", "run 7") in queue.status("event_id, state, airflow_run_id")
    queue.lane.notes.note_in_hand(worker, [])
    assert queue.status() == [("delayed", 1), ("blocked", 2), ("waiting", 3), ("waiting", 4)]
    queue.ripen()
    with queue.lane.functions.batch():
        queue.lane.fail(queue.lane.claim(1)[0])
    assert queue.status(event_id=first.id) == [("dead", None)]
    assert queue.status(event_id=4711) == []


def test_events_of_a_refused_job_wait_and_other_jobs_of_its_function_go_on(queue: Events) -> None:
    refused = queue.add_job("copy too")
    queue.open_channel(channel="/other", job="copy too")
    queue.place.sql(
        "INSERT INTO archiver.job_state (job_id, database_name, definition, state)"
        " VALUES (%s, current_database(), 'x', 'refused')",
        refused,
    )
    queue.send(1, channel="/other")
    queue.send(2)
    assert numbers(queue.lane.work_off()) == [2]
    queue.place.sql("UPDATE archiver.job_state SET state = 'idle'")
    assert numbers(queue.lane.work_off()) == [1]


def test_a_worker_is_sent_for_once_a_second_and_not_while_one_is_at_work(queue: Events) -> None:
    at_work = "SELECT pg_advisory_lock_shared(hashtextextended('archiver events at work', 0))"
    with queue.place.server.connect(queue.place.database) as listening:
        listening.execute("LISTEN archiver_events")
        # Each by a session that has asked nobody yet.
        for number in range(5):
            with queue.place.server.connect(queue.place.database) as connection:
                connection.execute("SELECT archiver.send(%s, %s)", [CHANNEL, f'{{"n": {number}}}'])
        assert len(list(listening.notifies(timeout=0.5))) == 1
        queue.place.sql("SELECT pg_sleep(1.1)")
        with queue.place.server.connect(queue.place.database) as worker:
            worker.execute(at_work.encode())
            queue.send(21)
            assert list(listening.notifies(timeout=0.5)) == []
        queue.place.sql("SELECT pg_sleep(1.1)")
        queue.send(22)
        assert len(list(listening.notifies(timeout=0.5))) == 1


def test_whoever_may_claim_may_after_an_upgrade(queue: Events) -> None:
    queue.place.sql('DROP ROLE IF EXISTS "may claim"; CREATE ROLE "may claim"')
    queue.place.sql('GRANT EXECUTE ON FUNCTION archiver.claim_events TO "may claim"')
    (script,) = [path for number, path in list_migrations(EVENTS) if number == 12]
    with queue.session.transaction():
        queue.session.run_script(script.read_text(encoding="utf-8"))
    may = "SELECT has_function_privilege(%s, oid, 'EXECUTE') FROM pg_proc WHERE proname = 'claim_events'"
    assert queue.place.sql(may, "may claim") == [(True,)]
    assert queue.place.sql(may, "public") == [(False,)]
    queue.place.sql('DROP OWNED BY "may claim"; DROP ROLE "may claim"')


def test_whoever_may_watch_may_after_an_upgrade(queue: Events) -> None:
    queue.place.sql('DROP ROLE IF EXISTS "may watch"; CREATE ROLE "may watch"')
    queue.place.sql("DROP FUNCTION archiver.find_versions_job, archiver.is_table_of")
    queue.place.sql('GRANT EXECUTE ON FUNCTION archiver.find_function_job TO "may watch"')
    (script,) = [path for number, path in list_migrations(EVENTS) if number == 13]
    with queue.session.transaction():
        queue.session.run_script(script.read_text(encoding="utf-8"))
    may = (
        "SELECT DISTINCT has_function_privilege(%s, oid, 'EXECUTE') FROM pg_proc"
        " WHERE proname IN ('find_versions_job', 'is_table_of')"
    )
    assert queue.place.sql(may, "may watch") == [(True,)]
    assert queue.place.sql(may, "public") == [(False,)]
    queue.place.sql('DROP OWNED BY "may watch"; DROP ROLE "may watch"')


def test_a_worker_works_on_tables_that_are_older_than_it(queue: Events) -> None:
    queue.send(1)
    (script,) = [path for number, path in list_migrations(EVENTS) if number == 6]
    queue.place.sql("DROP FUNCTION archiver.claim_events, archiver.is_table_of")
    with queue.session.transaction():
        queue.session.run_script(script.read_text(encoding="utf-8"))
    # They know of no job that keeps versions.
    assert VersionEvents(queue.session).list_bound() == []
    assert numbers(queue.lane.work_off()) == [1]
