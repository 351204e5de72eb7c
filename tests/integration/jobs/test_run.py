"""One job that was taken is run at most once at a time, and its record says how it ended."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from pg_archiver.jobs.run import Ending
from pg_archiver.ledger.locks import control_lock, execute_lock
from tests.support.concurrency import at_once, in_background, until
from tests.support.job_place import JobPlace

NUMBERS = "SELECT job_id FROM app.done ORDER BY at"
HELD = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
NEXT = "round(extract(epoch FROM next_start - last_finish))"


def test_a_job_runs_and_is_counted(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config); RAISE NOTICE 'rolled up';")
    number = jobs.job(schedule_interval="1 hour", config='{"days": 2}')
    result = jobs.run_once()
    assert (result.ending, result.failed, result.sqlerrcode) == (Ending.SUCCEEDED, False, None)
    assert jobs.done() == [(number, {"days": 2}, jobs.login)]
    assert jobs.counters() == ("idle", 1, 1, 0, 0)
    assert jobs.state(columns="next_start > clock_timestamp(), last_run_success, reason") == (True, True, None)
    told = jobs.runs("succeeded, crashed, output, sqlerrcode, caused_by, subject, source_database, airflow_run_id")
    assert told == [(True, False, "NOTICE: rolled up", None, "schedule", "app.job", jobs.control, "run 1")]
    assert jobs.runs("folded_at IS NOT NULL") == [(True,)]


def test_a_job_of_the_database_itself_runs_there(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);", database=jobs.control)
    jobs.job(database_name=None, schedule_interval="1 hour")
    assert jobs.run_once().ending is Ending.SUCCEEDED
    assert jobs.counters() == ("idle", 1, 1, 0, 0)
    assert len(jobs.done(jobs.control)) == len(jobs.runs("id", jobs.control)) == 1


def test_a_config_arrives_digit_by_digit(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    config = '{"long": 12345678901234567890.123456789, "exact": 1.10}'
    jobs.job(config=config, schedule_interval="1 hour")
    assert jobs.run_once().ending is Ending.SUCCEEDED
    assert jobs.sql(jobs.target, "SELECT config::text FROM app.done") == [(config,)]


def test_a_first_run_that_fails_has_no_success_and_its_error_stays_in_its_database(
    jobs: JobPlace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    jobs.define("RAISE NOTICE 'card 4711'; RAISE EXCEPTION 'Jane' USING ERRCODE = '22012', DETAIL = 'of Jane';")
    jobs.job(schedule_interval="1 hour")
    result = jobs.run_once()
    assert (result.ending, result.sqlerrcode) == (Ending.FAILED, "22012")
    assert result.told == "22012 division_by_zero in app.job(integer,jsonb), in line 1"
    assert jobs.counters() == ("idle", 1, 0, 1, 0)
    assert jobs.state(columns="last_successful_finish, last_run_success") == (None, False)
    ((code, message, output),) = jobs.runs("sqlerrcode, err_message, output")
    assert (code, output) == ("22012", "NOTICE: card 4711")
    assert message.startswith("Jane\nDETAIL:  of Jane\nCONTEXT:  ")
    assert "Jane" not in caplog.text + str(result.as_dict())
    assert "4711" not in caplog.text + str(result.as_dict())
    assert jobs.sql(jobs.target, "SELECT sqlerrcode FROM archiver.job_errors") == [("22012",)]


def test_the_error_is_kept_where_the_database_lacks_its_characters(jobs: JobPlace) -> None:
    """What the server says may hold what the database's own encoding has no place for."""
    name = f"{jobs.target}_latin"
    jobs.sql(jobs.control, f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        for statement in (
            f"GRANT USAGE, CREATE ON SCHEMA archiver TO {jobs.archive}",
            "GRANT USAGE ON SCHEMA app TO PUBLIC",
        ):
            jobs.sql(name, f"CREATE SCHEMA {statement.split()[-3]}; {statement}")
        jobs.define("RAISE EXCEPTION '%', repeat('é', 9000);", database=name)
        place = jobs.with_settings(databases=None)
        place = type(place)(**{**vars(place), "targets": (*place.targets, name)})
        place.job(database_name=name, schedule_interval="1 hour")
        assert place.run_once().sqlerrcode == "P0001"
        ((message,),) = place.runs("err_message", name)
        assert message.startswith("????")
    finally:
        jobs.sql(jobs.control, f"DROP DATABASE {name} WITH (FORCE)")


def test_retries_wait_longer_each_time_and_end_where_max_retries_says(jobs: JobPlace) -> None:
    jobs.define("PERFORM 1 / 0;")
    jobs.job(schedule_interval="1 year", retry_period="100 seconds", max_retries=3)
    waits = []
    for _ in range(2):
        assert jobs.run_once().failed
        waits.append(float(jobs.state(columns=NEXT)))
    assert 87 <= waits[0] <= 113
    assert 174 <= waits[1] <= 226
    assert jobs.sql(jobs.target, "SELECT caused_by FROM archiver.job_runs ORDER BY id") == [("schedule",), ("retry",)]
    result = jobs.run_once()
    assert "It has failed 3 times in a row, and max_retries is 3" in result.told
    assert jobs.counters() == ("exhausted", 3, 0, 3, 0)
    assert jobs.state(columns="next_start, starts_with(reason, 'failed 3 times in a row')") == (None, True)
    assert jobs.plan().claims == ()
    jobs.define("INSERT INTO app.done VALUES (1, config);")
    jobs.sql(jobs.control, "SELECT archiver.alter_job(job_id, scheduled => true) FROM archiver.jobs")
    assert jobs.run_once().ending is Ending.SUCCEEDED
    assert jobs.counters() == ("idle", 4, 1, 3, 0)


def test_what_a_procedure_committed_stays_and_max_runtime_ends_it(jobs: JobPlace) -> None:
    jobs.define("FOR i IN 1..1000 LOOP INSERT INTO app.done VALUES (i, '{}'); COMMIT; PERFORM pg_sleep(0.1); END LOOP;")
    jobs.job(schedule_interval="1 hour", max_runtime="1 second")
    result = jobs.run_once()
    assert (result.ending, result.sqlerrcode) == (Ending.FAILED, "57014")
    assert result.told.endswith(". It may take 0:00:01, by max_runtime")
    kept = jobs.sql(jobs.target, NUMBERS)
    assert kept == [(number,) for number in range(1, len(kept) + 1)]
    assert kept
    assert jobs.counters() == ("idle", 1, 0, 1, 0)


def test_the_next_start_that_a_job_sets_itself_counts(jobs: JobPlace) -> None:
    """As with a job of TimescaleDB that calls alter_job for itself; here the login may, in its own database."""
    jobs.define(
        "UPDATE archiver.jobs SET next_start = '2100-01-01' WHERE jobs.job_id = job.job_id;", database=jobs.control
    )
    jobs.job(database_name=None, schedule_interval="1 hour")
    jobs.sql(
        jobs.control,
        f"GRANT USAGE ON SCHEMA archiver TO {jobs.login}; GRANT SELECT, UPDATE ON archiver.jobs TO {jobs.login};"
        f"UPDATE archiver.jobs SET owner = '{jobs.login}'",
    )
    assert jobs.run_once().ending is Ending.SUCCEEDED
    assert jobs.state(columns="state, next_start::date::text") == ("idle", "2100-01-01")


# Never twice at once.


@pytest.mark.parametrize("lock", [control_lock, execute_lock])
def test_a_run_that_finds_a_lock_taken_does_nothing_and_says_so(
    jobs: JobPlace, lock: Callable[[str, int], str]
) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    number = jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    with jobs.server.connect(jobs.target) as other:
        other.execute(HELD, [lock(jobs.control, number)])
        result = jobs.run(claim)
    assert (result.ending, result.failed) == (Ending.NOTHING_DONE, False)
    assert "another session holds its lock" in result.told
    assert jobs.counters() == ("queued", 0, 0, 0, 0)
    assert not jobs.done()
    # Its Airflow run ends; another one takes it.
    jobs.ended.add("run 1")
    (again,) = jobs.plan("run 2").claims
    assert jobs.run(again).ending is Ending.SUCCEEDED


def test_locks_of_another_job_or_source_are_in_nobodys_way(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    number = jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    with jobs.server.connect(jobs.target) as other:
        for name in (control_lock(jobs.control, number + 1), control_lock(jobs.target, number)):
            other.execute(HELD, [name])
        assert jobs.run(claim).ending is Ending.SUCCEEDED


def test_one_claim_runs_once_whoever_runs_it(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    results = [ended.result() for ended in at_once([lambda: jobs.run(claim)] * 4)]
    assert sorted(result.ending for result in results) == [Ending.NOTHING_DONE] * 3 + [Ending.SUCCEEDED]
    assert jobs.run(claim).ending is Ending.NOTHING_DONE
    assert jobs.counters() == ("idle", 1, 1, 0, 0)
    assert len(jobs.done()) == 1


def test_a_claim_of_a_run_that_has_lost_it_runs_nothing(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    jobs.job(schedule_interval="1 hour")
    first = jobs.claim()
    jobs.ended.add("run 1")
    (second,) = jobs.plan("run 2").claims
    assert jobs.run(first).ending is Ending.NOTHING_DONE
    assert not jobs.done()
    assert jobs.run(second).ending is Ending.SUCCEEDED


def test_two_jobs_of_one_procedure_run_beside_each_other(jobs: JobPlace) -> None:
    jobs.define(
        "INSERT INTO app.done VALUES (job_id, config); COMMIT;"
        " WHILE (SELECT count(*) FROM app.done) < 2 LOOP COMMIT; PERFORM pg_sleep(0.05); END LOOP;"
    )
    for name in ("one", "other"):
        jobs.job(name, schedule_interval="1 hour")
        jobs.make_due(name)
    claims = jobs.plan().claims
    ends = at_once([partial(jobs.run, claim) for claim in claims])
    assert [ended.result().ending for ended in ends] == [Ending.SUCCEEDED] * 2


# What has changed since it was taken.


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE archiver.jobs SET config = '{\"days\": 3}'",
        "UPDATE archiver.jobs SET proc_name = 'other'",
        "UPDATE archiver.jobs SET scheduled = false",
        "UPDATE archiver.jobs SET timezone = 'Europe/Berlin'",
        "DELETE FROM archiver.jobs",
        "ALTER TABLE archiver.jobs DISABLE TRIGGER USER; UPDATE archiver.jobs SET cron_schedule = 'rubbish',"
        " schedule_interval = NULL; ALTER TABLE archiver.jobs ENABLE TRIGGER USER",
    ],
)
def test_a_job_that_has_changed_or_is_gone_since_it_was_taken_is_not_run(jobs: JobPlace, change: str) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    jobs.define("INSERT INTO app.done VALUES (job_id, config);", name="app.other")
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    jobs.sql(jobs.control, change)
    result = jobs.run(claim)
    assert (result.ending, "Nothing was run" in result.told) == (Ending.NOTHING_DONE, True)
    assert not jobs.done()
    assert jobs.sql(jobs.control, "SELECT state, next_start FROM archiver.job_state") in ([("idle", None)], [])


def test_what_changed_is_planned_anew_and_not_at_the_old_time(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    jobs.sql(jobs.control, "UPDATE archiver.jobs SET schedule_interval = NULL, cron_schedule = '0 0 1 1 *'")
    jobs.run(claim)
    assert jobs.plan().claims == ()
    assert jobs.state(columns="state, to_char(next_start AT TIME ZONE 'UTC', 'MM-DD HH24:MI')") == (
        "idle",
        "01-01 00:00",
    )


def test_what_a_person_asked_for_still_runs_after_a_change(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    number = jobs.job()
    jobs.plan()
    jobs.sql(jobs.control, "SELECT archiver.alter_job(%s, next_start => clock_timestamp())", number)
    (claim,) = jobs.plan().claims
    assert claim.cause == "manual"
    jobs.sql(jobs.control, "UPDATE archiver.jobs SET config = '{\"days\": 3}'")
    assert jobs.run(claim).ending is Ending.NOTHING_DONE
    (again,) = jobs.plan("run 2").claims
    assert jobs.run(again).ending is Ending.SUCCEEDED
    assert jobs.done()[0][1] == {"days": 3}
    assert jobs.runs("caused_by") == [("manual",)]


def test_a_job_that_is_deleted_while_it_runs_ends_and_nothing_of_it_is_left_open(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (1, config); COMMIT; PERFORM pg_sleep(0.5);")
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    with in_background(lambda: jobs.run(claim)) as running:
        until(lambda: bool(jobs.done()))
        jobs.sql(jobs.control, "DELETE FROM archiver.jobs")
        assert running.result().ending is Ending.SUCCEEDED
    assert jobs.runs("succeeded, folded_at IS NOT NULL") == [(True, True)]


def test_a_procedure_that_is_gone_or_no_longer_listed_when_it_is_due_is_refused(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    jobs.sql(jobs.target, "DROP PROCEDURE app.job")
    result = jobs.run(claim)
    assert result.ending is Ending.FAILED
    assert "there is no procedure or function app.job" in result.told
    assert jobs.state(columns="state, reason, next_start > clock_timestamp()") == ("refused", result.told, True)
    assert jobs.runs("id") == []


def test_what_the_file_no_longer_allows_is_not_run(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    result = jobs.with_settings(procedures=("other.*",)).run(claim)
    assert "is not among the procedures that the policy file allows" in result.told
    assert (result.failed, jobs.state(), list(jobs.done())) == (True, "refused", [])


@pytest.mark.parametrize(("asked_by", "runs"), [("schedule", False), ("manual", True)])
def test_what_has_waited_past_its_hours_is_put_off_unless_a_person_asks(
    jobs: JobPlace, asked_by: str, runs: bool
) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    ((hours,),) = jobs.sql(
        jobs.control,
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC' + '2 hours', 'HH24:00-')"
        " || to_char(clock_timestamp() AT TIME ZONE 'UTC' + '3 hours', 'HH24:00 \"UTC\"')",
    )
    jobs.job(schedule_interval="1 hour", run_window=hours)
    jobs.make_due()
    jobs.sql(jobs.control, "UPDATE archiver.job_state SET due_by = %s", asked_by)
    (claim,) = jobs.plan().claims
    result = jobs.run(claim)
    assert (result.ending is Ending.SUCCEEDED, len(jobs.done())) == (runs, int(runs))
    assert runs or "outside of its run_window" in result.told
    minute = "state, to_char(next_start AT TIME ZONE 'UTC', 'HH24:MI')"
    assert jobs.state(columns=minute) == ("idle", hours[:5])


def test_a_dry_run_checks_everything_and_calls_nothing(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (job_id, config);")
    jobs.sql(
        jobs.target,
        "CREATE PROCEDURE app.check(config jsonb) LANGUAGE plpgsql AS $$BEGIN"
        " IF config ? 'bad' THEN RAISE EXCEPTION 'Jane'; END IF; END$$",
    )
    jobs.job(schedule_interval="1 hour", check_schema="app", check_name="check")
    jobs.plan(most=0)
    before = jobs.sql(jobs.control, "SELECT * FROM archiver.job_state")
    (claim,) = jobs.plan(dry_run=True).claims
    assert jobs.run(claim, dry_run=True).ending is Ending.CHECKED
    jobs.sql(jobs.control, "UPDATE archiver.jobs SET config = '{\"bad\": 1}'")
    (claim,) = jobs.plan(dry_run=True).claims
    result = jobs.run(claim, dry_run=True)
    assert (result.failed, "its check app.check refuses the config" in result.told) == (True, True)
    assert "Jane" not in result.told
    assert jobs.sql(jobs.control, "SELECT * FROM archiver.job_state") == before
    assert not jobs.done()


# Sessions that end.


def test_longest_run_without_a_limit_of_its_own_is_four_hours(jobs: JobPlace) -> None:
    jobs.define("RAISE NOTICE '%', current_setting('statement_timeout');")
    jobs.job(schedule_interval="1 hour")
    jobs.run_once()
    assert jobs.runs("output") == [("NOTICE: 4h",)]
