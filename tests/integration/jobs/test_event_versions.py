"""Of the keys that have just changed, what newer versions supersede goes at once, by events, and is counted once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from psycopg import errors

from dev.postgres import PostgresServer
from tests.support.concurrency import until
from tests.support.event_versions import JOB, EventDocs
from tests.support.job_place import JobPlace
from tests.support.purges import HOLD

_numbers = count(1)

# What makes a delete unsafe, and what takes it away.
UNSAFE = {
    "CREATE RULE nothing AS ON DELETE TO app.docs DO INSTEAD NOTHING": "DROP RULE nothing ON app.docs",
    "CREATE TABLE app.quotes (d int, v bigint, FOREIGN KEY (d, v) REFERENCES app.docs ON DELETE CASCADE)": (
        "DROP TABLE app.quotes"
    ),
    "ALTER TABLE app.docs ENABLE ROW LEVEL SECURITY": "ALTER TABLE app.docs DISABLE ROW LEVEL SECURITY",
}


@pytest.fixture
def docs(server: PostgresServer) -> Iterator[EventDocs]:
    with EventDocs.made(server, f"event_versions_{next(_numbers)}") as made:
        yield made


def test_versions_of_just_the_keys_that_changed_go_and_are_counted(docs: EventDocs) -> None:
    docs.put(5, 5)
    docs.ready()
    # Two keys change; what is superseded of the others waits for the job's schedule.
    docs.put(2, 2, first=6)
    docs.work()
    assert docs.all_left() == {1: [5, 6, 7], 2: [5, 6, 7]} | {key: [1, 2, 3, 4, 5] for key in (3, 4, 5)}
    assert docs.counted() == (2, 8, "4")
    assert docs.waiting() == 0
    stats = (
        "SELECT action, subject, total_keys, total_rows, total_bytes > 0 FROM archiver.job_stats WHERE job_name = %s"
    )
    assert docs.sql(stats, JOB) == [("delete", "app.docs", 2, 8, True)]


def test_all_that_waits_of_a_key_is_one(docs: EventDocs) -> None:
    docs.ready()
    for version in range(1, 31):
        docs.put(2, 1, first=version)
    docs.work()
    assert docs.all_left() == {1: [28, 29, 30], 2: [28, 29, 30]}
    assert docs.counted() == (2, 54, "27")


def test_a_batch_is_a_hundred_keys_and_one_savepoint(docs: EventDocs) -> None:
    docs.ready()
    docs.put(250, 4)
    docs.sql("CREATE TABLE app.commits (xid xid8, rows bigint)")
    docs.sql(
        "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
        " INSERT INTO app.commits SELECT pg_catalog.pg_current_xact_id(), pg_catalog.count(*) FROM gone;"
        " RETURN NULL; END $$;"
        "CREATE TRIGGER note AFTER DELETE ON app.docs REFERENCING OLD TABLE AS gone"
        " FOR EACH STATEMENT EXECUTE FUNCTION app.note()"
    )
    docs.work()
    assert [rows for (rows,) in docs.sql("SELECT rows FROM app.commits ORDER BY xid")] == [100, 100, 50]
    assert len(docs.sql("SELECT DISTINCT xid FROM app.commits")) == 3
    assert docs.counted() == (250, 250, "1")


def test_fewer_keys_are_collected_for_fifty_milliseconds(docs: EventDocs) -> None:
    docs.ready()
    docs.put(3, 5)
    with docs.opened() as own:
        docs.take_in(own)
        # Of a moment that is yet to come, whatever the machine's pace.
        docs.sql("UPDATE archiver.events SET queued_at = clock_timestamp() + interval '1 minute'")
        assert own.run_batch()
        assert docs.waiting() == 15
        docs.sql("UPDATE archiver.events SET queued_at = clock_timestamp() - interval '51 milliseconds'")
        assert own.run_batch()
        assert docs.waiting() == 0
        # A hundred of them wait for nobody.
        docs.put(100, 1, first=6)
        docs.take_in(own)
        docs.sql("UPDATE archiver.events SET queued_at = clock_timestamp() + interval '1 minute'")
        assert own.run_batch()
        assert docs.waiting() == 0


def test_a_key_of_more_versions_than_a_batch_takes_is_looked_at_again(docs: EventDocs) -> None:
    docs.put(1, 50)
    docs.ready(batch_size=10)
    docs.put(1, 1, first=51)
    docs.work()
    assert docs.left() == [49, 50, 51]
    assert docs.counted() == (1, 48, "48")


def test_what_somebody_has_locked_is_looked_at_again_and_no_writer_waits(docs: EventDocs) -> None:
    docs.ready()
    docs.put(2, 4)
    with docs.place.server.connect(docs.database) as user:
        user.autocommit = False
        user.execute("SELECT FROM app.docs WHERE doc_id = 1 FOR UPDATE")
        docs.work()
        assert docs.all_left() == {1: [1, 2, 3, 4], 2: [2, 3, 4]}
        user.rollback()
    # Nothing tells of a lock that was given up.
    assert docs.waiting() > 0
    docs.ripen()
    docs.work()
    assert docs.left() == [2, 3, 4]
    assert docs.waiting() == 0
    assert docs.counted()[1] == 2


def test_floors_bounds_and_days_hold_here_too(docs: EventDocs) -> None:
    docs.sql("CREATE TABLE app.consumers (position int); INSERT INTO app.consumers VALUES (2)")
    docs.grant("SELECT ON app.consumers")
    docs.ready(floors=["app.consumers.position"])
    docs.put(1, 10)
    docs.work()
    assert docs.left() == list(range(2, 11))
    docs.sql("TRUNCATE app.consumers")
    docs.put(1, 1, first=11)
    docs.work()
    assert docs.left() == list(range(2, 12))
    docs.sql("INSERT INTO app.consumers VALUES (5)")
    docs.put(1, 1, first=12)
    docs.work()
    assert docs.left() == list(range(5, 13))


def test_what_a_restore_holds_stays(docs: EventDocs) -> None:
    docs.ready()
    table = ("app", "docs")
    with docs.place.server.connect(docs.database) as user:
        user.execute("SET archiver.ledger_version = '3'")
        user.execute(HOLD, [*table, *table, "2026-01-01", "2026-01-02", timedelta(days=1)])
    docs.put(1, 5)
    docs.work()
    assert docs.left() == [1, 2, 3, 4, 5]


def refuse(docs: EventDocs, place: JobPlace | None = None) -> None:
    """Asserts that the events wait, and nothing goes."""
    before, waiting = docs.all_left(), docs.waiting()
    assert waiting
    refused = replace(docs, place=place or docs.place)
    with refused.opened() as own:
        refused.take_in(own)
        # None of them waits for others of its batch any more: what may go would go now.
        refused.ripen()
        until(lambda: not own.run_batch())
    assert (docs.all_left(), docs.waiting()) == (before, waiting)
    assert docs.counted()[:2] == (0, 0)


def test_what_the_file_or_a_person_forbids_waits(docs: EventDocs) -> None:
    docs.ready()
    docs.put(1, 5)
    refuse(docs, docs.place.with_settings(actions=()))
    refuse(docs, docs.place.with_settings(approve=docs.place.settings.actions))
    refuse(docs, docs.place.with_settings(grace_minutes=5))
    refuse(docs, docs.place.with_settings(min_keep_days=1))
    refuse(docs, replace(docs.place, stops=["Airflow Variable archive_jobs_paused is true"]))
    docs.work()
    assert docs.left() == [3, 4, 5]


def test_a_job_that_was_not_rehearsed_as_it_is_waits(docs: EventDocs) -> None:
    docs.add()
    docs.watch()
    docs.place.plan(most=0)
    docs.put(1, 5)
    # Nobody is sent to work for it either.
    assert not docs.is_bound()
    refuse(docs)
    docs.rehearse()
    assert docs.is_bound()
    docs.sql("UPDATE archiver.jobs SET config = config || '{\"keep_versions\": 1}'")
    refuse(docs)
    docs.rehearse()
    docs.sql("UPDATE archiver.jobs SET scheduled = false")
    refuse(docs)
    ((closed,),) = docs.sql("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '2 hours', 'HH24')")
    docs.sql("UPDATE archiver.jobs SET scheduled = true, run_window = %s", f"{closed}:00-{closed}:30 UTC")
    docs.rehearse()
    refuse(docs)
    docs.sql("UPDATE archiver.jobs SET run_window = NULL")
    docs.rehearse()
    docs.work()
    assert docs.left() == [5]


def test_a_table_from_which_rows_cannot_go_safely_keeps_them(docs: EventDocs) -> None:
    docs.ready()
    docs.put(1, 5)
    for change, back in UNSAFE.items():
        docs.sql(change)
        refuse(docs)
        docs.sql(back)
    docs.work()
    assert docs.left() == [3, 4, 5]


def test_a_change_of_the_job_counts_before_the_next_batch(docs: EventDocs) -> None:
    docs.ready()
    docs.put(1, 5)
    with docs.opened() as own:
        docs.take_in(own)
        until(own.run_batch)
        until(lambda: docs.waiting() == 0 or not own.run_batch())
        docs.sql("UPDATE archiver.jobs SET config = config || '{\"keep_versions\": 5}'")
        docs.put(1, 3, first=6)
        docs.take_in(own)
        docs.ripen()
        for _ in range(3):
            own.run_batch()
    assert docs.left() == [3, 4, 5, 6, 7, 8]


def test_one_bad_key_keeps_none_of_the_others(docs: EventDocs) -> None:
    docs.ready()
    docs.sql(
        "CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF OLD.doc_id OPERATOR(pg_catalog.=) 2 THEN RAISE EXCEPTION 'not this one'; END IF; RETURN OLD; END $$;"
        "CREATE TRIGGER refuse BEFORE DELETE ON app.docs FOR EACH ROW EXECUTE FUNCTION app.refuse()"
    )
    docs.put(4, 5)
    docs.work()
    assert docs.all_left() == {1: [3, 4, 5], 2: [1, 2, 3, 4, 5], 3: [3, 4, 5], 4: [3, 4, 5]}
    assert docs.counted()[:2] == (3, 6)
    ((attempts,),) = docs.sql("SELECT attempts FROM archiver.events")
    assert attempts == 1


def test_only_the_table_and_the_keys_of_the_job_can_be_watched_for_it(docs: EventDocs) -> None:
    docs.add()
    docs.sql("CREATE TABLE app.others (doc_id int PRIMARY KEY, version bigint)")
    with pytest.raises(
        errors.CheckViolation, match=r"is not the table of job \"docs\"\. Nothing was saved\. Fix: watch"
    ):
        docs.sql("SELECT archiver.watch('app.others', 'docs')")
    with pytest.raises(errors.CheckViolation, match=r"are not those of job \"docs\"\. Nothing was saved\. Fix: leave"):
        docs.watch(key_columns=["doc_id", "version"])
    docs.watch()
    assert docs.sql("SELECT key_columns, topic, queue FROM archiver.bindings") == [(["doc_id"], '."doc_id"', True)]
    docs.sql('UPDATE archiver.jobs SET config = \'{"table": "app.docs", "keep_days": 3}\'')
    with pytest.raises(
        errors.CheckViolation, match=r"which deletes by age alone\. Nothing was saved\. Fix: name a job"
    ):
        docs.watch(operations=["TRUNCATE"])
