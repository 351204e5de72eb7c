"""Jobs that archive or delete: rehearsed first, then rows go; stopped wherever they are not wanted any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import Interrupted, SettingError
from pg_archiver.jobs.run import Ending
from pg_archiver.policies.jobs import Action
from pg_archiver.policies.table_jobs import Tenant
from tests.support.table_jobs import DUE, KEEP_DAYS, ROWS, TableJobs

# The rows of two days stay.
STAY = KEEP_DAYS * 24
GONE = ROWS - STAY
ACTIONS = pytest.mark.parametrize("action", ["archive", "delete"])


def with_place(tables: TableJobs, **changes: Any) -> TableJobs:
    return TableJobs(replace(tables.place, **changes))


def with_settings(tables: TableJobs, **changes: Any) -> TableJobs:
    return TableJobs(tables.place.with_settings(**changes))


@ACTIONS
def test_a_new_job_is_rehearsed_at_once_and_then_rows_go(tables: TableJobs, action: str) -> None:
    tables.add(action)
    rehearsed = tables.rehearse()
    assert tables.left() == (ROWS, GONE)
    assert tables.objects() == []
    assert tables.stats() == (0, 0, 0, rehearsed.told)
    assert tables.place.runs("dry_run, succeeded, action, subject") == [(True, True, action, "app.events")]

    done = tables.act()
    assert (done.ending, done.rows) == (Ending.SUCCEEDED, GONE)
    assert tables.left() == (STAY, 0)
    assert bool(tables.objects()) is (action == "archive")
    assert tables.stats() == (1, 1, GONE, done.told)
    assert tables.place.runs("dry_run, rows") == [(True, None), (False, GONE)]


@ACTIONS
def test_a_changed_job_is_rehearsed_again(tables: TableJobs, action: str) -> None:
    number = tables.add(action, config={"keep_days": 4})
    tables.rehearse()
    assert tables.act().rows == ROWS - 4 * 24
    tables.place.sql(
        tables.place.control,
        "UPDATE archiver.jobs SET config = config || '{\"keep_days\": 3}' WHERE job_id = %s",
        number,
    )
    tables.rehearse()
    assert tables.left()[0] == 4 * 24
    assert tables.act().rows == 24


def test_it_acts_at_its_first_due_time_after_the_grace(tables: TableJobs) -> None:
    tables = with_settings(tables, grace_minutes=30)
    tables.add(schedule_interval="1 minute")
    tables.rehearse()
    assert tables.place.state("old events", "next_start - rehearsed_at BETWEEN '29 minutes' AND '32 minutes'")
    # Its time comes earlier by the clock of whoever changed the state: it is put off.
    result = tables.act()
    assert result.ending is Ending.NOTHING_DONE
    assert "its rehearsal has just ended" in result.told
    assert tables.left() == (ROWS, GONE)
    assert tables.place.state("old events", "next_start > clock_timestamp() + interval '28 minutes'")


def test_what_a_person_asks_for_after_the_rehearsal_acts_at_once_and_what_he_asked_for_before_does_not(
    tables: TableJobs,
) -> None:
    tables = with_settings(tables, grace_minutes=30)
    place, ask = tables.place, "UPDATE archiver.jobs SET next_start = clock_timestamp() WHERE job_id = %s"
    number = tables.add()
    (claim,) = place.plan().claims
    place.run(claim)
    place.sql(place.control, ask, number)
    place.sql(place.control, "UPDATE archiver.job_state SET asked_at = rehearsed_at - interval '1 second'")
    (result,) = place.run_due()
    assert result.ending is Ending.NOTHING_DONE
    assert tables.left() == (ROWS, GONE)
    place.sql(place.control, ask, number)
    (result,) = place.run_due()
    assert result.rows == GONE


@ACTIONS
def test_a_job_that_a_person_is_to_approve_waits_after_its_rehearsal(tables: TableJobs, action: str) -> None:
    tables = with_settings(tables, approve=(Action(action),))
    tables.add(action)
    rehearsed = tables.rehearse()
    assert tables.place.state("old events", "state, reason") == ("waiting", rehearsed.told)
    tables.place.sql(tables.place.control, "UPDATE archiver.job_state SET next_start = clock_timestamp()")
    assert tables.place.run_due() == []
    assert tables.left() == (ROWS, GONE)


def test_what_the_file_does_not_allow_is_refused_and_nothing_goes(tables: TableJobs) -> None:
    tables = with_settings(tables, actions=(Action.ARCHIVE,))
    tables.add("delete")
    (problem,) = tables.place.plan().problems
    assert "action 'delete' is not allowed on rds_main" in problem.told
    assert tables.left() == (ROWS, GONE)


@pytest.mark.parametrize("missing", ["app.nothing", "nowhere.events"])
def test_a_table_that_is_missing_is_skipped_counted_and_told_and_is_rehearsed_once_it_is_there(
    tables: TableJobs, missing: str
) -> None:
    tables.add(config={"table": missing})
    (result,) = tables.place.run_due()
    assert result.ending is Ending.SUCCEEDED
    assert result.told.startswith("skipped: ")
    assert tables.stats() == (1, 1, 0, result.told)
    schema, name = missing.split(".")
    tables.place.sql(
        tables.place.target,
        f"CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE ON SCHEMA {schema} TO PUBLIC;"
        f"ALTER TABLE app.events RENAME TO {name}x; ALTER TABLE app.{name}x SET SCHEMA {schema};"
        f"ALTER TABLE {schema}.{name}x RENAME TO {name}",
    )
    assert tables.act().ending is Ending.REHEARSED
    assert tables.act().rows == GONE


def test_where_a_table_must_be_there_its_lack_is_refused(tables: TableJobs) -> None:
    tables.add(config={"table": "app.nothing", "missing_ok": False})
    (result,) = tables.place.run_due()
    assert result.ending is Ending.FAILED
    assert tables.place.state("old events") == "refused"


REFUSED = {
    "view": ("CREATE VIEW app.other AS SELECT * FROM app.events", {"table": "app.other"}, "a view"),
    "column": ("SELECT 1", {"timestamp_column": "name"}, "is of type text"),
    "system": ("SELECT 1", {"table": "pg_catalog.pg_class"}, "belongs to the server itself"),
    "own": ("SELECT 1", {"table": "archiver.job_runs"}, "belongs to this program itself"),
    "part": (
        "CREATE TABLE app.whole (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);"
        "CREATE TABLE app.part PARTITION OF app.whole DEFAULT; GRANT ALL ON app.part TO PUBLIC",
        {"table": "app.part"},
        "is a part of app.whole",
    ),
    "bucket": ("SELECT 1", {"bucket": "mine"}, "bucket: a row of a table may not say where rows go"),
    "days": ("SELECT 1", {"keep_days": 0}, "min_keep_days of instance rds_main is 1"),
}


@pytest.mark.parametrize("kind", REFUSED)
@ACTIONS
def test_what_no_row_may_name_is_refused_by_name(tables: TableJobs, action: str, kind: str) -> None:
    statement, config, words = REFUSED[kind]
    tables.place.sql(tables.place.target, statement)
    tables.add(action, config=config)
    plan = tables.place.plan()
    told = [one.told for one in plan.problems] + [tables.place.run(claim).told for claim in plan.claims]
    assert [one for one in told if words in one] == told != []
    assert tables.place.state("old events") == "refused"
    assert tables.left() == (ROWS, GONE)


def test_two_jobs_on_one_table_are_both_refused_and_others_go_on(tables: TableJobs) -> None:
    for name in ("one", "two"):
        tables.add(name=name)
    tables.place.sql(tables.place.target, "CREATE TABLE app.others AS SELECT * FROM app.events")
    tables.place.sql(tables.place.target, "GRANT SELECT, DELETE ON app.others TO PUBLIC")
    tables.add(name="three", config={"table": "app.others"})
    plan = tables.place.plan()
    assert [one.subject.split(" / ")[1] for one in plan.problems] == ["one", "two"]
    assert [claim.job_name for claim in plan.claims] == ["three"]


def test_a_table_of_the_policy_file_or_a_part_of_it_is_no_jobs(tables: TableJobs) -> None:
    place = tables.place
    place.sql(place.target, "CREATE TABLE app.child () INHERITS (app.events); GRANT ALL ON app.child TO PUBLIC")
    tenants = {place.target: (Tenant("acme", {"bucket": place.source.instance.defaults["bucket"]}, frozenset()),)}
    listed = replace(tenants[place.target][0], tables=frozenset({TableName("app", "child")}))
    tables = with_place(tables, tenants={place.target: (listed,)})
    tables.add()
    (result,) = tables.place.run_due()
    assert result.ending is Ending.FAILED
    assert "app.child, a part of app.events" in result.told


@ACTIONS
def test_while_a_person_has_stopped_it_nothing_goes_and_it_is_not_red(tables: TableJobs, action: str) -> None:
    tables.add(action)
    tables.rehearse()
    tables.place.stops.append("Airflow Variable archive_enabled__acme is false")
    result = tables.act()
    assert result.ending is Ending.NOTHING_DONE
    assert "archive_enabled__acme is false. Nothing was done" in result.told
    assert tables.left() == (ROWS, GONE)
    tables.place.stops.clear()
    assert tables.act().rows == GONE


@ACTIONS
def test_what_could_not_be_asked_keeps_every_row(tables: TableJobs, action: str) -> None:
    tables.add(action)
    tables.rehearse()
    claim = tables.place.claim("old events")

    def fail(_table: object) -> None:
        raise Interrupted("Airflow could not be asked")

    connections = replace(tables.place.connections, find_stop=fail)
    with pytest.raises(Interrupted):
        tables.place.run(claim, connections=connections)
    assert tables.left() == (ROWS, GONE)


CHANGES = {
    "changed": "UPDATE archiver.jobs SET config = config || '{\"keep_days\": 300}'",
    "dropped": "DELETE FROM archiver.jobs",
    "paused": "UPDATE archiver.jobs SET scheduled = false",
}


@pytest.mark.parametrize("change", CHANGES)
@ACTIONS
def test_no_batch_begins_after_the_row_has_changed(tables: TableJobs, action: str, change: str) -> None:
    place = tables.place
    tables.add(action)
    tables.rehearse()
    claim = place.claim("old events")
    # The third batch of ten rows waits for a moment in which the row changes.
    place.sql(
        place.target,
        "CREATE FUNCTION app.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        "  IF NOT EXISTS (SELECT FROM app.events WHERE id > 0 OFFSET 100) THEN PERFORM pg_advisory_lock(4711);"
        "  PERFORM pg_advisory_unlock(4711); END IF; RETURN NULL; END $$;"
        "CREATE TRIGGER meddle AFTER DELETE ON app.events FOR EACH STATEMENT EXECUTE FUNCTION app.meddle()",
    )
    result = tables.run_while_held(claim, CHANGES[change])
    rows, due = tables.left()
    assert 0 < ROWS - rows < GONE
    assert due == GONE - (ROWS - rows)
    assert result.rows == ROWS - rows
    assert "It ended early: its row " in result.told
    assert place.runs("rows")[-1] == (ROWS - rows,)


def test_the_form_may_keep_more_and_never_less(tables: TableJobs) -> None:
    tables.add()
    tables.rehearse()
    claim = tables.place.claim("old events")
    with pytest.raises(SettingError, match="a run may keep more than its job, but not less"):
        tables.place.run(replace(claim, keep_days=1))
    assert tables.place.run(replace(claim, keep_days=4)).rows == ROWS - 4 * 24


def test_a_database_that_was_brought_back_acts_once_the_form_says_why(tables: TableJobs) -> None:
    place = tables.place
    tables.add()
    tables.rehearse()
    tables.act()
    place.sql(place.target, "DELETE FROM archiver.owners")
    place.sql(place.target, "INSERT INTO app.events (at) VALUES (now() - interval '5 days')")
    refused = tables.act()
    assert refused.failed
    assert "start the run with the parameter adopt" in refused.told
    assert tables.left()[1] == 1
    claim = place.claim("old events")
    assert place.run(replace(claim, adopt="it was brought back from a backup")).rows == 1
    assert tables.left()[1] == 0
    assert place.sql(place.target, "SELECT adopted FROM archiver.owners WHERE adopted IS NOT NULL") == [
        ("it was brought back from a backup",)
    ]


def test_minus_one_keeps_everything(tables: TableJobs) -> None:
    tables.add(config={"keep_days": -1})
    assert "everything is kept" in tables.rehearse().told
    assert tables.act().rows == 0
    assert tables.left() == (ROWS, GONE)


def test_a_run_that_takes_too_long_ends_in_good_order_and_the_next_goes_on(tables: TableJobs) -> None:
    tables.add("delete", max_runtime="1 second", config={"rows_per_second": 10})
    tables.rehearse()
    first = tables.act()
    assert first.ending is Ending.SUCCEEDED
    assert "by max_runtime; the rest is for the next run" in first.told
    assert 0 < int(first.rows or 0) < GONE
    assert tables.place.sql(tables.place.target, DUE) == [(GONE - int(first.rows or 0),)]
    assert timedelta(seconds=first.seconds) < timedelta(minutes=1)
