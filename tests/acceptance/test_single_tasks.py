"""A table of one task instance, and one whose plan decides: the work, the report and the colour are the chain's."""

from __future__ import annotations

from pg_archiver.domain.window_lengths import MOST_ROWS_ALONE
from tests.acceptance.conftest import HOURS, Finished, Tenant, Tenants
from tests.acceptance.test_colours import UNREADABLE

DUE = HOURS - 48
GROUP = "analytics-events"
FOLLOWING = ("window.export", "window.store", "window.delete", "report")
MANY = f"""
    INSERT INTO analytics.events (triggered_at, name)
    SELECT date_trunc('hour', now() AT TIME ZONE 'UTC') - interval '70 hours', 'event'
    FROM generate_series(1, {MOST_ROWS_ALONE + 1})
"""
ONE_MORE = "INSERT INTO analytics.events (triggered_at, name) VALUES (now() - interval '60 hours', 'event')"


def states(run: Finished) -> dict[str, str]:
    return {task["task_id"].removeprefix(f"{GROUP}."): task["state"] for task in run.all_tasks()}


def note(tenant: Tenant, run: Finished) -> str:
    return str(tenant.api.run(tenant.dag_id, run.run_id)["note"])


def test_one_task_instance_takes_a_table_from_plan_to_report(tenants: Tenants) -> None:
    one = tenants["of-one-task"]
    one.sql(UNREADABLE)
    run = one.run()
    assert (run.state, states(run)) == ("failed", {"archive": "failed"})
    assert one.count() == 48 + 1, "a bad window keeps no other"
    assert f"{DUE - 1} rows left" in note(one, run)
    assert "NOT FINISHED: 1" in note(one, run)
    one.sql("DELETE FROM analytics.events WHERE name = 'event 55'")
    one.sql(ONE_MORE)
    one.api.clear_task_instances(one.dag_id, run.run_id, [f"{GROUP}.archive"])
    again = one.wait(run.run_id)
    assert (again.state, states(again)) == ("success", {"archive": "success"})
    assert one.count() == 48
    told = one.api.xcom(one.dag_id, run.run_id, f"{GROUP}.archive")
    assert (told["deleted"], told["unfinished"], told["dry_run"]) == (DUE, [], False)
    assert "archived in" in again.log("archive")


def test_a_plan_that_finds_little_does_it_and_one_that_finds_more_hands_it_on(tenants: Tenants) -> None:
    little = tenants["little"]
    run = little.run()
    assert (run.state, states(run)) == ("success", {"plan": "success", **dict.fromkeys(FOLLOWING, "skipped")})
    assert little.count() == 48
    told = little.api.xcom(little.dag_id, run.run_id, f"{GROUP}.plan", "report")
    assert told["deleted"] == DUE
    assert f"{DUE} rows left" in note(little, run)
    little.sql(MANY)
    more = little.run()
    assert (more.state, set(states(more).values())) == ("success", {"success"})
    assert more.report["deleted"] == MOST_ROWS_ALONE + 1
    assert little.count() == 48
    little.sql(ONE_MORE)
    cleared = [(f"{GROUP}.{name}", 0) for name in FOLLOWING[:3]]
    little.api.clear_task_instances(little.dag_id, more.run_id, [f"{GROUP}.plan", *cleared, f"{GROUP}.report"])
    again = little.wait(more.run_id)
    assert again.state == "success"
    assert little.count() == 48
    assert again.report["deleted"] == MOST_ROWS_ALONE + 2, "the report tells of all of the run"
