"""A table whose one task does everything: the chain's guards, the chain's report, and a next try that continues."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from pg_archiver.airflow import connections
from pg_archiver.airflow.archive import TableWork
from pg_archiver.airflow.archive_report import STEPS, read_report_of_plan, report_table
from pg_archiver.airflow.one_task import Outcome, Planned, archive_small_table, archive_table
from pg_archiver.archive.export import Exported
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.report import Report
from pg_archiver.archive.store import store_all
from pg_archiver.domain.window_lengths import MOST_ROWS_ALONE, MOST_WINDOWS_ALONE
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import DatabaseRefused, Interrupted, NotEnabled, OwnedElsewhere, Stopped, Unfinished
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket
from tests.integration.airflow.test_archive_tasks import foreign_marker
from tests.support.partitions import partitioned, partitions
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.task_context import connect_airflow, context_of, set_variables, work_on

UNREADABLE = """
    CREATE TYPE public.mood AS ENUM ('fine', 'lost');
    ALTER TABLE analytics.events ADD mood public.mood DEFAULT 'fine';
    UPDATE analytics.events SET mood = 'lost' WHERE id = 2;
    SET allow_system_table_mods = on;
    DELETE FROM pg_catalog.pg_enum WHERE enumlabel = 'lost';
    RESET allow_system_table_mods
"""


@pytest.fixture
def filled(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Three windows that are due, of a row each, and one row that is not due."""
    place.sql(EVENTS)
    place.events(hours_ago(60.5), hours_ago(58.5), hours_ago(55.5), hours_ago(1))
    connect_airflow(place, monkeypatch)
    set_variables(monkeypatch)
    return place.with_policy(tasks="one")


def context(run_id: str = "run 1", try_number: int = 1, **parameters: Any) -> dict[str, Any]:
    found = context_of(run_id, **parameters)
    return found | {"ti": SimpleNamespace(map_index=-1, try_number=try_number)}


def archive(place: Place, *, enabled: bool | None = True, **said: Any) -> Outcome:
    return archive_table(work_on(place, enabled=enabled), context(**said))


def count(place: Place) -> int:
    return int(place.sql("SELECT count(*) FROM analytics.events")[0][0])


def by_chain(place: Place) -> Report:
    """The report of a run whose steps are tasks of their own, all of which went well."""
    work = work_on(place.with_policy(tasks="chain"), enabled=True)
    batches, summary = work.plan(context())
    exports = []
    for number, batch in enumerate(batches):
        mapped = context_of(map_index=number)
        exports.append(work.export(batch, mapped))
        work.store(batch, mapped)
        work.delete(batch, mapped)
    states = {f"g.window.{step}_{number}": "success" for step in STEPS for number in range(len(batches))}
    ti = SimpleNamespace(
        try_number=1,
        xcom_pull=lambda key, **_of: {"summary": summary, "return_value": exports}[key],
        get_task_states=lambda **_asked: {"run 1": states},
    )
    told = context() | {"ti": ti}
    told["dag_run"].dag_id = "archive__x"
    return report_table(work, "g", batches, told)


def test_it_reports_what_the_chain_does(filled: Place) -> None:
    moments = [row[0] for row in filled.sql("SELECT triggered_at FROM analytics.events WHERE id < 4")]
    chained = by_chain(filled)
    assert chained.deleted == 3
    filled.sql("DROP SCHEMA archiver CASCADE")
    for key in filled.keys():  # noqa: SIM118 (a method of ours)
        filled.remove(key)
    filled.events(*moments)
    outcome = archive(filled)
    outcome.settle()
    one = outcome.report.as_dict()
    assert one.keys() == chained.as_dict().keys()
    differing = {name for name, value in chained.as_dict().items() if value != one[name]}
    assert differing <= {"csv_bytes", "object_bytes"}, "other ids compress to other lengths"
    assert count(filled) == 1
    runs = filled.sql("SELECT succeeded, rows, subject FROM archiver.job_runs")
    assert runs == [(True, 3, "analytics.events")]


