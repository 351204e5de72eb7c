"""Jobs through Airflow's own scheduler: what a person approves, what breaks off, and what many changes cost."""

from __future__ import annotations

import time

import pytest

from dev.airflow import SCHEDULER, TRIGGERER
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import jobs_dag_id, jobs_pool_name
from tests.acceptance.clusters import LOGIN, RUN_SECONDS, Cluster
from tests.acceptance.conftest import Tenants
from tests.acceptance.settings import APPROVED, MEASURED, NO_POOL, POOLLESS

pytestmark = pytest.mark.more

APPROVE_DAG = "approve_jobs"
CHANGING_SECONDS = 30
# A wake each so many seconds at most, and one that was under way.
WAKE_SECONDS = 6
# It notes its beginning in a transaction of its own, so that what was called shows whatever becomes of the call.
SLOW = """
    CREATE PROCEDURE app.slow(job_id integer, config jsonb) LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO app.calls (job_id, config) VALUES (job_id, config);
        COMMIT;
        PERFORM pg_sleep((config->>'seconds')::double precision);
    END $$
"""
OLD_ROWS = """
    CREATE TABLE app.old (id integer PRIMARY KEY, at timestamptz NOT NULL);
    INSERT INTO app.old SELECT n, now() - make_interval(days => n * 10) FROM generate_series(1, 7) AS n
"""
# Of these seven, two are not older than 25 days.
ADD_DELETE = """
    INSERT INTO archiver.jobs (job_name, action, config, cron_schedule)
    VALUES ('old rows', 'delete', '{"table": "app.old", "timestamp_column": "at", "keep_days": 25}', '0 0 1 1 *')
    RETURNING job_id
"""
ENDS = "SELECT succeeded, crashed FROM archiver.job_runs WHERE job_id = %s ORDER BY id"
COUNTS = """
    SELECT total_runs, total_successes, total_failures, total_crashes FROM archiver.job_stats WHERE job_id = %s
"""
AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND state = 'active'"


def is_asking(cluster: Cluster, run: str) -> bool:
    """Whether the task of this run waits for a person."""
    tasks = cluster.api.task_instances(APPROVE_DAG, run)
    return any(task["state"] == "awaiting_input" for task in tasks)


def wait_until_asked(cluster: Cluster, known: set[str]) -> str:
    """The run in which a new question is open."""

    def found() -> list[str]:
        runs = {run["dag_run_id"] for run in cluster.api.runs(APPROVE_DAG)} - known
        return [run for run in runs if is_asking(cluster, run)]

    wait_until(lambda: bool(found()), "a question", RUN_SECONDS, 0.5)
    # The scheduler must have noted that the process of the task ended: to one that is queued again by then, it is one
    # that broke off, and Airflow asks once more in its next try. No person is as quick as that.
    time.sleep(5)
    return found()[0]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Approve", ("Success", "Scheduled", 1, 1, 0, True)),
        pytest.param("Reject", (None, "Refused", 0, 0, 0, False), marks=pytest.mark.rare),
    ],
)
def test_a_job_runs_once_a_person_approved_it_and_never_if_it_was_rejected(
    clusters: dict[str, Cluster], answer: str, expected: tuple[object, ...]
) -> None:
    one = clusters[APPROVED]
    one.api.wait_for_run(one.dag_id, one.api.trigger(one.dag_id), RUN_SECONDS)
    known = {run["dag_run_id"] for run in one.api.runs(APPROVE_DAG)}
    job = one.add("app.works", application=answer)
    run = wait_until_asked(one, known)
    assert one.sql("SELECT count(*) FROM app.calls WHERE job_id = %s", job) == [(0,)]
    assert APPROVED in one.api.question(APPROVE_DAG, run, "ask", -1)["subject"]
    one.api.answer(APPROVE_DAG, run, "ask", -1, answer)
    assert one.api.wait_for_run(APPROVE_DAG, run, RUN_SECONDS) == "success"
    if answer == "Approve":
        one.wait_until_planned(job)
        one.call(job)
    one.wait_for(job, expected)
    ((reason,),) = one.sql("SELECT reason FROM archiver.job_stats WHERE job_id = %s", job)
    assert (reason is None) == (answer == "Approve")


def test_a_job_that_deletes_is_rehearsed_then_asked_about_and_then_acts(clusters: dict[str, Cluster]) -> None:
    one = clusters[APPROVED]
    one.api.wait_for_run(one.dag_id, one.api.trigger(one.dag_id), RUN_SECONDS)
    one.sql(OLD_ROWS)
    known = {run["dag_run_id"] for run in one.api.runs(APPROVE_DAG)}
    ((job,),) = one.sql(ADD_DELETE)
    run = wait_until_asked(one, known)
    assert one.sql("SELECT count(*) FROM app.old") == [(7,)]
    one.api.answer(APPROVE_DAG, run, "ask", -1, "Approve")
    assert one.api.wait_for_run(APPROVE_DAG, run, RUN_SECONDS) == "success"
    one.call(job)
    wait_until(lambda: one.sql(COUNTS, job) == [(1, 1, 0, 0)], "the old rows to go", RUN_SECONDS, 0.5)
    assert one.sql("SELECT count(*) FROM app.old") == [(2,)]


