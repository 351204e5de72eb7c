"""What the tasks of the DAG `maintenance` do: each takes its order from policy and form, and calls one step."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from pg_archiver.airflow import connections
from pg_archiver.airflow.airflow_ids import group_part
from pg_archiver.airflow.approval import Question, describe_rejection, is_approved
from pg_archiver.airflow.free_space import find_free_space
from pg_archiver.airflow.run_context import read_parameters, read_run_id
from pg_archiver.airflow.selection import Subject, find_subject, list_tables, make_order
from pg_archiver.domain.sizes import format_bytes
from pg_archiver.domain.wording import say_count
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import SettingError, Stopped, Unfinished
from pg_archiver.ledger.maintenance_log import Action, MaintenanceLog, MaintenanceRecord
from pg_archiver.ledger.maintenance_rights import ensure_maintenance_log
from pg_archiver.maintenance.compact.compact import CompactOptions, compact
from pg_archiver.maintenance.index import index
from pg_archiver.maintenance.inspect import inspect
from pg_archiver.maintenance.pg_repack import Repacker
from pg_archiver.maintenance.reclaim import REWRITES, ReclaimContext, Reclaimed, ReclaimRules, reclaim
from pg_archiver.maintenance.vacuum import vacuum
from pg_archiver.maintenance.validate import CheckOptions, validate
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.settings import MOST_MAPPED_WINDOWS, TablePolicy
from pg_archiver.policies.yaml_file import Client, Policies
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)

ACTIONS = tuple(action.value for action in Action)
# An archive run of the same table waits for so long at most.
_COMPACT_SECONDS = 3600.0
NOT_CHOSEN = "not chosen in the form"
_DRY = "dry run: "


def group_of(conn_id: str) -> str:
    """Return the id of the task group of a server's tables."""
    return f"on_{group_part(conn_id)}"


def chooser_of(conn_id: str) -> str:
    """Return the id of the task that chooses a server's tables."""
    return f"choose_{group_part(conn_id)}"


def choose_tables(policies: Policies, conn_id: str, context: Mapping[str, Any]) -> list[Subject]:
    """Return the tables of this server that the form chooses.

    Raises:
        SettingError: the policy file has no such client or table, the form asks for what does not go together, or
            Airflow ignores the form.
    """
    parameters = read_parameters(context)
    if parameters["force"] and not str(parameters["reason"] or "").strip():
        raise SettingError(
            "the run's parameter force is set without reason. Nothing was done. Fix: give the reason why it cannot wait"
        )
    chosen = list_tables(policies, parameters["clients"] or (), parameters["tables"] or ())
    found = [[client.name, policy.table] for client, policy in chosen if client.conn_id == conn_id]
    if len(found) > MOST_MAPPED_WINDOWS:
        raise SettingError(
            f"{len(found)} tables of {conn_id} are more than the {MOST_MAPPED_WINDOWS} that one run takes. Fix: "
            "choose fewer with the run's parameters clients and tables"
        )
    return found


