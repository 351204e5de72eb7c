"""The colour of a run is the truth: whatever failed, was never begun, came back damaged or can never leave is red."""

from __future__ import annotations

import gzip
import threading
from contextlib import suppress

from dev.stack import BUCKET
from tests.acceptance.conftest import HOURS, Tenant, Tenants
from tests.acceptance.ledgers import with_ledger

DUE = HOURS - 48
# A row whose value the server cannot write any more, as after a catalog that was damaged.
UNREADABLE = """
    CREATE TYPE public.mood AS ENUM ('fine', 'lost');
    ALTER TABLE analytics.events ADD mood public.mood DEFAULT 'fine';
    UPDATE analytics.events SET mood = 'lost' WHERE name = 'event 55';
    SET allow_system_table_mods = on;
    DELETE FROM pg_catalog.pg_enum WHERE enumlabel = 'lost'
"""
PARTED = """
    DROP TABLE analytics.events;
    CREATE TABLE analytics.events (id int, triggered_at timestamp NOT NULL) PARTITION BY RANGE (triggered_at);
    CREATE TABLE analytics.old PARTITION OF analytics.events FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
    CREATE FUNCTION public.keep() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'nobody drops tables here'; END $$;
    CREATE EVENT TRIGGER keeping ON ddl_command_start WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION public.keep()
"""
CHAINED = """
    ALTER TABLE analytics.events ADD former int REFERENCES analytics.events;
    CREATE INDEX ON analytics.events (former);
    UPDATE analytics.events SET former = id + 1 WHERE id < 60
"""


def report_error(tenant: Tenant, run_id: str) -> str:
    return tenant.api.task_error(tenant.dag_id, run_id, "analytics-events.report", 1)


def spoil_first_object(tenant: Tenant, stopping: threading.Event) -> None:
    """Changes the bytes of the first data object as soon as it is there."""
    client = tenant.stack.s3.client()
    while not stopping.wait(0.02):
        with suppress(StopIteration, client.exceptions.ClientError):
            key = next(iter(sorted(tenant.data_objects())))
            client.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(b"not what was sent"))
            return


def test_an_object_that_comes_back_damaged_fails_the_run_and_keeps_no_other_window(tenants: Tenants) -> None:
    spoiled = tenants["spoiled"]
    # The first window's object lies in S3 for a while before its export ends.
    with_ledger(spoiled, "BEFORE UPDATE", "PERFORM pg_sleep(4); RETURN NEW;", "NEW.state = 'exported' AND NEW.id = 1")
    stopping = threading.Event()
    spoiling = threading.Thread(target=spoil_first_object, args=(spoiled, stopping))
    spoiling.start()
    try:
        run = spoiled.run()
    finally:
        stopping.set()
        spoiling.join()
    assert run.state == "failed"
    assert [task["state"] for task in run.tasks("window.store")] == ["failed"]
    assert spoiled.count() == HOURS - (len(ledger(spoiled)) - 1)
    damaged = [row for row in ledger(spoiled) if row[1] == "void"]
    assert [(row[2], row[3]) for row in damaged] == [("damaged", 0)]
    assert "generation 1, void: " in report_error(spoiled, run.run_id)
    assert f"window {damaged[0][0]:%Y-%m-%d %H:%M}" in report_error(spoiled, run.run_id)
    again = spoiled.run()
    assert again.state == "success"
    assert spoiled.count() == 48


def ledger(tenant: Tenant) -> list[tuple[object, ...]]:
    return tenant.sql("SELECT span_start, state, cause, deleted_rows FROM archiver.windows ORDER BY cell_start")


def test_exports_that_fail_before_they_are_in_the_ledger_fail_the_run(tenants: Tenants) -> None:
    barred = tenants["barred"]
    with_ledger(barred, "BEFORE INSERT", "RAISE EXCEPTION 'no'; RETURN NULL;")
    run = barred.run()
    assert run.state == "failed"
    error = report_error(barred, run.run_id)
    assert error.count("was not begun: export failed") == 10
    assert barred.count() == HOURS
    assert barred.sql("SELECT count(*) FROM archiver.windows") == [(0,)]
    assert run.tasks("window.export")[0]["try_number"] == 1


def test_one_row_that_cannot_be_read_keeps_its_own_window_alone(tenants: Tenants) -> None:
    spotted = tenants["spotted"]
    spotted.sql(UNREADABLE)
    rehearsed = spotted.run(dry_run=True)
    assert rehearsed.state == "failed"
    assert "its rows are not counted" in report_error(spotted, rehearsed.run_id)
    assert spotted.count() == HOURS
    for _night in range(2):
        run = spotted.run()
        assert run.state == "failed"
        assert spotted.count() == 48 + 1
        (export,) = run.tasks("window.export")
        assert export["state"] == "failed"
        assert export["rendered_map_index"], "a task that failed has its label"
        assert "a value does not fit its column" in run.log("window.export", 0)
    (kept,) = spotted.sql("SELECT name FROM analytics.events WHERE triggered_at < now() - interval '49 hours'")
    assert kept == ("event 55",)


def test_a_partition_that_cannot_be_dropped_fails_the_run(tenants: Tenants) -> None:
    parted = tenants["parted"]
    parted.sql(PARTED)
    run = parted.run()
    assert run.state == "failed"
    assert "partition analytics.old" in report_error(parted, run.run_id)
    assert "delete failed" in report_error(parted, run.run_id)
    assert parted.sql("SELECT to_regclass('analytics.old') IS NOT NULL") == [(True,)]


def test_rows_that_can_never_leave_fail_the_run_where_nothing_else_is_due(tenants: Tenants) -> None:
    chained = tenants["chained"]
    chained.sql(CHAINED)
    run = chained.run()
    assert run.state == "failed"
    error = report_error(chained, run.run_id)
    assert f"{DUE} of them may never leave" in error
    assert "Nothing that is due can leave" in error
    chained.sql("UPDATE analytics.events SET former = NULL WHERE name = 'event 53'")
    some = chained.run()
    assert some.state == "success"
    assert "may never leave" in some.log("report")
    assert chained.count() < HOURS


def test_a_table_of_which_no_row_has_a_usable_timestamp_fails_the_run(tenants: Tenants) -> None:
    untimed = tenants["untimed"]
    untimed.sql("ALTER TABLE analytics.events ALTER triggered_at DROP NOT NULL")
    untimed.sql("UPDATE analytics.events SET triggered_at = NULL")
    run = untimed.run()
    assert run.state == "failed"
    assert "no row of analytics.events has a usable timestamp" in report_error(untimed, run.run_id)
    untimed.sql("UPDATE analytics.events SET triggered_at = now() - interval '50 hours' WHERE id % 2 = 0")
    assert untimed.run().state == "success"
    assert untimed.count() == HOURS / 2