def test_all_of_it_goes_by_one_connection_and_asks_s3_for_one_client(
    filled: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    connect, open_bucket = connections.open_session, connections.open_bucket

    def counting(client: Any, step: str, **how: Any) -> Any:
        opened.append(step)
        return connect(client, step, **how)

    def counting_buckets(policy: Any) -> Any:
        opened.append("bucket")
        return open_bucket(policy)

    monkeypatch.setattr(connections, "open_session", counting)
    monkeypatch.setattr(connections, "open_bucket", counting_buckets)
    archive(filled).settle()
    assert opened == ["bucket", "archive"]


def test_a_client_that_is_not_enabled_is_rehearsed(filled: Place) -> None:
    outcome = archive(filled, enabled=None)
    outcome.settle()
    assert outcome.report.dry_run
    assert (outcome.report.windows, outcome.report.rows, outcome.report.deleted) == (3, 3, 0)
    assert "is not enabled" in outcome.report.why_dry_run
    assert count(filled) == 4
    assert filled.keys() == []
    assert not filled.has_ledger()


def test_a_dry_run_by_the_form_cannot_write_at_all(filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed = archive(filled, dry_run=True)
    rehearsed.settle()
    assert (rehearsed.report.rows, rehearsed.failures) == (3, ())
    assert not filled.has_ledger()
    assert filled.keys() == []

    def writing(session: Any, *_: object) -> None:
        session.execute("ledger/schema/record_migration", number=1, name="x")

    archive(filled).settle()
    monkeypatch.setattr("pg_archiver.airflow.one_task.export_all", writing)
    filled.events(hours_ago(70))
    with pytest.raises(DatabaseRefused, match="read-only transaction"):
        raise archive(filled, dry_run=True, run_id="run 2").failures[0]
    assert count(filled) == 2


def on_export(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Does something once, when the windows have been exported and before anything else."""
    left = [action]

    def acting(session: Session, bucket: Bucket, order: WorkOrder, windows: Sequence[DueWindow]) -> list[Exported]:
        done = export_all(session, bucket, order, windows)
        if left:
            left.pop()()
        return done

    monkeypatch.setattr("pg_archiver.airflow.one_task.export_all", acting)


def test_it_asks_again_whether_the_client_is_enabled_before_rows_leave(
    filled: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_export(monkeypatch, lambda: set_variables(monkeypatch, enabled="false"))
    outcome = archive(filled)
    assert [type(failure) for failure in outcome.failures] == [NotEnabled]
    with pytest.raises(Unfinished, match="stored"):
        outcome.settle()
    assert count(filled) == 4
    assert {row[0] for row in filled.ledger()} == {"stored"}
    set_variables(monkeypatch)
    archive(filled, try_number=2).settle()
    assert count(filled) == 1
    assert len(filled.data_keys()) == 3, "nothing was exported twice"


def test_it_asks_again_who_acts_for_the_archive_before_rows_leave(
    filled: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_export(monkeypatch, lambda: foreign_marker(filled))
    outcome = archive(filled)
    assert [type(failure) for failure in outcome.failures] == [OwnedElsewhere]
    assert count(filled) == 4
    with pytest.raises(OwnedElsewhere):
        archive(filled, run_id="run 2")
    assert filled.sql("SELECT succeeded FROM archiver.job_runs WHERE airflow_run_id = 'run 2'") == [(False,)]
    archive(filled, run_id="run 3", adopt="the copy is gone").settle()
    assert count(filled) == 1
    assert filled.sql("SELECT adopted FROM archiver.owners WHERE adopted IS NOT NULL") == [("the copy is gone",)]


def test_adopting_works_while_everything_is_kept(filled: Place) -> None:
    archive(filled).settle()
    foreign_marker(filled)
    archive(filled, run_id="run 2", keep_days=-1, adopt="moved").settle()
    assert filled.sql("SELECT run_id FROM archiver.owners WHERE adopted = 'moved'") == [("run 2",)]


def test_a_bad_window_keeps_no_other_and_the_run_is_red(filled: Place) -> None:
    filled.sql(UNREADABLE)
    for night in ("run 1", "run 2"):
        outcome = archive(filled, run_id=night)
        with pytest.raises(Unfinished, match="a value does not fit its column"):
            outcome.settle()
        assert filled.sql("SELECT id FROM analytics.events ORDER BY id") == [(2,), (4,)]
    assert filled.sql("SELECT succeeded, rows FROM archiver.job_runs ORDER BY airflow_run_id") == [
        (False, 2),
        (False, 0),
    ]
    filled.sql("DELETE FROM analytics.events WHERE id = 2")
    archive(filled, run_id="run 3").settle()


def test_what_may_pass_by_itself_is_tried_again(filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaking(*_: object) -> int:
        raise Interrupted("S3 is busy")

    monkeypatch.setattr("pg_archiver.airflow.one_task.store_all", breaking)
    outcome = archive(filled)
    assert any("S3 is busy" in str(failure) for failure in outcome.failures)
    with pytest.raises(Interrupted, match="S3 is busy"):
        outcome.settle()
    assert count(filled) == 4
    monkeypatch.setattr("pg_archiver.airflow.one_task.store_all", store_all)
    again = archive(filled, try_number=2)
    again.settle()
    assert (again.report.deleted, count(filled)) == (3, 1)


def test_a_stop_ends_it_between_two_delete_batches_and_the_next_try_goes_on(
    filled: Place, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    place = filled.with_policy(batch_size=2)
    place.sql("DELETE FROM analytics.events")
    place.events(*(hours_ago(60.5 - minute / 1000) for minute in range(9)), hours_ago(50.5))
    asked: list[int] = []

    def stop_at_second(ownership: Ownership) -> None:
        asked.append(count(place))
        if len(asked) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Ownership, "reconfirm", stop_at_second)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    request.addfinalizer(lambda: signal.signal(signal.SIGTERM, before))
    with pytest.raises(Stopped, match=r"stopped after \d of \d rows"):
        archive(place)
    left = count(place)
    assert 1 < left < 10
    keys = place.data_keys()
    monkeypatch.undo()
    connect_airflow(place, monkeypatch)
    set_variables(monkeypatch)
    archive(place, try_number=2).settle()
    assert count(place) == 0
    assert place.data_keys() == keys, "nothing was exported twice"
    assert sum(row[2] for row in place.ledger()) == 10


def test_a_stop_while_it_plans_lets_no_row_leave(filled: Place, request: pytest.FixtureRequest) -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    request.addfinalizer(lambda: signal.signal(signal.SIGTERM, before))
    with pytest.raises(Stopped, match="before the step export"):
        archive_after_stop(filled)
    assert count(filled) == 4


def archive_after_stop(place: Place) -> Outcome:
    """Archives, and is told to stop when its plan is made."""
    work = work_on(place, enabled=True)

    class Stopping(TableWork):
        def find_due(self, *arguments: Any) -> Any:
            found = super().find_due(*arguments)
            os.kill(os.getpid(), signal.SIGTERM)
            return found

    return archive_table(Stopping(work.client, work.policy, work.policies), context())


def test_a_connection_that_is_lost_is_told_and_tried_again(filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut() -> None:
        filled.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'archiver archive%%'"
            " AND datname = current_database() AND pid <> pg_backend_pid()"
        )

    on_export(monkeypatch, cut)
    outcome = archive(filled)
    with pytest.raises(Interrupted):
        outcome.settle()
    assert outcome.report.unfinished
    assert count(filled) == 4
    monkeypatch.undo()
    connect_airflow(filled, monkeypatch)
    set_variables(monkeypatch)
    archive(filled, try_number=2).settle()
    assert count(filled) == 1


def test_partitions_are_dropped_whole(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    partitioned(place, 5, 1)
    connect_airflow(place, monkeypatch)
    set_variables(monkeypatch)
    outcome = archive(place.with_policy(tasks="one"))
    outcome.settle()
    assert len(outcome.report.partitions) == 1
    assert len(partitions(place)) == 1


def test_a_backlog_goes_batch_by_batch(filled: Place, caplog: pytest.LogCaptureFixture) -> None:
    place = filled.with_policy(windows_per_task=2)
    filled.events(hours_ago(70.5))
    batches, _ = work_on(place, enabled=True).plan(context())
    assert len(batches) == 2
    caplog.set_level("INFO")
    archive(place).settle()
    assert count(place) == 1
    exported = [number for number, line in enumerate(caplog.messages) if "of CSV in" in line and "generation" in line]
    stored = [number for number, line in enumerate(caplog.messages) if "of CSV in" not in line and "window" in line]
    assert exported[2] > min(number for number in stored if number > exported[1]), "the first batch is through by then"


def small(place: Place, **said: Any) -> Outcome | Planned:
    return archive_small_table(work_on(place.with_policy(tasks="auto"), enabled=True), context(**said))


@pytest.mark.more
def test_auto_does_what_is_little_and_hands_on_what_is_not(filled: Place) -> None:
    filled.events(*(hours_ago(100 + hour) for hour in range(MOST_WINDOWS_ALONE - 3)))
    filled.events(hours_ago(300))
    planned = small(filled)
    assert isinstance(planned, Planned)
    assert planned.summary["windows"] == MOST_WINDOWS_ALONE + 1
    assert planned.batches
    filled.sql("DELETE FROM analytics.events WHERE triggered_at < %s", hours_ago(299))
    done = small(filled)
    assert isinstance(done, Outcome)
    done.settle()
    assert (done.report.deleted, count(filled)) == (MOST_WINDOWS_ALONE, 1)
    nothing = small(filled, run_id="run 2")
    assert isinstance(nothing, Outcome)
    assert nothing.report.lines()[0] == "nothing was due"


def test_auto_hands_on_many_rows(filled: Place) -> None:
    filled.sql(
        "INSERT INTO analytics.events (triggered_at) SELECT %s FROM generate_series(1, %s)",
        hours_ago(60.5),
        MOST_ROWS_ALONE - 2,
    )
    planned = small(filled)
    assert isinstance(planned, Planned)
    assert [batch["dry_run"] for batch in planned.batches] == [False] * 3
    filled.sql("DELETE FROM analytics.events WHERE id = 1")
    assert isinstance(small(filled, dry_run=True), Outcome)


def test_a_report_repeats_what_a_plan_told_that_did_everything() -> None:
    told = {"deleted": 3}
    ti = SimpleNamespace(xcom_pull=lambda task_ids, key: told if (task_ids, key) == ("g.plan", "report") else None)
    assert read_report_of_plan("g", [], {"ti": ti}) == told
    with pytest.raises(Unfinished, match="the task plan did the work of the whole table, and failed"):
        read_report_of_plan("g", None, {"ti": ti})
    none = SimpleNamespace(xcom_pull=lambda **_of: None)
    assert read_report_of_plan("g", None, {"ti": none}) is None
