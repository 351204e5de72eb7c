"""What the task `report` of an archive DAG does: how its table's tasks ended, what the ledger says, and who is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from airflow.sdk.observability import stats

from pg_archiver.airflow import connections
from pg_archiver.airflow.archive import TableWork
from pg_archiver.airflow.batch_json import BatchJson, from_json
from pg_archiver.airflow.run_context import read_parameters
from pg_archiver.archive.report import BatchEnd, Report, report
from pg_archiver.errors import Unfinished
from pg_archiver.ledger.dag_runs import DagRuns, warn_of_lost_statistics
from pg_archiver.ledger.job_runs import RunEnd
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.maintenance.inspect import find_due_maintenance
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)

# The XCom in which a plan that did everything itself leaves its report.
ALONE = "report"
STEPS = ("export", "store", "delete")
_SUCCESS = "success"
_STAYING = "archiver.rows_that_stay"
_ACTION = "archive"


def read_report_of_plan(
    group: str, batches: Sequence[BatchJson] | None, context: Mapping[str, Any]
) -> dict[str, object] | None:
    """Return what a plan reported that did everything itself; None if it left the work to other tasks.

    Raises:
        Unfinished: something failed there.
    """
    found: dict[str, object] | None = context["ti"].xcom_pull(task_ids=f"{group}.plan", key=ALONE)
    if found and batches is None:
        raise Unfinished(
            "the task plan did the work of the whole table, and failed: its log has the errors, and its XCom report "
            "what came of it. Fix: see there, and clear the task plan to continue"
        )
    return found


def report_table(
    work: TableWork, group: str, batches: Sequence[BatchJson] | None, context: Mapping[str, Any]
) -> Report:
    """Add up the run; a dry run from what its exports returned, any other from the ledger, and note it there.

    Raises:
        Unfinished: the plan failed, so there is nothing to add up.
        SettingError: the run's parameters are not those that it asked for.
    """
    rehearsed = bool(read_parameters(context)["dry_run"])
    try:
        result = _report(work, group, batches, context)
    except Unfinished as nothing:
        if not rehearsed:
            note_statistics(work, context, RunEnd(succeeded=False, err_message=str(nothing)))
        raise
    if not result.dry_run:
        note_statistics(work, context, make_end(result))
    return result


def _report(work: TableWork, group: str, batches: Sequence[BatchJson] | None, context: Mapping[str, Any]) -> Report:
    ti = context["ti"]
    summary = ti.xcom_pull(task_ids=f"{group}.plan", key="summary")
    if batches is None or summary is None:
        raise Unfinished("nothing was planned; the error is in the log of the task plan")
    if "dry_run" not in summary:
        raise Unfinished("an older version planned this run, so its result is not known. Fix: clear its task plan")
    # Asked for as a list: of one task with one mapped instance Airflow gives the value alone.
    exports = [one for one in ti.xcom_pull(task_ids=[f"{group}.window.export"], key="return_value") if one]
    return add_up(
        work, summary, _read_ends(group, batches, exports, context), _read_returned(exports, batches), context
    )


def add_up(
    work: TableWork,
    summary: Mapping[str, Any],
    ends: Sequence[BatchEnd],
    exports: Sequence[Mapping[str, Any]],
    context: Mapping[str, Any],
    session: Session | None = None,
) -> Report:
    """Return what came of the run, and tell it in the log.

    Args:
        work: the table.
        summary: of the plan.
        ends: how the batches ended.
        exports: what the exports of these batches returned.
        context: the task's.
        session: one on the client database, if there is one by now.
    """
    ti = context["ti"]
    if summary["dry_run"]:
        result = Report.of_rehearsal(ends, exports, summary["dry_run"])
        if ti.try_number > 1:
            result = result.with_note(_find_done_before(work, context, session))
    elif ends or ti.try_number > 1:
        result = _report_by_ledger(work, ends, context, session)
    else:
        result = Report.of_nothing()
    result = result.with_plan(summary)
    for line in result.lines():
        log.info("%s", line)
    _measure_staying(work, summary)
    return result


def make_end(result: Report) -> RunEnd:
    """Return what the statistics are told: the rows that left, and the bytes of their objects."""
    told: str | None = None
    try:
        result.refuse_unfinished()
    except Unfinished as unfinished:
        told = str(unfinished)
    return RunEnd(succeeded=told is None, rows=result.deleted, bytes=result.object_bytes, err_message=told)


def note_statistics(work: TableWork, context: Mapping[str, Any], end: RunEnd, session: Session | None = None) -> None:
    """Note the run in the database's statistics; what cannot be is told in the log, and changes nothing else."""
    dag_id, run = context["dag"].dag_id, context["dag_run"]
    with (
        warn_of_lost_statistics(work.client.database),
        _use_session(work, session, writes=True) as used,
    ):
        started_at = getattr(run, "start_date", None)
        DagRuns(used, dag_id, run.run_id).note(_ACTION, str(work.policy.name), started_at, end)


