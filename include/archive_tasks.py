"""What the tasks of an archive DAG do: each takes its order from the policy and the run, and calls one step.

Tasks hand each other nothing but windows; all they know of the work's state stands in the ledger, so any of them
may be cleared and run again, alone or with its neighbours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from include import wiring
from include.archiver.database import Database
from include.archiver.errors import NotEnabled, Stopped
from include.archiver.ledger import Ledger
from include.archiver.models import WorkOrder
from include.archiver.ownership import Ownership
from include.archiver.policy import Client, KeepDays, Policies, TablePolicy
from include.archiver.steps.delete import delete_all
from include.archiver.steps.drop import bring_back, drop
from include.archiver.steps.export import export_all
from include.archiver.steps.plan import Limits, OtherTables, Plan, plan
from include.archiver.steps.store import store_all
from include.archiver.storage import ObjectStore
from include.batches import BatchJson, as_json, from_json, is_dry
from include.client_settings import ClientSettings
from include.orders import work_order
from include.run_context import read_parameters
from include.variables import read_client_variables

log = logging.getLogger(__name__)

_BY_PARAMETER = "the run's parameter dry_run is set"


@dataclass(frozen=True)
class TableWork:
    """One table of one client, and the file that says so."""

    client: Client
    policy: TablePolicy
    policies: Policies

    def order(self, context: Mapping[str, Any], *, dry_run: bool) -> WorkOrder:
        """What this run is to do with the table; `dry_run` where the plan, or the policy by now, says so.

        Raises:
            SettingError: the run's parameters are not those that it asked for.
        """
        dry_run = dry_run or bool(read_parameters(context)["dry_run"])
        return work_order(self.client, self.policy, context["dag_run"].run_id, dry_run=dry_run)

    def plan(self, context: Mapping[str, Any]) -> tuple[list[BatchJson], dict[str, object]]:
        """The batches for the mapped tasks, and a summary for the report."""
        parameters = read_parameters(context)
        settings = self._settings()
        keep = settings.find_keep_days(parameters.get("keep_days"))
        enabled = settings.find_enabled(lambda: self._had_deleted(context))
        dry_run = _BY_PARAMETER if parameters["dry_run"] else "" if enabled.yes else enabled.why
        _tell_dry_run(dry_run)
        notes: list[str] = []
        adopt = parameters.get("adopt") or None
        if not keep.everything:
            found, notes = self._found(context, keep, settings, dry_run=bool(dry_run))
        else:
            found = Plan.nothing(keep)
            if adopt and not dry_run:
                self._adopt(adopt, context)
        if adopt and dry_run:
            notes = [*notes, "this database was not adopted, because this is a dry run"]
        batches = [as_json(batch, dry_run=bool(dry_run)) for batch in found.batches]
        summary = found.summary()
        told = [*notes, *([f"enabled: {enabled.why}"] if enabled.yes else [])]
        return batches, {**summary, "notes": [*found.notes, *told], "dry_run": dry_run}

    def export(self, batch: BatchJson, context: Mapping[str, Any]) -> dict[str, Any]:
        """Exports the batch's windows one after the other; in a dry run, only reads them."""
        order = self.order(context, dry_run=is_dry(batch))
        bucket = wiring.object_store(self.policy)
        with wiring.session(self.client, "export", writes=not order.dry_run, policy=self.policy) as database:
            done = export_all(database, bucket, order, from_json(batch).windows)
        return {
            "batch": _map_index(context),
            "label": batch["label"],
            "windows": len(done),
            "rows": sum(one.rows for one in done),
            "csv_bytes": sum(one.csv_bytes for one in done),
            "object_bytes": sum(one.object_bytes for one in done),
        }

    def store(self, batch: BatchJson, context: Mapping[str, Any]) -> dict[str, int]:
        """Reads the batch's objects back; one bad object does not keep the others from being checked."""
        order = self.order(context, dry_run=is_dry(batch))
        if order.dry_run:
            log.info("dry run: nothing was sent, so there is nothing to read back")
            return {"rows": 0}
        bucket = wiring.object_store(self.policy)
        with wiring.session(self.client, "store", writes=True, policy=self.policy) as database:
            return {"rows": store_all(database, bucket, order, from_json(batch).windows)}

    def delete(self, batch: BatchJson, context: Mapping[str, Any]) -> dict[str, int]:
        """Deletes the batch's archived rows, or drops the partition that they are; ends early when Airflow asks it to.

        Deletes end between two delete batches; a statement that takes longer than two seconds by then is cancelled,
        and what it did is rolled back.

        Raises:
            NotEnabled: the client was enabled when the run was planned, and is not any more.
            Interrupted: whether it still is could not be found out.
        """
        # First of all, so that a stop which comes while connections are made is seen too.
        with wiring.stop_requested() as asked:
            order = self.order(context, dry_run=is_dry(batch))
            if order.dry_run:
                log.info("dry run: nothing is deleted")
                return {"deleted": 0, "changed": 0}
            settings = self._settings()
            bucket = wiring.object_store(self.policy)
            with wiring.session(self.client, "delete", writes=True, policy=self.policy) as database:
                self._refuse_if_disabled(settings, database, order)
                return self._deleted(batch, database, bucket, order, asked)

    def _deleted(
        self, batch: BatchJson, database: Database, bucket: ObjectStore, order: WorkOrder, asked: Callable[[], bool]
    ) -> dict[str, int]:
        ownership = Ownership(database, bucket, order)
        ownership.confirm()

        def stopping() -> bool:
            if asked():
                return True
            ownership.reconfirm()
            return False

        def confirm() -> None:
            """Loading the lists of a whole partition, and waiting for its detach, may have taken a while."""
            self._refuse_if_disabled(self._settings(), database, order)
            ownership.confirm()

        if asked():
            raise Stopped("the task was told to stop before its first batch; run it again to go on")
        windows, partition = from_json(batch).windows, from_json(batch).partition
        if partition and partition.back:
            bring_back(database, order, partition)
        elif partition and (dropped := drop(database, bucket, order, partition, confirm)):
            return {"deleted": dropped.rows, "changed": 0}
        results = delete_all(database, bucket, order, windows, stopping)
        return {"deleted": sum(one.rows for one in results), "changed": sum(one.changed for one in results)}

    def _found(
        self, context: Mapping[str, Any], keep: KeepDays, settings: ClientSettings, *, dry_run: bool
    ) -> tuple[Plan, list[str]]:
        """What is due, and what an operator should know besides; a run that may delete takes the archive over."""
        order = self.order(context, dry_run=dry_run)
        adopt = read_parameters(context).get("adopt") or None
        limits = Limits(
            run_time=wiring.run_time(context),
            start=wiring.moment_parameter(context, "start"),
            end=wiring.moment_parameter(context, "end"),
        )
        bucket = wiring.object_store(self.policy)
        with wiring.session(self.client, "plan", writes=not order.dry_run, policy=self.policy) as database:
            ownership, ledger = Ownership(database, bucket, order), Ledger(database, order)
            found = plan(
                database,
                bucket,
                order,
                self.policy,
                keep,
                limits,
                OtherTables(self.policies.tables, settings.find_children_kept_for_ever()),
            )
            if order.dry_run:
                hindrance = ledger.hindrance() or ownership.hindrance(adopt)
                return found, [f"a real run would be refused: {hindrance}"] if hindrance else []
            if found.batches or adopt or ledger.exists():
                ledger.migrate()
            if found.batches or adopt:
                ownership.claim(adopt)
        return found, []

    def _adopt(self, adopt: str, context: Mapping[str, Any]) -> None:
        """Takes the archive over although nothing is due: the careful way to do it keeps everything meanwhile."""
        order = self.order(context, dry_run=False)
        with wiring.session(self.client, "plan", writes=True, policy=self.policy) as database:
            Ledger(database, order).migrate()
            Ownership(database, wiring.object_store(self.policy), order).claim(adopt)

    def _settings(self) -> ClientSettings:
        """What holds right now.

        Raises:
            SettingError: a Variable seems to be meant for this client, and names none.
            Interrupted: a Variable could not be read.
        """
        found = ClientSettings(self.client, self.policy, self.policies, read_client_variables(self.client.name))
        found.refuse_misspelt_variables()
        return found

    def _had_deleted(self, context: Mapping[str, Any]) -> bool:
        """Whether rows of this client had left before a client had to be enabled, by its ledger."""
        with wiring.session(self.client, "plan", writes=False, policy=self.policy) as database:
            return Ledger(database, self.order(context, dry_run=True)).had_deleted_before_enabling()

    def _refuse_if_disabled(self, settings: ClientSettings, database: Database, order: WorkOrder) -> None:
        enabled = settings.find_enabled(Ledger(database, order).had_deleted_before_enabling)
        if not enabled.yes:
            raise NotEnabled(
                f"rows of client {self.client.name!r} may not leave any more: {enabled.why}. It was enabled when this "
                f"run was planned. Nothing more was deleted; what was exported stays in the table and in S3. Enable it "
                f"and run this task again to go on, or leave it at that"
            )


def _tell_dry_run(why: str) -> None:
    if why:
        log.warning("this is a dry run, so nothing will be written or deleted: %s", why)


def _map_index(context: Mapping[str, Any]) -> int:
    """Which of the mapped instances this is."""
    return int(context["ti"].map_index)
