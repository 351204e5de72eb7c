"""restore: brings a span of a table back from S3, into the table itself or into a new one.

Every object is read to its end and compared with its manifest before a row of it counts: the rows wait in a temporary
table. The transaction that puts them into the target notes in the ledger which of them came in, by their numbers. So a
restore that broke off may be run again, and nothing comes twice. A row that cannot come in keeps no other one out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pg_archiver.domain.row_numbers import NONE
from pg_archiver.domain.tables import RowIdentity
from pg_archiver.domain.windows import Window
from pg_archiver.domain.wording import say_count
from pg_archiver.domain.work import OnConflict, RestoreOrder
from pg_archiver.errors import Busy, CheckFailed, Conflict, Refused, SettingError, StorageRefused, ValueRefused
from pg_archiver.ledger.locks import window_lock
from pg_archiver.ledger.removed_rows import RemovedRows
from pg_archiver.ledger.restores import RestoreLog
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.manifest import Manifest
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Typed, TypeName
from pg_archiver.restore.archived_objects import Archived, ArchivedObject, Span
from pg_archiver.restore.inserting import Inserting
from pg_archiver.restore.refused_rows import Refusals
from pg_archiver.restore.result import Restored
from pg_archiver.restore.sequences import Sequences
from pg_archiver.restore.sources import Sources
from pg_archiver.restore.staging_table import Met, Staging
from pg_archiver.restore.target_table import Target, describe_target, prepare_target
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)


def restore(session: Session, bucket: Bucket, order: RestoreOrder) -> Restored:
    """Restore the rows of the span that left the table; in a dry run, do all of it but the inserts, for nothing.

    Raises:
        SettingError: the span is empty, or a setting does not go with the others.
        TableRefused: the target cannot take the rows; nothing was restored.
        Conflict: a row was there already and `on_conflict` is `fail`; nothing of that object was restored.
        Busy: an archive run is working on some of the windows; everything else was restored.
    """
    span = Span.of(order)
    if span is None:
        raise SettingError(
            f"the restore's end ({order.end}) is not after its start ({order.start}). Nothing was restored"
        )
    work = _RestoreRun(session, bucket, order, span)
    work.run()
    for line in work.result.lines():
        log.info("%s", line)
    work.refuse_busy()
    return work.result


class _RestoreRun:
    """One restore in progress."""

    def __init__(self, session: Session, bucket: Bucket, order: RestoreOrder, span: Span) -> None:
        self.session = session
        self.bucket = bucket
        self.order = order
        self.span = span
        self.ledger = WindowLedger(session, order.work)
        self.restores = RestoreLog(session, order.work)
        self.sources = Sources(self.ledger, bucket, order.work)
        self.archived = Archived(session, bucket, order, span)
        self.result = Restored(dry_run=order.work.dry_run)
        self.sequences: Sequences | None = None
        self.triggers: list[str] = []
        self._damaged: set[Window] = set()
        self._busy: list[str] = []
        self._waiting: dict[ArchivedObject, dict[str, list[int]]] = {}
        self._objects = 0

    def run(self) -> None:
        order, result = self.order, self.result
        if not order.work.dry_run:
            self._migrate()
        result.failures += self.archived.find()
        self._damaged |= self.archived.unreadable
        self._objects = self.archived.count()
        if not self._objects:
            result.notes.append(self._say_nothing())
            return
        result.into = str(order.target)
        result.held = _say_hold(order, None)
        log.info(
            "%s to read; rows that left %s come back into %s; %s%s",
            *(say_count(self._objects, "object"), order.work.table, order.target, result.held),
            "; this is a dry run, so nothing is put back" if order.work.dry_run else "",
        )
        if not order.work.dry_run:
            self.ledger.migrate()
        shapes = self.archived.list_shapes()
        ready = prepare_target(self.session, self.restores, order, shapes)
        result.notes += ready.notes
        result.lacks += ready.lacks
        target = ready.target
        self._note(target, [column for shape in shapes for column in shape.columns])
        if target.key:
            keys = [Typed(name, TypeName(target.types[name])) for name in target.key]
            self.session.execute("restore/drop_seen")
            self.session.execute("restore/create_seen", {"key": keys})
            self.session.execute("restore/index_seen", {"key": target.key})
        for found in self.archived.list_objects():
            self._try(found, target)
        self._bring_those_that_waited(target)
        result.notes += self.sources.notes
        if self.sequences:
            result.sequences += self.sequences.settle(move=order.set_sequences)

    def refuse_busy(self) -> None:
        """Refuse to end while objects are left whose windows others had locked: they are worth another try."""
        if self._busy:
            raise Busy(
                f"{say_count(len(self._busy), 'object')} could not be locked, everything else was done: {self._busy[0]}"
            )

    def _migrate(self) -> None:
        """Migrate the ledger if there is one; a database without one gets it only when there is something to note."""
        if self.ledger.exists():
            self.ledger.migrate()

    def _say_nothing(self) -> str:
        left = self.archived.find_span_left()
        nothing = "no archived object of this table overlaps the span"
        return f"{nothing}; by the ledger rows left it from {left.start} to {left.end}" if left else nothing

    def _note(self, target: Target, columns: Sequence[tuple[str, str]]) -> None:
        notes = self.result.notes
        changed = {(name, kind) for name, kind in columns if target.types.get(name, kind) != kind}
        for name, before in sorted(changed):
            notes.append(f"column {name} was {before} and is {target.types[name]}: its values are read as that")
        if target.oid is None:
            return
        found = self.session.fetch_all("restore/triggers", oid=target.oid)
        on_insert = [trigger.name for trigger in found if trigger.on_insert]
        on_update = [trigger.name for trigger in found if trigger.on_update]
        if on_insert:
            notes.append(f"insert triggers fire: {', '.join(on_insert)}")
        if on_update and self.order.on_conflict is OnConflict.NEWEST:
            notes.append(f"update triggers fire: {', '.join(on_update)}")
            on_insert += on_update
        self.triggers = list(dict.fromkeys(on_insert))
        self.sequences = None if self.order.work.dry_run else Sequences(self.session, target.oid, target.types)

    def _try(self, found: ArchivedObject, target: Target, only: Sequence[int] | None = None) -> None:
        """Restore one object; if it is damaged, it and what it may supersede are left out, and the others continue."""
        if found.cell in self._damaged:
            self._note_failure(f"{found.key}: waits until the newer object of its window is whole again")
            return
        try:
            with self.session.advisory_lock(window_lock(self.order.work.table, found.cell), f"window {found.cell}"):
                self._restore_object(found, target, only)
        except Busy as busy:
            log.warning("%s%s", busy, self._keep_older_out(found, target, everything=True))
            self._busy.append(str(busy))
            self._damaged.add(found.cell)
        except (CheckFailed, ValueRefused, StorageRefused) as failure:
            self._damaged.add(found.cell)
            self._note_failure(f"{found.key}: {failure}{self._keep_older_out(found, target)}")

    def _keep_older_out(self, found: ArchivedObject, target: Target, *, everything: bool = False) -> str:
        """Keep older versions of this object's rows out, whatever window they lie in.

        The list beside the object tells its rows' keys. Returns what is to be said where it cannot be read.
        """
        if not target.key:
            return ""
        try:
            manifest, gone = self.sources.describe(found)
            span = self.span.within(manifest)
            if not gone.upto or span is None or not set(target.key) <= set(manifest.identity_columns):
                return ""
            gone = replace(gone, upto=manifest.rows, kept=NONE) if everything else gone
            staging = self._make_staging(target, manifest, span, gone)
            staging.remember_listed(self.sources.open_sidecar(found, manifest), manifest.identity_columns)
        except Refused as refusal:
            return f"; older versions of its rows may have come in from other windows, since {refusal}"
        return ""

    def _restore_object(self, found: ArchivedObject, target: Target, only: Sequence[int] | None) -> None:
        manifest, gone = self.sources.describe(found)
        place = f"object {found.number:,} of {self._objects:,}"
        if not gone.upto:
            log.info("%s, %s: none of its rows left the table", place, found.key)
            return
        span = self.span.within(manifest)
        if span is None:
            return
        staging = self._make_staging(target, manifest, span, gone)
        if not (gone.known or staging.key) and self.order.into_itself:
            raise CheckFailed(
                "no ledger says which of its rows left the table, and without a key they cannot be distinguished from "
                "those that did not. Nothing of it was restored. Fix: restore into a new table"
            )
        counts = self._stage(staging, found, only)
        self._put(staging, found, counts)
        counts.failures, counts.refused = staging.refusals.lines(found.key), staging.refusals.rows
        counts.row_failures = len(counts.failures)
        if only is not None:
            counts.objects = counts.rows_read = counts.outside = counts.kept = counts.already = 0
        self.result.add(counts)
        for line in counts.failures:
            log.error("%s", line)
        log.info(
            "%s, %s: %s of %s %s",
            *(place, found.key, f"{counts.restored:,}"),
            *(say_count(counts.rows_read, "row"), self.result.verb),
        )

    def _make_staging(self, target: Target, manifest: Manifest, span: Window, gone: RemovedRows) -> Staging:
        order = self.order
        return Staging(self.session, target, manifest, order.work.timezone, span, gone, order.text_columns)

    def _stage(self, staging: Staging, found: ArchivedObject, only: Sequence[int] | None) -> Restored:
        """Fill the staging table and take out what is not to be restored."""
        manifest, target = staging.manifest, staging.target
        counts = Restored(objects=1, rows_read=staging.load(lambda: self.sources.open_data(found, manifest)))
        counts.kept = staging.drop_kept()
        before = self.restores.find_before(manifest, target.table, target.oid or 0)
        if not staging.key:
            if before.elsewhere and self.order.into_itself:
                raise CheckFailed(
                    f"rows of it were restored into a table {target.table} that had another oid, and whether they are "
                    "in this one is not known. Nothing of it was restored. Fix: restore into a new table"
                )
            counts.already = sum(map(staging.drop_span, before.spans))
            if counts.already != before.rows:
                raise CheckFailed(
                    f"an older version of this program restored {say_count(before.rows, 'row')} of it and did not "
                    "note which. Nothing of it was restored. Fix: restore into a new table"
                )
        counts.outside = staging.drop_outside()
        if only is not None:
            staging.keep_positions(only)
        staging.convert()
        if not staging.key:
            counts.already += staging.drop_before(before.positions)
            return counts
        if only is None:
            counts.superseded = staging.drop_superseded()
            self._note_versions(staging, counts.superseded)
        if self.order.on_conflict is not OnConflict.NEWEST and target.oid is not None:
            met = staging.drop_conflicts(before.own)
            if self.order.on_conflict is OnConflict.FAIL:
                # A further try of a run that was broken off meets the rows that it put there itself.
                counts.already, met = met.own, Met(met.rows - met.own, 0)
            counts.in_conflict = counts.skipped = met.rows
        return counts

    def _note_versions(self, staging: Staging, superseded: int) -> None:
        if superseded and staging.manifest.identity is RowIdentity.UNIQUE_INDEX:
            self.result.notes.append(
                f"{say_count(superseded, 'row')} of {staging.manifest.data.key} count as older versions of later "
                f"rows, by the unique index over {', '.join(staging.key)}. If its values are used more than once, "
                "they were rows of their own; restore with an end before the later ones to bring them back"
            )

    def _put(self, staging: Staging, found: ArchivedObject, counts: Restored) -> None:
        """Put the rows that are left into the target and note them, or only count what would become of them."""
        order, target = self.order, staging.target
        if order.on_conflict is OnConflict.FAIL and counts.in_conflict:
            raise Conflict(
                f"{counts.in_conflict} row(s) of {found.key} are in {order.target} already. Nothing of this object "
                "was restored. Fix: set on_conflict to 'skip' or 'newest', or restore into a new table"
            )
        inserting = Inserting(self.session, staging, order.on_conflict, self.triggers, order.work.table)
        left = staging.left()
        if order.on_conflict is OnConflict.NEWEST and staging.key and target.oid is not None:
            counts.in_conflict = inserting.count_conflicts()
        if order.work.dry_run or target.oid is None:
            newest = order.on_conflict is OnConflict.NEWEST and counts.in_conflict
            counts.skipped += counts.in_conflict - inserting.count_winners() if newest else 0
            counts.restored = left.rows - (counts.skipped if newest else 0)
            return
        if not (left.rows or counts.skipped):
            return
        with self.session.transaction():
            self.session.execute("restore/lock_target", {"table": target.table})
            if describe_target(self.session, target.table) != target:
                raise CheckFailed(f"{target.table} was changed while this restore ran. Run it again")
            self.session.fetch_one("restore/lock_object", name=f"archiver restore {found.key} into {target.oid}")
            if not staging.key:
                again = self.restores.find_before(staging.manifest, target.table, target.oid)
                counts.already += staging.drop_before(again.positions)
            put = inserting.put()
            counts.restored, counts.skipped = put.rows, counts.skipped + put.skipped
            if put.rows or counts.skipped:
                until = self.restores.note(
                    staging.manifest, found.bucket, order, target.oid, staging.span, put.rows, staging.positions()
                )
                self.result.held = _say_hold(order, until)
            if self.sequences:
                self.sequences.note(staging)
        if put.waiting:
            self._waiting[found] = put.waiting
        if put.anew:
            columns = ", ".join(staging.generated_columns)
            self.result.notes.append(
                f"{found.key}: the table generates {columns} anew, and in {say_count(put.anew, 'row')} otherwise than "
                f"it was archived"
            )

    def _bring_those_that_waited(self, target: Target) -> None:
        """Insert the rows that waited for those they point to; report what still finds none."""
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            for found, rows in waiting.items():
                self._try(found, target, sorted(number for numbers in rows.values() for number in numbers))
            if waiting == self._waiting:
                break
        for found, rows in self._waiting.items():
            refusals = Refusals()
            try:
                for reason, numbers in rows.items():
                    for number in numbers:
                        refusals.add(number, reason)
            except CheckFailed as failure:
                self._note_failure(f"{found.key}: {failure}")
                continue
            lines = refusals.lines(found.key)
            self.result.add(Restored(refused=refusals.rows, row_failures=len(lines), failures=lines))
            for line in lines:
                log.error("%s", line)

    def _note_failure(self, failure: str) -> None:
        log.error("%s", failure)
        self.result.failures.append(failure)


def _say_hold(order: RestoreOrder, until: datetime | None) -> str:
    """Return how long the archive leaves restored rows where they are; `until` is what the ledger has noted."""
    if not order.into_itself:
        return "the archive of this table does not concern them there"
    if not order.hold_days:
        return "hold_days is 0, so the next run of the archive may delete them again"
    if until is None:
        leaves = "would leave" if order.work.dry_run else "leaves"
        return f"the archive {leaves} them there for {say_count(order.hold_days, 'day')}"
    return f"the archive leaves them there until {until:%Y-%m-%d %H:%M} UTC"
