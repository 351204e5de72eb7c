"""Archive and maintenance in the statistics: one row a run and subject, and never the reason for a run's colour."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import sql

from pg_archiver.airflow.archive_report import STEPS, report_table
from pg_archiver.airflow.batch_json import BatchJson
from pg_archiver.archive.report import Report
from pg_archiver.errors import MaintenanceRefused, Unfinished
from pg_archiver.ledger.dag_runs import DagRuns
from pg_archiver.ledger.maintenance_log import Action, MaintenanceLog
from pg_archiver.ledger.window_ledger import WindowLedger
from tests.support.place import EVENTS, NOW, Place, hours_ago
from tests.support.task_context import connect_airflow, context_of, set_variables, work_on

pytestmark = pytest.mark.more

GROUP = "table_analytics_events"
STARTED = NOW - timedelta(minutes=5)
STATS = (
    "job_id, source, action, subject, last_run_status, total_runs, total_successes, total_failures, total_crashes,"
    " total_rows"
)


class Task:
    """What Airflow tells a report of the other tasks of its run."""

    def __init__(self, summary: object, exports: list[dict[str, Any]], failed: str = "") -> None:
        self.summary, self.exports, self.failed = summary, exports, failed
        self.map_index, self.try_number = 0, 2

    def xcom_pull(self, task_ids: object, key: str) -> object:
        return self.summary if key == "summary" else self.exports

    def get_task_states(self, dag_id: str, task_group_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        states = {
            f"{task_group_id}.{step}_{batch}": "failed" if step == self.failed else "success"
            for step in STEPS
            for batch in range(9)
        }
        return dict.fromkeys(run_ids, states)


def report(place: Place, batches: list[BatchJson] | None, task: Task, **parameters: Any) -> Report:
    context = context_of("run 1", **parameters)
    run = SimpleNamespace(run_id="run 1", run_after=NOW, conf={}, dag_id="archive__x", start_date=STARTED)
    return report_table(work_on(place, enabled=True), GROUP, batches, context | {"ti": task, "dag_run": run})


@pytest.fixture
def filled(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    place.sql(EVENTS)
    place.events(hours_ago(60), hours_ago(60), hours_ago(1))
    connect_airflow(place, monkeypatch)
    set_variables(monkeypatch)
    return place


def archived(place: Place) -> tuple[list[BatchJson], dict[str, object], list[dict[str, Any]]]:
    """Plan, export, store and delete of a run, as its tasks do them."""
    work = work_on(place, enabled=True)
    batches, summary = work.plan(context_of("run 1"))
    exports = []
    for number, batch in enumerate(batches):
        exports.append(work.export(batch, context_of("run 1", number)))
        work.store(batch, context_of("run 1", number))
        work.delete(batch, context_of("run 1", number))
    return batches, summary, exports


def test_an_archive_run_is_one_row_of_its_table_and_says_what_left(filled: Place) -> None:
    batches, summary, exports = archived(filled)
    found = report(filled, batches, Task(summary, exports))
    assert filled.sql(f"SELECT {STATS} FROM archiver.job_stats") == [
        (None, "dag", "archive", "analytics.events", "Success", 1, 1, 0, 0, 2)
    ]
    columns = "job_name, caused_by, started_at, bytes, airflow_dag_id, airflow_run_id, crashed, dry_run"
    assert filled.sql(f"SELECT {columns} FROM archiver.job_runs") == [
        ("archive__x", "dag", STARTED, found.object_bytes, "archive__x", "run 1", False, False)
    ]


def test_a_run_that_was_cleared_tells_its_own_row_anew(filled: Place) -> None:
    batches, summary, exports = archived(filled)
    report(filled, batches, Task(summary, exports, failed="delete"))
    assert filled.sql("SELECT last_run_status FROM archiver.job_stats") == [("Failed",)]
    report(filled, batches, Task(summary, exports))
    assert filled.sql(f"SELECT {STATS} FROM archiver.job_stats") == [
        (None, "dag", "archive", "analytics.events", "Success", 1, 1, 0, 0, 2)
    ]


def test_a_run_that_is_not_finished_is_a_failure_with_why(filled: Place) -> None:
    batches, summary, exports = archived(filled)
    found = report(filled, batches, Task(summary, exports, failed="delete"))
    assert len(found.unfinished) == 1
    assert filled.sql(f"SELECT {STATS} FROM archiver.job_stats")[0][4:9] == ("Failed", 1, 0, 1, 0)
    ((message,),) = filled.sql("SELECT err_message FROM archiver.job_errors")
    assert message.startswith("1 thing(s) are not as they should be: ")


def test_a_plan_that_failed_is_a_failure_of_the_run(filled: Place) -> None:
    archived(filled)
    with pytest.raises(Unfinished):
        report(filled, None, Task(None, []))
    assert filled.sql("SELECT last_run_status, total_failures FROM archiver.job_stats") == [("Failed", 1)]
    assert "nothing was planned" in filled.sql("SELECT err_message FROM archiver.job_errors")[0][0]


def test_a_run_to_which_nothing_was_due_is_a_success(filled: Place) -> None:
    archived(filled)
    work = work_on(filled, enabled=True)
    batches, summary = work.plan(context_of("run 2"))
    assert batches == []
    report(filled, batches, Task(summary, []))
    assert filled.sql(f"SELECT {STATS} FROM archiver.job_stats")[0][4:6] == ("Success", 1)


def test_a_dry_run_and_one_without_a_ledger_write_nothing(filled: Place) -> None:
    work = work_on(filled, enabled=True)
    _, summary = work.plan(context_of("run 1", dry_run=True))
    report(filled, [], Task(summary, []))
    assert not filled.has_ledger()
    with pytest.raises(Unfinished):
        report(filled, None, Task(None, []), dry_run=True)
    report(filled, [], Task({**summary, "dry_run": ""}, []))
    assert not filled.has_ledger()
    archived(filled)
    _, summary = work.plan(context_of("run 3", dry_run=True))
    report(filled, [], Task(summary, []))
    assert filled.sql("SELECT count(*) FROM archiver.job_runs") == [(0,)]


def test_statistics_that_cannot_be_written_are_a_warning_with_the_grant(
    filled: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    batches, summary, exports = archived(filled)
    limited = filled.as_role(
        "limited",
        "USAGE ON SCHEMA archiver, analytics",
        "SELECT ON archiver.windows, archiver.migrations, archiver.partitions, archiver.lowest_version",
        "SELECT ON analytics.events",
    )
    server = {"conn_type": "postgres", "host": filled.server.host, "port": filled.server.port}
    account = {"login": limited.role, "password": filled.server.password}
    monkeypatch.setenv("AIRFLOW_CONN_RDS_MAIN", json.dumps(server | account))
    with caplog.at_level(logging.WARNING):
        found = report(filled, batches, Task(summary, exports))
    assert (found.deleted, found.unfinished) == (2, ())
    (warning,) = [record.getMessage() for record in caplog.records if "statistics" in record.getMessage()]
    assert "permission denied for table job_runs" in warning
    assert "GRANT SELECT, INSERT, UPDATE ON archiver.job_runs" in warning


def test_each_action_of_maintenance_is_a_row_and_a_crash_until_it_ends(filled: Place) -> None:
    with filled.session() as session:
        log = MaintenanceLog(session, filled.order)
        with log.record(Action.VACUUM):
            assert filled.sql("SELECT action, subject, crashed, pid FROM archiver.job_runs") == [
                ("vacuum", "analytics.events", True, session.process)
            ]
            assert filled.sql("SELECT job_name, job_status FROM archiver.job_stats") == [("maintenance", "Running")]
        with pytest.raises(MaintenanceRefused), log.record(Action.RECLAIM):
            raise MaintenanceRefused("not now")
    assert filled.sql(f"SELECT {STATS} FROM archiver.job_stats ORDER BY action") == [
        (None, "dag", "reclaim", "analytics.events", "Failed", 1, 0, 1, 0, 0),
        (None, "dag", "vacuum", "analytics.events", "Success", 1, 1, 0, 0, 0),
    ]
    assert filled.sql("SELECT err_message FROM archiver.job_errors") == [("not now",)]


def test_an_action_whose_process_died_stays_a_crash(filled: Place) -> None:
    with filled.session() as session:
        WindowLedger(session, filled.order).migrate()
        assert DagRuns(session, "maintenance", "run 1").begin(Action.VACUUM, "analytics.events")
    later = filled.ordered(run_id="run 2")
    with later.session() as session, MaintenanceLog(session, later.order).record(Action.INDEX):
        pass
    assert filled.sql("SELECT action, crashed, succeeded FROM archiver.job_runs ORDER BY id") == [
        ("vacuum", True, False),
        ("index", False, True),
    ]
    assert filled.sql("SELECT last_run_status FROM archiver.job_stats WHERE action = 'vacuum'") == [("Crashed",)]


def test_maintenance_that_may_not_write_statistics_works_all_the_same(
    filled: Place, caplog: pytest.LogCaptureFixture
) -> None:
    filled.windows()
    limited = filled.as_role("upkeep", "USAGE ON SCHEMA archiver", "SELECT ON ALL TABLES IN SCHEMA archiver")
    role = sql.Identifier(str(limited.role)).as_string()
    filled.sql(f"GRANT INSERT, UPDATE ON archiver.maintenance TO {role}")
    with (
        caplog.at_level(logging.WARNING),
        limited.session() as session,
        MaintenanceLog(session, filled.order).record(Action.VACUUM),
    ):
        pass
    assert filled.sql("SELECT state FROM archiver.maintenance") == [("done",)]
    assert any("permission denied for table job_runs" in record.getMessage() for record in caplog.records)


def test_a_dry_run_of_maintenance_writes_none(filled: Place) -> None:
    dry = filled.ordered(dry_run=True)
    filled.windows()
    with dry.session() as session, MaintenanceLog(session, dry.order).record(Action.VACUUM):
        pass
    assert filled.sql("SELECT count(*) FROM archiver.job_runs") == [(0,)]


def test_times_are_the_servers(filled: Place) -> None:
    """A run whose worker's clock goes before the server's has not begun in the future."""
    batches, summary, exports = archived(filled)
    context = context_of("run 1")
    ahead = datetime.now(UTC) + timedelta(days=3)
    run = SimpleNamespace(run_id="run 1", run_after=NOW, conf={}, dag_id="archive__x", start_date=ahead)
    task = Task(summary, exports)
    report_table(work_on(filled, enabled=True), GROUP, batches, context | {"ti": task, "dag_run": run})
    assert filled.sql("SELECT started_at <= finished_at AND finished_at <= now() FROM archiver.job_runs") == [(True,)]
