"""The main job through Airflow's own scheduler, looked at from outside."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.acceptance.conftest import HOURS, Tenants, utc_now
from tests.acceptance.settings import LAST_SCHEDULED

DUE = HOURS - 48


def test_a_run_archives_what_is_due_and_a_second_one_changes_nothing(tenants: Tenants) -> None:
    plain = tenants["plain"]
    first = plain.run()
    assert first.state == "success"
    assert plain.count() == 48
    assert len(plain.data_objects()) == len(first.tasks("window.export")) >= DUE
    assert first.report["deleted"] == first.report["rows"] == DUE
    assert all(" to " in task["rendered_map_index"] for task in first.tasks("window.delete"))
    objects = plain.objects()
    again = plain.run(logical_date=utc_now() - timedelta(hours=1))
    assert again.state == "success"
    assert plain.objects() == objects
    assert plain.count() == 48
    assert again.report["windows"] == 0
    assert {task["state"] for task in again.tasks("window.export")} <= {"skipped"}


def test_of_a_table_that_keeps_versions_just_what_newer_ones_supersede_is_archived(tenants: Tenants) -> None:
    versioned = tenants["versioned"]
    versioned.sql("UPDATE analytics.events SET name = 'document ' || id % 20")
    run = versioned.run()
    assert run.state == "success"
    assert run.report["deleted"] == run.report["rows"] == HOURS - 40
    left = "SELECT DISTINCT array_agg(id > 20) FROM analytics.events GROUP BY name"
    assert versioned.sql(left) == [([True, True],)], "the two newest of each document"
    assert 1 <= len(versioned.data_objects()) <= 2, "a window is a year"


def test_an_asset_event_says_what_was_archived(tenants: Tenants) -> None:
    (event,) = [e for e in tenants.api.asset_events(tenants["plain"].dag_id) if e["extra"]["deleted"]]
    assert event["extra"]["rows"] == DUE
    assert event["extra"]["object_bytes"] > 0
    assert event["uri"].startswith("s3://archive/client=plain/")


def test_a_dry_run_writes_nothing(tenants: Tenants) -> None:
    rehearsed = tenants["rehearsed"]
    run = rehearsed.run(dry_run=True)
    assert run.state == "success"
    assert run.report["rows"] == DUE
    assert run.report["object_bytes"] > 0
    assert rehearsed.count() == HOURS
    assert rehearsed.objects() == {}
    assert not rehearsed.has_ledger()
    assert tenants.api.asset_events(rehearsed.dag_id) == []


def test_a_dry_run_over_a_single_window_reports_it(tenants: Tenants) -> None:
    start, end = utc_now() - timedelta(hours=55, minutes=30), utc_now() - timedelta(hours=54, minutes=30)
    run = tenants["rehearsed"].run(dry_run=True, start=start.isoformat(), end=end.isoformat())
    assert run.state == "success"
    assert len(run.tasks("window.export")) == 1
    assert run.report["rows"] == 1


def test_minus_one_keeps_everything_and_says_so(tenants: Tenants) -> None:
    kept = tenants["kept"]
    run = kept.run()
    assert run.state == "success"
    assert "keeps everything" in run.log("plan")
    assert "N is -1, from Airflow Variable archive_keep_days__kept" in run.log("report")
    assert kept.count() == HOURS
    assert kept.objects() == {}


def test_late_rows_become_the_next_generation(tenants: Tenants) -> None:
    late = tenants["late"]
    assert late.run().state == "success"
    before = late.objects()
    moment = late.sql("SELECT (now() AT TIME ZONE 'UTC')::timestamp - interval '55 hours'")[0][0]
    late.sql("INSERT INTO analytics.events (triggered_at, name) VALUES (%s, 'late')", moment)
    assert late.run().state == "success"
    after = late.objects()
    assert before.items() <= after.items(), "no object was overwritten"
    (new,) = late.data_objects() - set(before)
    assert ".g0002." in new
    assert late.count() == 48


def test_a_backfill_archives_what_was_due_then_and_twice_is_once(tenants: Tenants) -> None:
    past = tenants["past"]
    tenants.api.delete_variable("archive_keep_days__past")
    last, day = LAST_SCHEDULED, timedelta(days=1)
    cutoff = last - 2 * day
    expected = past.sql("SELECT count(*) FROM analytics.events WHERE triggered_at >= %s", cutoff.replace(tzinfo=None))[
        0
    ][0]
    span = (last - day, last)
    tenants.api.create_backfill(past.dag_id, *span, max_active_runs=2)
    first = past.wait_for_backfill(2)
    assert {run.state for run in first} == {"success"}
    assert past.count() == expected
    objects = past.objects()
    past.create_backfill_again(*span)
    second = past.wait_for_backfill(2)
    assert {run.state for run in second} == {"success"}
    assert all(task["try_number"] > 1 for run in second for task in run.tasks("plan"))
    assert past.objects() == objects
    assert past.count() == expected


@pytest.mark.rare
@pytest.mark.more
def test_two_runs_at_once_on_one_client(tenants: Tenants) -> None:
    twice = tenants["twice"]
    tenants.api.delete_variable("archive_keep_days__twice")
    day = timedelta(days=1)
    tenants.api.create_backfill(twice.dag_id, LAST_SCHEDULED - 3 * day, LAST_SCHEDULED - 2 * day, max_active_runs=4)
    by_hand = twice.start()
    runs = [*twice.wait_for_backfill(2), twice.wait(by_hand)]
    assert {run.state for run in runs} == {"success"}
    assert twice.count() == 48
    ledger = twice.sql("SELECT sum(rows), sum(deleted_rows) FROM archiver.windows WHERE state = 'deleted'")
    assert ledger[0] == (DUE, DUE), "each row was archived and deleted exactly once"


@pytest.mark.rare
@pytest.mark.more
def test_a_cleared_task_runs_again_and_changes_nothing(tenants: Tenants) -> None:
    cleared = tenants["cleared"]
    run = cleared.run()
    objects = cleared.objects()
    for name in ("window.export", "window.store", "window.delete"):
        tenants.api.clear_task_instances(cleared.dag_id, run.run_id, [(f"analytics-events.{name}", 1)])
        assert cleared.wait(run.run_id).state == "success"
    tenants.api.clear_task_instances(cleared.dag_id, run.run_id, ["analytics-events.plan"])
    assert cleared.wait(run.run_id).state == "success"
    assert cleared.objects() == objects
    assert cleared.count() == 48


@pytest.mark.more
def test_start_and_end_limit_the_run_and_never_widen_it(tenants: Tenants) -> None:
    limited = tenants["limited"]
    now = utc_now()
    start, end = now - timedelta(hours=55), now - timedelta(hours=52)
    run = limited.run(start=start.isoformat(), end=end.isoformat())
    assert run.state == "success"
    assert run.report["deleted"] == 3
    wide = limited.run(start=(now - timedelta(hours=40)).isoformat(), end=(now + timedelta(days=9)).isoformat())
    assert wide.state == "success"
    assert wide.report["windows"] == 0
    assert limited.count() == HOURS - 3
    turned = limited.run(start=end.isoformat(), end=start.isoformat())
    assert turned.state == "failed"
    assert "is not after start" in turned.log("plan")


@pytest.mark.more
def test_a_name_that_holds_anything_works(tenants: Tenants) -> None:
    odd = tenants["Quoted 'n' /100%{x} ü"]
    tenants.api.set_variable(odd.dag_id.replace("archive__", "archive_keep_days__"), "1")
    assert odd.run().state == "success"
    assert odd.count() == 24


def test_children_go_first_and_one_that_fails_holds_nobody_up_but_fails_the_run(tenants: Tenants) -> None:
    family = tenants["family"]
    family.sql(
        """
        CREATE TABLE analytics.clicks (event_id int REFERENCES analytics.events ON DELETE CASCADE);
        CREATE TABLE analytics.marks (
            event_id int REFERENCES analytics.events ON DELETE CASCADE, triggered_at timestamp
        );
        INSERT INTO analytics.clicks SELECT max(id) FROM analytics.events;
        INSERT INTO analytics.marks SELECT id, triggered_at FROM analytics.events WHERE name > 'event 5'
        """
    )
    run = family.run()
    assert run.state == "failed"
    tasks = run.all_tasks()
    states = {task["task_id"]: task["state"] for task in tasks}
    assert states["analytics-clicks.plan"] == "failed"
    assert states["analytics-events.report"] == states["analytics-marks.report"] == "success"
    (planned,) = [task["start_date"] for task in run.tasks("plan")]
    before = [task for task in tasks if re.search(r"marks\.(plan|window)|clicks\.plan", task["task_id"])]
    assert len(before) > 4
    assert max(task["end_date"] for task in before) <= planned
    assert family.sql("SELECT count(*) FROM analytics.clicks") == [(1,)]
    assert family.count() == 48 + 1
    assert run.report["deleted"] == DUE - 1


def test_the_scheduler_has_loaded_what_its_tasks_need_before_it_forks_them(tenants: Tenants) -> None:
    home = tenants.stack.airflow.home
    assert (home / "processes" / "scheduler.log").read_text(encoding="utf-8").count("preload: loaded") == 1
    run = tenants["plain"].run(dry_run=True)
    assert "preload" not in run.log("plan")
