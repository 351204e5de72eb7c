"""Tasks ended from Airflow's UI and a scheduler that dies: progress is kept, and no row is lost or archived twice."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections import Counter

import pytest

from dev.stack import BUCKET
from dev.waiting import wait_until
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_keys import manifest_key
from tests.acceptance.conftest import HOURS, RUN_SECONDS, Tenant, Tenants

pytestmark = pytest.mark.more

ROWS = 300
# Only how long a broken test hangs.
STOP_SECONDS = 60.0
DELETE = "analytics-events.window.delete"
REPORT = "analytics-events.report"
# One window of many rows, so that its delete takes many batches.
ONE_WINDOW = f"""
    DELETE FROM analytics.events;
    INSERT INTO analytics.events (triggered_at, name)
    SELECT date_trunc('hour', now() AT TIME ZONE 'UTC') - interval '55 hours' + make_interval(secs => second), 'event'
    FROM generate_series(1, {ROWS}) AS second
"""
SLOW = """
    CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep({seconds}); RETURN OLD; END $$;
    CREATE TRIGGER dawdling BEFORE DELETE ON analytics.events FOR EACH ROW EXECUTE FUNCTION public.dawdle()
"""
QUICK = "DROP TRIGGER dawdling ON analytics.events"
ALL = "SELECT id::text, triggered_at::text, name FROM analytics.events"


def deleted_rows(tenant: Tenant) -> int:
    """How far the deletes are, by the ledger."""
    if not tenant.has_ledger():
        return 0
    return int(tenant.sql("SELECT coalesce(sum(deleted_rows), 0) FROM archiver.windows")[0][0])


def until_deleted(tenant: Tenant, more_than: int) -> None:
    wait_until(lambda: deleted_rows(tenant) > more_than, f"rows of {tenant.name} to be deleted", RUN_SECONDS)


def assert_stopped_between_batches(tenant: Tenant, run_id: str, try_number: int) -> int:
    """Waits for the end of that try of the delete, and returns how far it came."""
    logs: list[str] = []

    def stopped() -> bool:
        logs.append(tenant.api.task_log(tenant.dag_id, run_id, DELETE, try_number, map_index=0))
        return "Run the task again to continue" in logs[-1]

    wait_until(stopped, f"try {try_number} of the delete to stop", STOP_SECONDS, interval=0.5)
    done = deleted_rows(tenant)
    assert 0 < done < ROWS
    assert done % 2 == 0
    assert f"stopped after {done} of {ROWS} rows" in logs[-1]
    assert tenant.count() == ROWS - done
    return done


def test_a_delete_that_is_ended_in_the_ui_ends_after_its_batch_and_goes_on_when_it_is_cleared(tenants: Tenants) -> None:
    ended = tenants["ended"]
    ended.sql(ONE_WINDOW)
    ended.sql(SLOW.format(seconds=0.2))
    run_id = ended.start()
    until_deleted(ended, 0)
    objects = ended.objects()
    tenants.api.fail_task(ended.dag_id, run_id, DELETE, 0)
    assert ended.wait(run_id).state == "failed"
    done = assert_stopped_between_batches(ended, run_id, 1)

    tenants.api.clear_task_instances(ended.dag_id, run_id, [(DELETE, 0), REPORT])
    until_deleted(ended, done)
    tenants.api.clear_task_instances(ended.dag_id, run_id, [(DELETE, 0)])
    assert assert_stopped_between_batches(ended, run_id, 2) > done

    ended.sql(QUICK)
    assert ended.wait(run_id).state == "success"
    assert ended.count() == 0
    assert ended.objects() == objects, "nothing was exported again"
    ledger = ended.sql("SELECT generation, state, rows, deleted_rows FROM archiver.windows")
    assert ledger == [(1, "deleted", ROWS, ROWS)]


def archived_rows(tenant: Tenant) -> Counter[tuple[str, ...]]:
    """The rows of all objects, each of which must be the one that its manifest vouches for."""
    client = tenant.stack.s3.client()
    rows: Counter[tuple[str, ...]] = Counter()
    for key in tenant.data_objects():
        data, manifest = (client.get_object(Bucket=BUCKET, Key=one)["Body"].read() for one in (key, manifest_key(key)))
        assert Manifest.parse(manifest, key).data.sha256 == hashlib.sha256(data).hexdigest()
        rows.update(map(tuple, list(csv.reader(io.StringIO(gzip.decompress(data).decode())))[1:]))
    return rows


def test_a_scheduler_that_is_killed_in_mid_run_loses_nothing_and_does_nothing_twice(tenants: Tenants) -> None:
    killed = tenants["killed"]
    killed.sql(SLOW.format(seconds=1))
    before = Counter(killed.sql(ALL))
    run_id = killed.start()
    until_deleted(killed, 0)
    tenants.stack.airflow.kill()
    assert 48 < killed.count() < HOURS, "it was killed in mid-run"
    killed.sql(QUICK)
    tenants.stack.airflow.restart()
    assert killed.wait(run_id).state == "success"
    assert killed.count() == 48
    assert archived_rows(killed) + Counter(killed.sql(ALL)) == before
    done = killed.sql("SELECT state, rows, deleted_rows FROM archiver.windows WHERE state <> 'void'")
    assert done == [("deleted", 1, 1)] * (HOURS - 48)