def _report_by_ledger(
    work: TableWork, ends: Sequence[BatchEnd], context: Mapping[str, Any], session: Session | None
) -> Report:
    """Report by the ledger: a run that was cleared may have archived what its plan no longer names."""
    order = work.make_order(context, dry_run=False)
    policy = work.policy
    with _use_session(work, session, writes=False) as used:
        if not ends and not WindowLedger(used, order).is_current():
            return Report.of_nothing()
        result = report(used, order, ends)
        if policy.reclaim is Strategy.NONE:
            return result
        return result.with_note(find_due_maintenance(used, order, policy.reclaim_min_percent, policy.reclaim_min_bytes))


def _find_done_before(work: TableWork, context: Mapping[str, Any], session: Session | None) -> str | None:
    """Return what this very run had done before it was cleared and became a dry run; None if it had done nothing."""
    done = _report_by_ledger(work, [], context, session)
    if not done.windows:
        return None
    return (
        f"before it was cleared this run was a real one: {done.deleted:,} rows of {done.windows:,} windows left, and "
        f"{len(done.unfinished):,} windows are unfinished"
    )


def _use_session(work: TableWork, session: Session | None, *, writes: bool) -> AbstractContextManager[Session]:
    """Return the session that is there, if it still is, and otherwise one of the report's own."""
    if session is not None and not session.closed:
        return nullcontext(session)
    return connections.open_session(work.client, "report", writes=writes, policy=work.policy)


def _read_returned(exports: Sequence[Mapping[str, Any]], batches: Sequence[BatchJson]) -> list[Mapping[str, Any]]:
    """Return what the exports of these batches returned; a plan that was cleared alone leaves those of others."""
    labels = {number: batch["label"] for number, batch in enumerate(batches)}
    return [one for one in exports if labels.get(one.get("batch", -1)) == one.get("label")]


def _read_ends(
    group: str, batches: Sequence[BatchJson], exports: Sequence[Mapping[str, Any]], context: Mapping[str, Any]
) -> list[BatchEnd]:
    """Return how each batch's tasks ended, by Airflow's states: only the leaves of a DAG decide about its run."""
    if not batches:
        return []
    run = context["dag_run"]
    found = context["ti"].get_task_states(dag_id=run.dag_id, task_group_id=f"{group}.window", run_ids=[run.run_id])
    states = found.get(run.run_id, {})
    exported = {one["batch"] for one in _read_returned(exports, batches)}
    ends = []
    for number, batch in enumerate(batches):
        of_steps = {step: states.get(f"{group}.window.{step}_{number}") for step in STEPS}
        failed = ", ".join(f"{step} {state or 'never ran'}" for step, state in of_steps.items() if state != _SUCCESS)
        ends.append(BatchEnd(from_json(batch), batch["label"], failed, number in exported))
    return ends


def _measure_staying(work: TableWork, summary: Mapping[str, Any]) -> None:
    """Emit a gauge of the rows that stay although they are old, by their cause."""
    for one in summary["staying"]:
        tags = {"client": work.client.name, "table": work.policy.table, "cause": one["cause"]}
        stats.gauge(_STAYING, one["rows"], tags=tags)