@dataclass(frozen=True)
class Maintenance:
    """One table of one client in one run."""

    client: Client
    policy: TablePolicy
    context: Mapping[str, Any]

    @classmethod
    def for_table(cls, policies: Policies, subject: Subject, context: Mapping[str, Any]) -> Maintenance:
        """Return the table that the mapped task has to do with.

        Raises:
            SettingError: the policy file has changed since, and no longer lists it.
        """
        return cls(*find_subject(policies, subject), context)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the form says."""
        return read_parameters(self.context)

    @property
    def order(self) -> WorkOrder:
        """What this run is to do with the table."""
        return make_order(self.client, self.policy, read_run_id(self.context), dry_run=bool(self.parameters["dry_run"]))

    def is_chosen(self, action: Action) -> bool:
        """Return whether the form wants this action."""
        return action.value in (self.parameters["actions"] or ACTIONS)

    def inspect(self) -> dict[str, object]:
        """Return the table's condition, in the log and for whoever reads the XCom."""
        with self.open_session(Action.INDEX, writes=False) as session:
            found = inspect(session, self.order)
        return {
            **asdict(found.sizes),
            "free_bytes": found.free.total,
            "free_percent": round(found.free_percent),
            "method": found.method.value,
            "live_rows": found.live,
            "dead_rows": found.dead,
            "timestamp_index": found.timestamp_index,
            "held_back_by": [str(holder) for holder in found.holders],
        }

    def index(self) -> str:
        """See to the index on the timestamp."""
        if not self.is_chosen(Action.INDEX):
            return NOT_CHOSEN
        with self.open_session(Action.INDEX) as session:
            return self._say(index(session, self.order, self.open_watcher, space=find_free_space(self.client)))

    def validate(self) -> str:
        """Look through the indexes."""
        if not self.is_chosen(Action.VALIDATE):
            return NOT_CHOSEN
        parameters = self.parameters
        how = CheckOptions(
            heapallindexed=bool(parameters["heapallindexed"]),
            reindex=bool(parameters["reindex"]),
            space=find_free_space(self.client),
        )
        with self.open_session(Action.VALIDATE) as session:
            return self._say(validate(session, self.order, self.open_watcher, how))

    def vacuum(self) -> str:
        """Run VACUUM (ANALYZE)."""
        if not self.is_chosen(Action.VACUUM):
            return NOT_CHOSEN
        with self.open_session(Action.VACUUM) as session:
            return self._say(vacuum(session, self.order, self.open_watcher))

    def make_question(self) -> Question | None:
        """Return what a person is asked before the table is rewritten, None where there is nothing to approve."""
        if not self.policy.approve or self.order.dry_run or not self.is_chosen(Action.RECLAIM):
            return None
        would = self._reclaim(approved=True, dry_run=True)
        if would.choice.strategy not in REWRITES:
            return None
        return _make_question(self.client, self.policy, would)

    def reclaim(self, answer: object) -> str:
        """Give disk space back, where it needs a person's approval only with that.

        Raises:
            AirflowSkipException: a person was asked, and rejected it or did not answer; the ledger says so.
        """
        if not self.is_chosen(Action.RECLAIM):
            return NOT_CHOSEN
        if rejection := describe_rejection(answer):
            with self.open_session(Action.RECLAIM) as session:
                MaintenanceLog(session, self.order).note_skipped(Action.RECLAIM, rejection)
            raise AirflowSkipException(f"{self.policy.table} of {self.client.name} is not rewritten: {rejection}")
        allowed = is_approved(answer) or not self.policy.approve
        return self._say(self._reclaim(approved=allowed, dry_run=self.order.dry_run))

    def report(self, said: Mapping[str, object]) -> dict[str, object]:
        """Add up what the run did to the table.

        Raises:
            Unfinished: a task before this one did not come to its end.
        """
        done: list[MaintenanceRecord] = []
        if not self.order.dry_run and any(self.is_chosen(action) for action in Action):
            with self.open_session(Action.RECLAIM, writes=False) as session:
                done = MaintenanceLog(session, self.order).list_of_run()
        for one in done:
            log.info("%s: %s", self.policy.table, one)
        for name, words in said.items():
            if words is not None:
                log.info("%s: %s: %s", self.policy.table, name, words)
        if missing := [name for name, words in said.items() if words is None]:
            raise Unfinished(
                f"{self.policy.table} of {self.client.name}: {', '.join(missing)} did not succeed. See the logs of "
                "those tasks"
            )
        reclaims = [one for one in done if one.action is Action.RECLAIM and one.after]
        return {
            "client": self.client.name,
            "table": self.policy.table,
            "dry_run": self.order.dry_run,
            "given_back": sum(one.given_back for one in reclaims),
            "seconds": sum(one.seconds or 0 for one in done),
            "longest_wait_seconds": max((one.longest_wait or 0 for one in done), default=0),
            "actions": [str(one) for one in done],
        }

    def _reclaim(self, *, approved: bool, dry_run: bool) -> Reclaimed:
        parameters = self.parameters
        wanted = parameters["strategy"]
        rules = ReclaimRules(
            strategy=Strategy(wanted) if wanted else self.policy.reclaim,
            min_percent=self.policy.reclaim_min_percent,
            min_bytes=self.policy.reclaim_min_bytes,
            off_hours=self.policy.off_hours,
            force=str(parameters["reason"]) if parameters["force"] else "",
            approved=approved,
        )
        around = ReclaimContext(
            lambda: datetime.now(UTC), find_free_space(self.client), self.open_watcher, self._compact, find_repacker()
        )
        order = make_order(self.client, self.policy, self.order.run_id, dry_run=dry_run)
        with self.open_session(Action.RECLAIM, writes=not dry_run) as session:
            return reclaim(session, order, rules, around)

    def _say(self, result: object) -> str:
        """Return what a task returns, and the report repeats: of a dry run it has to be seen that it was one."""
        return f"{_DRY if self.order.dry_run else ''}{result}"

    def _compact(self) -> str:
        """Move rows to the front, for an hour at most: the archive waits meanwhile, and the next run continues."""
        deadline = time.monotonic() + _COMPACT_SECONDS
        effort = CompactOptions(free_bytes=find_free_space(self.client).ask)
        with connections.watch_for_stop() as asked, self.open_session(Action.RECLAIM) as session:
            try:
                done = compact(session, self.policy.name, lambda: asked() or time.monotonic() > deadline, effort)
            except Stopped as stopped:
                if asked():
                    raise
                return f"{stopped}; the next run continues"
        told = [
            f"{say_count(done.rows, 'row')} moved, the longest transaction took {done.longest_ms:.0f} ms; {done.ended}"
        ]
        return "; ".join([*told, *done.notes])

    @contextmanager
    def open_session(self, action: Action, *, writes: bool | None = None) -> Generator[Session]:
        """Open the session of an action; it writes unless the run is dry, or as `writes` says."""
        writes = not self.order.dry_run if writes is None else writes
        with connections.open_session(
            self.client, f"maintenance {action}", writes=writes, policy=self.policy, maintenance=True
        ) as session:
            if writes and self.client.maintenance_conn_id:
                ensure_maintenance_log(
                    session, self.order, lambda: connections.open_session(self.client, "maintenance", writes=True)
                )
            yield session

    def open_watcher(self) -> AbstractContextManager[Session]:
        """Open the session that looks from outside at what an action's own is busy with."""
        return connections.open_session(self.client, "watch", writes=False, maintenance=True)


