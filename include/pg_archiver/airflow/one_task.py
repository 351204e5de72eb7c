"""What the one task of a table does: plan, export, store, delete and report, in this order, by one connection.

The steps are those of the chain, with the same guards before each. What one of them fails at is kept for the end, where
the chain would have a red task beside others that go on; the next try plans anew, and continues by the ledger.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from pg_archiver.airflow import connections
from pg_archiver.airflow.archive import TableWork, add_up_exports
from pg_archiver.airflow.archive_report import STEPS, add_up, make_end, note_statistics
from pg_archiver.airflow.batch_json import BatchJson, to_json
from pg_archiver.airflow.run_context import read_parameters
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.plan import Plan
from pg_archiver.archive.report import BatchEnd, Report
from pg_archiver.archive.store import store_all
from pg_archiver.domain.work import Batch, WorkOrder
from pg_archiver.errors import ArchiverError, Interrupted, Stopped
from pg_archiver.ledger.job_runs import RunEnd
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """What a plan found that others are to carry: the batches, and what the report repeats."""

    batches: list[BatchJson]
    summary: Mapping[str, object]


@dataclass(frozen=True)
class Outcome:
    """What came of a table that one task took to its end: the report, and what failed."""

    report: Report
    failures: tuple[ArchiverError, ...]
    summary: Mapping[str, object]

    def settle(self) -> None:
        """Fail if anything is unfinished.

        Raises:
            ArchiverError: what may pass by itself, so that the task is tried again; `Unfinished` names everything else.
        """
        for failure in self.failures:
            if isinstance(failure, Interrupted):
                raise failure
        self.report.refuse_unfinished()
        if self.failures:
            raise self.failures[0]


def archive_table(work: TableWork, context: Mapping[str, Any]) -> Outcome:
    """Take the table from its plan to its report.

    Raises:
        ArchiverError: the plan failed, so there is nothing to report.
        Stopped: Airflow asked the task to end.
    """
    # First of all, so that a stop which comes while connections are made is seen too.
    with connections.watch_for_stop() as asked, ExitStack() as exits:
        try:
            steps = _plan(work, context, asked, exits)
        except Stopped:
            raise
        except ArchiverError:
            if not read_parameters(context)["dry_run"]:
                told = "nothing was planned; the error is in the log of the task archive"
                note_statistics(work, context, RunEnd(succeeded=False, err_message=told))
            raise
        return steps.run(context)


def archive_small_table(work: TableWork, context: Mapping[str, Any]) -> Outcome | Planned:
    """Plan, and take the table to its report if there is little to do; return the plan if there is more.

    Raises:
        ArchiverError, Stopped: as of `archive_table`.
    """
    with connections.watch_for_stop() as asked, ExitStack() as exits:
        steps = _plan(work, context, asked, exits)
        if steps.found.small:
            return steps.run(context)
        return Planned([to_json(one, dry_run=steps.order.dry_run) for one in steps.found.batches], steps.summary)


def _plan(work: TableWork, context: Mapping[str, Any], asked: Callable[[], bool], exits: ExitStack) -> _TableSteps:
    begun = work.begin(context)
    bucket = connections.open_bucket(work.policy)
    session = exits.enter_context(
        connections.open_session(work.client, "archive", writes=not begun.dry, policy=work.policy)
    )
    found, summary = work.find_due(begun, session, bucket, context)
    return _TableSteps(work, session, bucket, work.make_order(context, dry_run=begun.dry), asked, found, summary)


@dataclass
class _TableSteps:
    """The steps of one table's batches, one after the other, and what came of them."""

    work: TableWork
    session: Session
    bucket: Bucket
    order: WorkOrder
    asked: Callable[[], bool]
    found: Plan
    summary: Mapping[str, object]
    exports: list[dict[str, int]] = field(default_factory=list)
    failures: list[ArchiverError] = field(default_factory=list)

    def run(self, context: Mapping[str, Any]) -> Outcome:
        """Take all batches through the steps, and report."""
        ends = [self._take_through(batch) for batch in self.found.batches]
        result = add_up(self.work, self.summary, ends, self.exports, context, self.session)
        if not result.dry_run:
            note_statistics(self.work, context, make_end(result), self.session)
        return Outcome(result, tuple(self.failures), self.summary)

    def _take_through(self, batch: Batch) -> BatchEnd:
        """Do each step with the batch. A step that fails keeps neither the next one nor another batch from its turn."""
        label = to_json(batch, dry_run=self.order.dry_run)["label"]
        steps: Sequence[Callable[[Batch], None]] = (self._export, self._store, self._delete)
        failed: list[str] = []
        for name, step in zip(STEPS, steps, strict=True):
            if self.asked():
                raise Stopped(f"{label}: the task was told to stop before the step {name}. Run it again to continue")
            if self.session.closed:
                # The next try makes a connection of its own.
                failed.append(f"{name} never ran")
                continue
            try:
                step(batch)
            except Stopped:
                raise
            except ArchiverError as failure:
                log.error("%s: %s failed: %s", label, name, failure)  # noqa: TRY400 (the message is whole)
                self.failures.append(failure)
                failed.append(f"{name} failed")
        exported = not any(one.startswith(STEPS[0]) for one in failed)
        return BatchEnd(batch, label, ", ".join(failed), exported)

    def _export(self, batch: Batch) -> None:
        self.exports.append(add_up_exports(export_all(self.session, self.bucket, self.order, batch.windows)))

    def _store(self, batch: Batch) -> None:
        if not self.order.dry_run:
            store_all(self.session, self.bucket, self.order, batch.windows)

    def _delete(self, batch: Batch) -> None:
        if not self.order.dry_run:
            self.work.delete_batch(batch, self.session, self.bucket, self.order, self.asked)
