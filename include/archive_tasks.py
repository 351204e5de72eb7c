"""What the tasks of an archive DAG do: each takes its order from the policy and the run, and calls one step.

Tasks hand each other nothing but windows; all they know of the work's state stands in the ledger, so any of them
may be cleared and run again, alone or with its neighbours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include import wiring
from include.archiver.errors import SettingError, Unfinished
from include.archiver.ledger import Ledger
from include.archiver.maintenance_settings import Strategy
from include.archiver.models import WorkOrder
from include.archiver.policy import Client, KeepDays, Policies, TablePolicy, choose_keep_days, misspelt_variables
from include.archiver.steps.delete import delete_all
from include.archiver.steps.drop import drop
from include.archiver.steps.export import Exported, export, rehearse
from include.archiver.steps.plan import Limits, Plan, plan
from include.archiver.steps.report import Report, maintenance_due, report
from include.archiver.steps.store import store_all
from include.batches import BatchJson, as_json, from_json
from include.orders import work_order

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableWork:
    """One table of one client, and the file that says so."""

    client: Client
    policy: TablePolicy
    policies: Policies

    def order(self, context: Mapping[str, Any]) -> WorkOrder:
        """What this run is to do with the table."""
        dry_run = bool(context["params"]["dry_run"])
        return work_order(self.client, self.policy, context["dag_run"].run_id, dry_run=dry_run)

    def plan(self, context: Mapping[str, Any]) -> tuple[list[BatchJson], dict[str, object]]:
        """The batches for the mapped tasks, and a summary for the report."""
        keep = self._keep_days(context)
        limits = Limits(
            run_time=wiring.run_time(context),
            start=wiring.moment_parameter(context, "start"),
            end=wiring.moment_parameter(context, "end"),
        )
        order = self.order(context)
        if keep.everything:
            found = Plan.nothing(keep)
        else:
            with wiring.session(self.client, "plan", writes=not order.dry_run) as database:
                found = plan(
                    database,
                    wiring.object_store(self.policy),
                    order,
                    self.policy,
                    keep,
                    limits,
                    tables=self.policies.tables,
                )
                if found.batches and not order.dry_run:
                    Ledger(database, order).migrate()
        return [as_json(batch) for batch in found.batches], found.summary()

    def export(self, batch: BatchJson, context: Mapping[str, Any]) -> dict[str, int]:
        """Exports the batch's windows one after the other; in a dry run, only reads them."""
        order = self.order(context)
        bucket = wiring.object_store(self.policy)
        done: list[Exported] = []
        with wiring.session(self.client, "export", writes=not order.dry_run) as database:
            for window in from_json(batch):
                exported = (
                    rehearse(database, order, window) if order.dry_run else export(database, bucket, order, window)
                )
                done.append(exported)
        return {
            "windows": len(done),
            "rows": sum(one.rows for one in done),
            "csv_bytes": sum(one.csv_bytes for one in done),
            "object_bytes": sum(one.object_bytes for one in done),
        }

    def store(self, batch: BatchJson, context: Mapping[str, Any]) -> dict[str, int]:
        """Reads the batch's objects back; one bad object does not keep the others from being checked."""
        order = self.order(context)
        if order.dry_run:
            log.info("dry run: nothing was sent, so there is nothing to read back")
            return {"rows": 0}
        bucket = wiring.object_store(self.policy)
        with wiring.session(self.client, "store", writes=True) as database:
            return {"rows": store_all(database, bucket, order, from_json(batch).windows)}

    def delete(self, batch: BatchJson, context: Mapping[str, Any]) -> dict[str, int]:
        """Deletes the batch's archived rows, or drops the partition that they are; ends early when Airflow asks it to.

        A drop is over in a moment; deletes end between two delete batches.
        """
        order = self.order(context)
        if order.dry_run:
            log.info("dry run: nothing is deleted")
            return {"deleted": 0, "changed": 0}
        bucket = wiring.object_store(self.policy)
        windows, partition = from_json(batch).windows, from_json(batch).partition
        with wiring.stop_requested() as stopping, wiring.session(self.client, "delete", writes=True) as database:
            if partition and (dropped := drop(database, bucket, order, partition)):
                return {"deleted": dropped.rows, "changed": 0}
            results = delete_all(database, bucket, order, windows, stopping)
        return {"deleted": sum(one.rows for one in results), "changed": sum(one.changed for one in results)}

    def report(
        self,
        batches: Sequence[BatchJson] | None,
        rehearsed: Sequence[Mapping[str, int]],
        summary: Mapping[str, Any],
        context: Mapping[str, Any],
    ) -> Report:
        """Adds up the run; in a dry run from what the exports returned, else from the ledger.

        Raises:
            Unfinished: the plan failed, so there is nothing to add up.
        """
        if batches is None:
            raise Unfinished("nothing was planned; the error is in the log of the task plan")
        order = self.order(context)
        windows = [window for batch in batches for window in from_json(batch)]
        due: str | None = None
        if order.dry_run or not batches:
            # Without a dry run, what exports returned is left over from a former try.
            result = Report.of_rehearsal(len(windows), rehearsed if order.dry_run else [], dry_run=order.dry_run)
        else:
            with wiring.session(self.client, "report", writes=False) as database:
                result = report(database, order, [window.cell for window in windows])
                if self.policy.reclaim is not Strategy.NONE:
                    due = maintenance_due(
                        database, order, self.policy.reclaim_min_percent, self.policy.reclaim_min_bytes
                    )
        result = result.with_plan(summary).with_note(due)
        for line in result.lines():
            log.info("%s", line)
        return result

    def _keep_days(self, context: Mapping[str, Any]) -> KeepDays:
        self._look_for_misspelt_variables()
        return choose_keep_days(
            context["params"].get("keep_days"),
            self.client,
            self.policy,
            wiring.keep_days_variables(self.client.name),
            self.policies.source,
        )

    def _look_for_misspelt_variables(self) -> None:
        """A Variable for a client that does not exist was meant for one that does: perhaps to keep its rows."""
        for key, meant in misspelt_variables(wiring.keep_days_keys(), self.policies).items():
            message = (
                f"Airflow Variable {key} names no client of {self.policies.source}; rename it after a client "
                f"({', '.join(client.name for client in self.policies.clients[:10])}), or delete it"
            )
            if meant == self.client.name:
                raise SettingError(f"{message}. It seems to be meant for {meant!r}, so nothing was archived or deleted")
            log.error("%s", message)