def _make_question(client: Client, policy: TablePolicy, would: Reclaimed) -> Question:
    """Return what to know before approving: the lock and its duration, the disk, and what blocks it now."""
    prospect = would.prospect
    if would.choice.strategy is Strategy.PG_REPACK:
        lock = (
            "it locks the table only for moments, at its beginning and its end. Nobody can change its columns meanwhile"
        )
    else:
        lock = "nobody can read or write the table until it ends"
    body = [
        f"Table `{policy.table}` of client `{client.name}` (database `{client.database}`, connection "
        f"`{client.maintenance_conn_id or client.conn_id}`) is to be rewritten with {would.choice}.",
        f"**Lock**: {lock}.",
    ]
    if prospect:
        minutes = max(1, round(prospect.seconds / 60))
        body += [
            f"**Time**: about {say_count(minutes, 'minute')}, by a conservative estimate.",
            f"**Gain**: about {format_bytes(prospect.given_back)}.",
            f"**Disk**: it {prospect.room}.",
        ]
    body += [f"**Blocking it now**: {note}." for note in would.notes]
    return Question(f"Rewrite {policy.table} of {client.name} ({would.choice.strategy})?", "\n\n".join(body))


def find_repacker() -> Repacker:
    """Return the client of pg_repack: the one that ARCHIVER_PG_REPACK names, else the one on PATH."""
    return Repacker(os.environ.get("ARCHIVER_PG_REPACK") or shutil.which("pg_repack"), connections.watch_for_stop)
