"""purge, where the newest versions of each key stay: what they supersede leaves in batches, without an archive."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from pg_archiver.domain.versions import KeepVersions
from pg_archiver.domain.wording import say_count
from pg_archiver.ledger.restores import RestoreLog
from pg_archiver.postgres.session import Session
from pg_archiver.purge.batches import MOST_ROWS_A_BATCH
from pg_archiver.purge.due import PurgeOrder
from pg_archiver.purge.pace import Pace
from pg_archiver.purge.table_in_hand import TableChangedError
from pg_archiver.purge.turns import Turn
from pg_archiver.purge.versions_in_hand import Gone, VersionsInHand
from pg_archiver.runtime.log_interval import LogInterval
from pg_archiver.versions.superseded import Superseded, Survey

log = logging.getLogger(__name__)


def rehearse_versions(session: Session, order: PurgeOrder, versions: KeepVersions) -> str:
    """Return what would go, in one line. Nothing is written.

    Raises:
        TableRefused: the table is missing, or rows cannot be deleted from it safely.
    """
    found = Superseded.look(session, order, versions, days=order.keep.days)
    survey = found.survey(order.keep)
    told = "nothing is due"
    if survey.due:
        batch = say_count(order.batch_size, "row")
        told = f"{say_count(survey.due, 'row')} would be deleted, in batches of {batch}, and archived nowhere"
    return "; ".join([told, *tell_kept(order, found, survey)])


@dataclass
class VersionBatches:
    """The batches of one run.

    Attributes:
        gone: what went.
        kept_by: what binds, of all that keeps versions; None where nothing does.
        left: why it ended early; None if it did not.
    """

    session: Session
    order: PurgeOrder
    versions: KeepVersions
    stopping: Callable[[], str | None]
    count: Callable[[int], None]
    gone: Gone = field(default_factory=Gone)
    kept_by: str | None = None
    left: str | None = None
    told: tuple[str, ...] = ()
    _pace: Pace = field(init=False)
    _progress: LogInterval = field(default_factory=LogInterval)

    def __post_init__(self) -> None:
        self._pace = Pace(self.order.rows_per_second)

    def delete(self) -> None:
        """Delete what may go as of now, and look again where the table was changed meanwhile.

        Raises:
            TableRefused: rows cannot be deleted from it safely, or others point to them.
            TriggerRefused: triggers deleted rows by themselves; nothing of that batch is gone.
            DatabaseInterrupted: a lock or a statement took too long, or the connection was lost.
        """
        with Turn(self.session, self.order) as turn:
            while not self._must_end():
                turn.take()
                found = Superseded.look(self.session, self.order, self.versions, days=self.order.keep.days)
                if self._delete_listed(turn, VersionsInHand.look(found, self.count)):
                    break
                log.info("%s was changed meanwhile, and is looked at again", self.order.table)

    def _delete_listed(self, turn: Turn, table: VersionsInHand) -> bool:
        """Delete batch after batch; return whether it came to its end, or is not wanted any more."""
        size = self._pace.limit(min(self.order.batch_size, MOST_ROWS_A_BATCH))
        with table.listed(size, self.order.keep) as (survey, batches):
            self.told, self.kept_by = tell_kept(self.order, table.superseded, survey), survey.kept_by
            stayed = 0
            while survey.due and not self._must_end() and (listed := next(batches, None)):
                turn.take()
                try:
                    gone = table.delete(listed, self.gone.highest)
                except TableChangedError:
                    return False
                self.gone = Gone(self.gone.rows + gone.rows, self.gone.bytes + gone.bytes, gone.highest)
                stayed += listed.rows - gone.rows
                if self._progress.due():
                    log.info("%s: %d versions deleted", self.order.table, self.gone.rows)
                turn.rest(self._pace.count(gone.rows))
        if stayed:
            self.told += (
                f"{say_count(stayed, 'row')} that might have gone stay for the next run: others had them or newer "
                "versions locked, changed or deleted, or a trigger kept them",
            )
        return True

    def _must_end(self) -> bool:
        self.left = self.left or self.stopping()
        return self.left is not None


def tell_kept(order: PurgeOrder, found: Superseded, survey: Survey) -> tuple[str, ...]:
    """Return what keeps versions, and what else a person should know."""
    told = [*survey.kept]
    if found.versions.timed:
        told.append(
            f"old enough is what is older than {found.cutoff:%Y-%m-%d %H:%M} UTC ({order.keep.source}: "
            f"{order.keep.days})"
        )
    if holds := RestoreLog(found.session, order).list_holds(found.span):
        first = min(holds, key=lambda hold: hold.until)
        told.append(f"restored rows stay for now, in {len(holds)} span(s); the first hold to end: {first}")
    return (*told, *found.shape.notes)