@pytest.mark.rare
@pytest.mark.usefixtures("clusters")
def test_the_sweep_is_red_where_a_pool_is_missing(tenants: Tenants) -> None:
    one = tenants[POOLLESS]
    dag = jobs_dag_id(NO_POOL)
    tenants.api.unpause(dag)
    tenants.api.wait_for_run(dag, tenants.api.trigger(dag), RUN_SECONDS)
    one.sql("CREATE SCHEMA app; CREATE PROCEDURE app.works(job_id integer, config jsonb) LANGUAGE sql AS ''")
    one.sql(f"GRANT USAGE ON SCHEMA app TO {LOGIN}")
    one.sql("SELECT archiver.add_job('app.works', interval '1 hour')")
    queued = "SELECT 1 FROM archiver.job_state WHERE state = 'queued'"
    wait_until(lambda: bool(one.sql(queued)), "a job to be taken", RUN_SECONDS, 0.5)
    one.sql("UPDATE archiver.job_state SET queued_at = queued_at - interval '11 minutes'")
    tenants.api.unpause("sweep")
    run = tenants.api.trigger("sweep")
    assert tenants.api.wait_for_run("sweep", run, RUN_SECONDS) == "failed"
    tenants.api.pause("sweep")
    assert f"create the pool {jobs_pool_name(NO_POOL)}" in tenants.api.task_error("sweep", run, "report")
    tenants.api.pause(dag)
    for open_run in tenants.api.unfinished_runs():
        if open_run["dag_id"] == dag:
            tenants.api.fail_run(dag, open_run["dag_run_id"])


@pytest.mark.parametrize("part", [pytest.param(TRIGGERER, marks=pytest.mark.rare), SCHEDULER])
def test_what_was_due_while_a_part_was_dead_runs_once_it_is_back(
    tenants: Tenants, clusters: dict[str, Cluster], part: str
) -> None:
    one = clusters[MEASURED]
    job = one.add("app.works", application=part)
    one.wait_until_planned(job)
    one.wait_for_its_runs()
    tenants.stack.airflow.kill(part)
    one.call(job)
    time.sleep(1)
    assert one.sql(COUNTS, job) == [(0, 0, 0, 0)]
    tenants.stack.airflow.restart(part)
    one.wait_for(job, ("Success", "Scheduled", 1, 1, 0, True))
    assert one.sql("SELECT count(*) FROM app.calls WHERE job_id = %s", job) == [(1,)]


def test_a_call_whose_task_is_killed_is_a_crash_and_never_runs_beside_itself(
    tenants: Tenants, clusters: dict[str, Cluster]
) -> None:
    one = clusters[MEASURED]
    one.sql(SLOW)
    job = one.add("app.slow", '{"seconds": 600}')
    one.wait_until_planned(job)
    one.call(job)
    wait_until(
        lambda: one.sql("SELECT count(*) FROM app.calls WHERE job_id = %s", job) == [(1,)], "a call", RUN_SECONDS
    )
    # The scheduler with all tasks that it runs, as when its machine dies.
    tenants.stack.airflow.kill(SCHEDULER)
    wait_until(lambda: one.sql(AT_WORK, LOGIN) == [(0,)], "the server to end the call", 60)
    assert one.sql(ENDS, job) == [(None, True)]
    tenants.stack.airflow.restart(SCHEDULER)
    wait_until(lambda: one.sql(COUNTS, job)[0][3] == 1, "the crash to be counted", RUN_SECONDS, 0.5)
    assert one.sql(COUNTS, job) == [(1, 0, 0, 1)]
    ((minutes,),) = one.sql(
        "SELECT extract(epoch FROM next_start - clock_timestamp()) / 60 FROM archiver.job_stats WHERE job_id = %s", job
    )
    assert minutes > 3
    assert one.sql("SELECT count(*) FROM app.calls WHERE job_id = %s", job) == [(1,)]
    one.sql("SELECT archiver.alter_job(%s, scheduled => false)", job)


def test_a_call_that_a_person_ends_in_the_ui_is_cancelled_on_the_server(clusters: dict[str, Cluster]) -> None:
    one = clusters[MEASURED]
    if not one.sql("SELECT 1 FROM pg_proc WHERE proname = 'slow'"):
        one.sql(SLOW)
    job = one.add("app.slow", '{"seconds": 601}')
    one.wait_until_planned(job)
    one.wait_for_its_runs()
    one.call(job)
    wait_until(
        lambda: one.sql("SELECT count(*) FROM app.calls WHERE job_id = %s", job) == [(1,)], "a call", RUN_SECONDS
    )
    ((run,),) = one.sql("SELECT airflow_run_id FROM archiver.job_runs WHERE job_id = %s", job)
    one.api.fail_task(one.dag_id, run, "run", 0)
    wait_until(lambda: one.sql(AT_WORK, LOGIN) == [(0,)], "the call to end", 60)
    wait_until(lambda: one.sql(COUNTS, job)[0][0] == 1, "its end to be counted", RUN_SECONDS, 0.5)
    assert one.sql(COUNTS, job) == [(1, 0, 1, 0)]
    one.sql("SELECT archiver.alter_job(%s, scheduled => false)", job)


@pytest.mark.rare
def test_a_change_a_second_makes_few_runs_and_no_version_of_the_dag(clusters: dict[str, Cluster]) -> None:
    one = clusters[MEASURED]
    job = one.add("app.works", application="changing")
    one.wait_until_planned(job)
    one.wait_for_its_runs()
    runs, versions, began = len(one.runs()), one.api.versions(one.dag_id), time.monotonic()
    for second in range(CHANGING_SECONDS):
        one.sql("UPDATE archiver.jobs SET config = %s WHERE job_id = %s", f'{{"second": {second}}}', job)
        time.sleep(1)
    one.wait_for_its_runs()
    # However long a busy machine takes for as many changes.
    most = int(time.monotonic() - began) // WAKE_SECONDS + 1
    assert len(one.runs()) - runs <= most < CHANGING_SECONDS
    assert one.api.versions(one.dag_id) == versions
