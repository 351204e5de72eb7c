"""What the tasks of an archive DAG do: each takes its order from the policy and the run, and calls one step.

Tasks hand each other nothing but windows; all they know of the work's state stands in the ledger, so any of them
may be cleared and run again, alone or with its neighbours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pg_archiver.airflow import connections
from pg_archiver.airflow.batch_json import BatchJson, from_json, is_dry, to_json
from pg_archiver.airflow.client_settings import ClientSettings
from pg_archiver.airflow.run_context import read_parameters
from pg_archiver.airflow.selection import make_order
from pg_archiver.airflow.variables import read_client_variables
from pg_archiver.archive.export import Exported
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.plan import Plan, plan
from pg_archiver.archive.remove import remove
from pg_archiver.archive.run_span import Limits, OtherTables
from pg_archiver.archive.store import store_all
from pg_archiver.archive.take_over import find_hindrance, take_over
from pg_archiver.domain.work import Batch, WorkOrder
from pg_archiver.errors import NotEnabled, Stopped
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.ledger.second_writes import SecondWriteNotes
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client, Policies
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)

_BY_PARAMETER = "the run's parameter dry_run is set"


@dataclass(frozen=True)
class Begun:
    """What holds for a run as its plan begins.

    Attributes:
        settings: the policies and the Variables.
        keep: N.
        dry_run: why nothing is to be written or deleted; empty if the run is a real one.
        enabled: why rows may leave; empty if they may not.
        adopt: why this database acts for the archive from now on, as the form says.
    """

    settings: ClientSettings
    keep: KeepDays
    dry_run: str
    enabled: str
    adopt: str | None

    @property
    def dry(self) -> bool:
        """Whether the run is a dry one."""
        return bool(self.dry_run)

    @property
    def adopts(self) -> bool:
        """Whether the run really lets this database act for the archive."""
        return bool(self.adopt) and not self.dry

    def summarize(self, found: Plan, notes: Sequence[str]) -> dict[str, object]:
        """Return what the report repeats of the plan."""
        told = [*found.notes, *notes]
        if self.adopt and self.dry:
            told.append("this database was not adopted, because this is a dry run")
        if self.enabled:
            told.append(f"enabled: {self.enabled}")
        return {**found.summary(), "notes": told, "dry_run": self.dry_run}


@dataclass(frozen=True)
class TableWork:
    """One table of one client, and the file that says so."""

    client: Client
    policy: TablePolicy
    policies: Policies

    def make_order(self, context: Mapping[str, Any], *, dry_run: bool) -> WorkOrder:
        """Return what this run is to do with the table; `dry_run` where the plan, or the policy by now, says so.

        Raises:
            SettingError: the run's parameters are not those that it asked for.
        """
        dry_run = dry_run or bool(read_parameters(context)["dry_run"])
        return make_order(self.client, self.policy, context["dag_run"].run_id, dry_run=dry_run)

    def plan(self, context: Mapping[str, Any]) -> tuple[list[BatchJson], dict[str, object]]:
        """Return the batches for the mapped tasks, and a summary for the report."""
        begun = self.begin(context)
        if begun.keep.everything and not begun.adopts:
            found, summary = Plan.nothing(begun.keep), begun.summarize(Plan.nothing(begun.keep), [])
        else:
            bucket = connections.open_bucket(self.policy)
            with connections.open_session(self.client, "plan", writes=not begun.dry, policy=self.policy) as session:
                found, summary = self.find_due(begun, session, bucket, context)
        return [to_json(batch, dry_run=begun.dry) for batch in found.batches], summary

    def begin(self, context: Mapping[str, Any]) -> Begun:
        """Return what holds for this run as it begins: N, and whether it is a dry one, and why.

        Raises:
            SettingError: a parameter of the run, a Variable or a setting cannot be used.
            Interrupted: a Variable could not be read.
        """
        parameters = read_parameters(context)
        settings = self._read_settings()
        keep = settings.find_keep_days(parameters.get("keep_days"))
        enabled = settings.find_enabled(lambda: self._has_deleted_before(context))
        dry_run = _BY_PARAMETER if parameters["dry_run"] else "" if enabled.yes else enabled.why
        _tell_dry_run(dry_run)
        return Begun(settings, keep, dry_run, enabled.why if enabled.yes else "", parameters.get("adopt") or None)

    def find_due(
        self, begun: Begun, session: Session, bucket: Bucket, context: Mapping[str, Any]
    ) -> tuple[Plan, dict[str, object]]:
        """Return what is due, and a summary for the report; a run that may delete takes the archive over."""
        order = self.make_order(context, dry_run=begun.dry)
        if begun.keep.everything:
            if begun.adopts:
                # Although nothing is due: the careful way to do it keeps everything meanwhile.
                WindowLedger(session, order).migrate()
                Ownership(session, bucket, order).claim(begun.adopt)
            return Plan.nothing(begun.keep), begun.summarize(Plan.nothing(begun.keep), [])
        limits = Limits(
            run_time=connections.read_run_time(context),
            start=connections.read_moment(context, "start"),
            end=connections.read_moment(context, "end"),
        )
        others = OtherTables(self.policies.tables, begun.settings.find_children_kept_for_ever())
        found = plan(session, bucket, order, self.policy, begun.keep, limits, others)
        notes: list[str] = []
        if not order.dry_run:
            take_over(session, bucket, order, found, begun.adopt)
        elif hindrance := find_hindrance(session, bucket, order, begun.adopt):
            notes = [f"a real run would be refused: {hindrance}"]
        return found, begun.summarize(found, notes)

    def export(self, batch: BatchJson, context: Mapping[str, Any]) -> dict[str, Any]:
        """Export the batch's windows one after the other; in a dry run, only read them."""
        order = self.make_order(context, dry_run=is_dry(batch))
        bucket = connections.open_bucket(self.policy)
        with connections.open_session(self.client, "export", writes=not order.dry_run, policy=self.policy) as session:
            if not order.dry_run:
                SecondWriteNotes(session, bucket, order).recall()
            done = export_all(session, bucket, order, from_json(batch).windows)
        return {"batch": _read_map_index(context), "label": batch["label"], **add_up_exports(done)}

    def store(self, batch: BatchJson, context: Mapping[str, Any]) -> dict[str, int]:
        """Read the batch's objects back; one bad object does not keep the others from being checked."""
        order = self.make_order(context, dry_run=is_dry(batch))
        if order.dry_run:
            log.info("dry run: nothing was sent, so there is nothing to read back")
            return {"rows": 0}
        bucket = connections.open_bucket(self.policy)
        with connections.open_session(self.client, "store", writes=True, policy=self.policy) as session:
            SecondWriteNotes(session, bucket, order).recall()
            return {"rows": store_all(session, bucket, order, from_json(batch).windows)}

    def delete(self, batch: BatchJson, context: Mapping[str, Any]) -> dict[str, int]:
        """Delete the batch's archived rows, or drop the partition that they are; end early when Airflow asks it to.

        Deletes end between two delete batches; a statement that takes longer than two seconds by then is cancelled,
        and what it did is rolled back.

        Raises:
            NotEnabled: the client was enabled when the run was planned, and no longer is.
            Interrupted: whether it still is could not be found out.
        """
        # First of all, so that a stop which comes while connections are made is seen too.
        with connections.watch_for_stop() as asked:
            order = self.make_order(context, dry_run=is_dry(batch))
            if order.dry_run:
                log.info("dry run: nothing is deleted")
                return {"deleted": 0, "changed": 0}
            bucket = connections.open_bucket(self.policy)
            with connections.open_session(self.client, "delete", writes=True, policy=self.policy) as session:
                return self.delete_batch(from_json(batch), session, bucket, order, asked)

    def delete_batch(
        self, batch: Batch, session: Session, bucket: Bucket, order: WorkOrder, asked: Callable[[], bool]
    ) -> dict[str, int]:
        """Delete the batch's archived rows, if by now they still may leave; `asked` is whether the task is to end.

        Raises:
            NotEnabled, Interrupted: as of `delete`.
            Stopped: the task is to end.
        """
        self._refuse_if_disabled(self._read_settings(), session, order)
        ownership = Ownership(session, bucket, order)
        ownership.confirm()

        def stopping() -> bool:
            if asked():
                return True
            ownership.reconfirm()
            return False

        def confirm() -> None:
            """Confirm once more: loading a partition's lists, and waiting for its detach, may have taken a while."""
            self._refuse_if_disabled(self._read_settings(), session, order)
            ownership.confirm()

        if asked():
            raise Stopped("the task was told to stop before its first batch. Run it again to continue")
        deleted, _ = remove(session, bucket, order, batch, stopping, confirm)
        return {"deleted": deleted.rows, "changed": deleted.changed}

    def _read_settings(self) -> ClientSettings:
        """Return what holds right now.

        Raises:
            SettingError: a Variable seems to be meant for this client, and names none.
            Interrupted: a Variable could not be read.
        """
        found = ClientSettings(self.client, self.policy, self.policies, read_client_variables(self.client.name))
        found.refuse_misspelt_variables()
        return found

    def _has_deleted_before(self, context: Mapping[str, Any]) -> bool:
        """Return whether rows of this client had left before a client had to be enabled, by its ledger."""
        with connections.open_session(self.client, "plan", writes=False, policy=self.policy) as session:
            return WindowLedger(session, self.make_order(context, dry_run=True)).has_deleted_before_enabling()

    def _refuse_if_disabled(self, settings: ClientSettings, session: Session, order: WorkOrder) -> None:
        enabled = settings.find_enabled(WindowLedger(session, order).has_deleted_before_enabling)
        if not enabled.yes:
            raise NotEnabled(
                f"rows of client {self.client.name!r} may no longer leave: {enabled.why}. It was enabled when this "
                "run was planned. Nothing more was deleted; what was exported stays in the table and in S3. Fix: "
                "enable it and clear this task to continue, or leave it disabled"
            )


def add_up_exports(done: Sequence[Exported]) -> dict[str, int]:
    """Return what the report of a dry run adds up."""
    return {
        "windows": len(done),
        "rows": sum(one.rows for one in done),
        "csv_bytes": sum(one.csv_bytes for one in done),
        "object_bytes": sum(one.object_bytes for one in done),
    }


def _tell_dry_run(why: str) -> None:
    if why:
        log.warning("this is a dry run, so nothing will be written or deleted: %s", why)


def _read_map_index(context: Mapping[str, Any]) -> int:
    """Return which of the mapped instances this is."""
    return int(context["ti"].map_index)
