"""The walk of a service that runs Python functions for what changes in tables: through Airflow's scheduler.

Its README's example, by insert, update and delete; a function that commits by itself; schedules; failures; what happens
while nobody is there. Looked at from outside, with plain SQL and Airflow's API.
"""

from __future__ import annotations

import psycopg
import pytest

from pg_archiver.airflow.airflow_ids import events_paused_variable
from tests.acceptance.settings import FUNCTIONS_LOGIN, WATCHED
from tests.acceptance.watching import CONTENT, PASSWORD, SECONDS, Watching

pytestmark = pytest.mark.more


def test_the_example_of_the_readme(watching: Watching) -> None:
    watching.add_job("copy input", "copy_input")
    watching.watch("test_source", "copy input", topic=".id", log="all")
    watching.sql("INSERT INTO test_source (input) VALUES ('test input')")
    watching.until_sink("INSERT test input")

    watching.sql("UPDATE test_source SET input = 'another input'")
    watching.until_sink("INSERT test input", "UPDATE another input")

    watching.sql("BEGIN; INSERT INTO test_source (input) VALUES ('rolled back'); ROLLBACK")
    watching.sql("DELETE FROM test_source")
    ran = "SELECT operation, succeeded, output FROM archiver.event_log ORDER BY started_at"
    expected = [(operation, True, f"{CONTENT}\n") for operation in ("INSERT", "UPDATE", "DELETE")]
    watching.until(lambda: watching.sql(ran) == expected, "the log of three events")
    assert watching.sink() == ["INSERT test input", "UPDATE another input"]
    watching.until_drained()

    # What functions do costs no run a row, and nothing of it is in Airflow.
    watching.sql("INSERT INTO test_source (input) SELECT 'many ' || number FROM generate_series(1, 200) AS number")
    watching.until(lambda: len(watching.sink("INSERT many %")) == 200, "200 rows in the sink")
    assert len(set(watching.sink("INSERT many %"))) == 200
    watching.until_nobody_works()
    told = watching.told()
    assert "events: " in told
    for word in (CONTENT, "test input", "another input", "many 7"):
        assert word not in told


def test_a_function_that_commits_by_itself_runs_as_it_stands(watching: Watching) -> None:
    watching.sql("INSERT INTO test_source (id, input) VALUES (9001, 'committed')")
    watching.until(lambda: "INSERT committed" in watching.sink(), "the other function")
    watching.add_job("commits", "commits")
    watching.watch("test_own", "commits", topic=".id", transaction="own")
    watching.sql("INSERT INTO test_own VALUES (9001)")
    watching.until_sink("committed", like="committed")
    watching.until_drained()


def test_a_schedule_fires_once_each_time(watching: Watching) -> None:
    job = watching.add_job("tick", "tick", schedule_interval="5 seconds")
    watching.until(lambda: len(watching.sink("tick")) >= 2, "two ticks")
    watching.sql("SELECT archiver.alter_job(%s, scheduled => false)", job)
    fires = "SELECT count(*) FROM archiver.job_runs WHERE job_id = %s AND caused_by = 'schedule' AND succeeded"
    # What waits of a job that is paused waits; each fire is one event.
    left = "SELECT count(*) FROM archiver.queue_status"

    def adds_up() -> bool:
        ((fired,),), ((waits,),) = watching.sql(fires, job), watching.sql(left)
        return bool(fired == len(watching.sink("tick")) + waits)

    watching.until(adds_up, "each fire to be one tick")
    status = "SELECT last_run_status, job_status, total_runs >= 2 FROM archiver.job_stats WHERE job_id = %s"
    assert watching.sql(status, job) == [("Success", "Paused", True)]
    watching.sql("DELETE FROM archiver.events; DELETE FROM archiver.incoming_events")


def test_what_fails_is_dead_after_its_attempts_and_comes_back_by_the_form(watching: Watching) -> None:
    watching.add_job("fails", "fails")
    binding = watching.watch("test_failing", "fails", max_attempts=2)
    watching.sql("INSERT INTO test_switch DEFAULT VALUES")
    watching.sql("INSERT INTO test_failing VALUES (1)")
    dead = "SELECT binding_id, attempts, reason FROM archiver.dead_events"
    watching.until(lambda: watching.sql(dead) == [(binding, 2, "failed 2 times")], "the event to be dead")
    watching.api.unpause("sweep")
    run = watching.api.trigger("sweep")
    assert watching.api.wait_for_run("sweep", run, SECONDS) == "failed"
    error = watching.api.task_error("sweep", run, "report")
    assert f"client {WATCHED}, binding {binding} (public.test_failing, job fails): 1 dead event" in error
    assert "which nobody tries again" in error
    assert CONTENT not in error

    watching.sql("DELETE FROM test_switch")
    run, state = watching.run(retry_dead=True, bindings=[binding])
    assert state == "success"
    watching.until_sink("at last 1", like="at last%")
    assert watching.sql(dead) == []
    watching.api.pause("sweep")
    assert CONTENT not in watching.told()


def test_what_happens_while_the_scheduler_is_dead_runs_once_when_it_is_back(watching: Watching) -> None:
    watching.until_drained()
    watching.stack.airflow.kill()
    watching.sql("INSERT INTO test_source (input) SELECT 'meanwhile ' || number FROM generate_series(1, 20) AS number")
    watching.stack.airflow.restart()
    watching.until(lambda: len(watching.sink("INSERT meanwhile%")) >= 20, "what happened meanwhile")
    watching.until_drained()
    assert len(set(watching.sink("INSERT meanwhile%"))) == len(watching.sink("INSERT meanwhile%")) == 20


@pytest.mark.rare
def test_while_the_variable_is_set_nothing_starts_and_then_it_does(watching: Watching) -> None:
    watching.until_drained()
    variable = events_paused_variable(WATCHED)
    watching.api.set_variable(variable, "true")
    try:
        # Whoever is at work goes on to its end.
        watching.until_nobody_works()
        watching.sql("INSERT INTO test_source (input) VALUES ('paused')")
        assert watching.run()[1] == "success"
        assert watching.sink("INSERT paused") == []
        watching.api.set_variable(variable, "yes")
        run, state = watching.run()
        assert state == "failed"
        assert "neither true nor false" in watching.api.task_error(watching.dag_id, run, "survey")
    finally:
        watching.api.delete_variable(variable)
    watching.run()
    watching.until_sink("INSERT paused", like="INSERT paused")


def test_the_login_of_functions_may_not_touch_the_queue_itself(watching: Watching) -> None:
    dsn = watching.stack.postgres.dsn(WATCHED) | {"user": FUNCTIONS_LOGIN, "password": PASSWORD}
    with psycopg.connect(**dsn) as connection:
        for statement in (
            "DELETE FROM archiver.windows",
            "SELECT key FROM archiver.events",
            "SELECT * FROM archiver.jobs",
        ):
            with pytest.raises(psycopg.Error, match="permission denied"), connection.transaction():
                connection.execute(statement.encode())
