"""The walk of a service that runs the tenants' procedures: two databases of two clusters, through Airflow's scheduler.

A job that works, one that fails and one whose procedure is missing; statistics as TimescaleDB shows them, looked at
from outside with plain SQL.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from dev.waiting import wait_until
from tests.acceptance.clusters import CONTENT, LOGIN, PASSWORD, RUN_SECONDS, Cluster
from tests.acceptance.settings import MEASURED, PROCESSED, SECOND_CLUSTER

pytestmark = pytest.mark.more


def test_procedures_of_two_databases_of_two_clusters_run_and_are_counted(clusters: dict[str, Cluster]) -> None:
    measured, processed = clusters[MEASURED], clusters[PROCESSED]

    # By default there is nothing to do, and it says so.
    for one in clusters.values():
        run = one.api.trigger(one.dag_id)
        assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "success"
        assert one.sql("SELECT count(*) FROM archiver.jobs WHERE source = 'table'") == [(0,)]

    works = measured.add("app.works", '{"days": 2}')
    fails = processed.add("app.fails", '{"by": 0}')
    also_works = processed.add("app.works")
    missing = measured.add("app.missing")
    for one, job in ((measured, works), (processed, fails), (processed, also_works)):
        one.wait_until_planned(job)
        assert one.stats(job) == (None, "Scheduled", 0, 0, 0, False)

    measured.call(works)
    processed.call(fails)
    processed.call(also_works)
    measured.wait_for(works, ("Success", "Scheduled", 1, 1, 0, True))
    processed.wait_for(also_works, ("Success", "Scheduled", 1, 1, 0, True))
    processed.wait_for(fails, ("Failed", "Scheduled", 1, 0, 1, False))
    measured.wait_for(missing, (None, "Refused", 0, 0, 0, False))
    of_ours = "SELECT config, who FROM app.calls WHERE job_id = %s"
    assert measured.sql(of_ours, works) == [({"days": 2}, LOGIN)]
    assert processed.sql(of_ours, also_works) == [({}, LOGIN)]
    ((reason,),) = measured.sql("SELECT reason FROM archiver.job_stats WHERE job_id = %s", missing)
    assert "app.missing" in reason

    # What failed and why stands with the tenant; Airflow's logs have its code, and no word of the tenant's rows.
    ((code, message),) = processed.sql(
        "SELECT sqlerrcode, err_message FROM archiver.job_errors WHERE job_id = %s", fails
    )
    assert code == "22012"
    assert "division by zero" in message
    for one in clusters.values():
        one.wait_for_its_runs()
    assert "22012" in processed.logs()
    assert CONTENT not in processed.logs() + measured.logs()
    ((output,),) = measured.sql("SELECT output FROM archiver.job_runs WHERE job_id = %s", works)
    assert CONTENT in output
    assert processed.ended_states() == {"success", "failed"}

    # The statistics go on.
    measured.call(works)
    measured.wait_for(works, ("Success", "Scheduled", 2, 2, 0, True))
    history = measured.sql(
        "SELECT succeeded, crashed, finished_at >= started_at FROM archiver.job_runs WHERE job_id = %s", works
    )
    assert history == [(True, False, True)] * 2


def test_the_form_starts_named_jobs_of_one_application_and_a_dry_run_starts_none(clusters: dict[str, Cluster]) -> None:
    one = clusters[PROCESSED]
    ours, theirs = one.add("app.works", application="ours"), one.add("app.works", application="theirs")
    for job in (ours, theirs):
        one.wait_until_planned(job)
    names = [name for (name,) in one.sql("SELECT job_name FROM archiver.jobs WHERE job_id IN (%s, %s)", ours, theirs)]
    conf = {"jobs": names, "application_name": "ours", "run_now": True, "reason": "a test"}

    run = one.api.trigger(one.dag_id, {**conf, "dry_run": True})
    assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "success"
    assert [one.stats(job) for job in (ours, theirs)] == [(None, "Scheduled", 0, 0, 0, False)] * 2

    run = one.api.trigger(one.dag_id, conf)
    assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "success"
    one.wait_for(ours, ("Success", "Scheduled", 1, 1, 0, True))
    assert one.stats(theirs) == (None, "Scheduled", 0, 0, 0, False)

    for name, value in (("run_now", True), ("adopt", "it was brought back")):
        run = one.api.trigger(one.dag_id, {name: value})
        assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "failed"
        assert f"the run's parameter {name} is set without jobs" in one.api.task_error(one.dag_id, run, "choose")


def test_jobs_of_the_policy_file_run_by_their_schedule(clusters: dict[str, Cluster]) -> None:
    one = clusters[PROCESSED]

    def runs() -> int:
        ((count,),) = one.sql(
            "SELECT coalesce(sum(total_runs), 0) FROM archiver.job_stats WHERE job_name = 'every few seconds'"
        )
        return int(count)

    wait_until(lambda: runs() >= 2, "two runs of the file's job", RUN_SECONDS, 0.5)
    with pytest.raises(psycopg.Error, match="permission denied"), psycopg.connect(**_login(one)) as connection:
        connection.execute("UPDATE archiver.jobs SET config = '{}' WHERE source = 'file'")


def _login(one: Cluster) -> dict[str, Any]:
    return one.server.dsn(one.database) | {"user": LOGIN, "password": PASSWORD}


def test_while_the_variable_is_set_nothing_starts_and_then_it_does(clusters: dict[str, Cluster]) -> None:
    one = clusters[MEASURED]
    job = one.add("app.works", application="paused")
    one.wait_until_planned(job)
    variable = f"archive_jobs_paused__{SECOND_CLUSTER}"
    one.api.set_variable(variable, "true")
    try:
        one.call(job)
        run = one.api.trigger(one.dag_id)
        assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "success"
        one.wait_for_its_runs()
        assert one.stats(job) == (None, "Scheduled", 0, 0, 0, False)
        one.api.set_variable(variable, "yes")
        run = one.api.trigger(one.dag_id)
        assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "failed"
        assert "neither true nor false" in one.api.task_error(one.dag_id, run, "choose")
    finally:
        one.api.delete_variable(variable)
    one.wait_for(job, ("Success", "Scheduled", 1, 1, 0, True))


@pytest.mark.rare
def test_the_sweep_wakes_what_nobody_was_woken_for(clusters: dict[str, Cluster]) -> None:
    one = clusters[MEASURED]
    job = one.add("app.works", application="swept")
    one.wait_until_planned(job)
    one.wait_for_its_runs()
    # A paused DAG has no watcher, and what is due meanwhile is nobody's news.
    one.api.pause(one.dag_id)
    one.call(job)
    one.api.unpause(one.dag_id)
    one.api.unpause("sweep")
    started = datetime.now(UTC)
    run = one.api.trigger("sweep")
    one.api.wait_for_run("sweep", run, RUN_SECONDS)
    one.api.pause("sweep")
    one.wait_for(job, ("Success", "Scheduled", 1, 1, 0, True))
    assert started < datetime.now(UTC)
