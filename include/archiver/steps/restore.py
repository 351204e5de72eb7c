"""restore: brings a span of a table back from S3, into the table itself or into a new one.

Every object is read to its end and compared with its manifest before a row of it counts: the rows wait in a
temporary table, and the transaction that puts them into the target holds all of an object's rows or none. A
restore that broke off may be run again: rows with a key meet themselves, and of a table without one the ledger
knows which spans of which objects its target has already.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from include.archiver.checking import data_of, manifest_keys, read_manifest
from include.archiver.database import Database
from include.archiver.errors import CheckFailed, Conflict, ReferenceRefused, SettingError, Unfinished, ValueRefused
from include.archiver.kept import Gone, what_left
from include.archiver.ledger import Ledger
from include.archiver.manifest import Manifest
from include.archiver.models import OnConflict, RestoreOrder, TableName, TimestampKind, Window
from include.archiver.restores import Restores
from include.archiver.staging import Staging
from include.archiver.storage import ObjectStore
from include.archiver.target import Target, describe_target, ready_target
from include.archiver.windows import in_column_time
from include.archiver.wording import say_count

log = logging.getLogger(__name__)

_MOST_NAMED = 10
# Column time is never this far from UTC, whatever the column and its time zone.
_FARTHEST_ZONE = timedelta(days=1)


@dataclass
class Restored:
    """What a restore did. Of the rows read, those not restored were one of the things counted below.

    `skipped` met a row in the target that stayed; `in_conflict` met one at all; `superseded` came in a newer
    version; `kept` never left the table; `already` were put into the target by an earlier restore. `into` is the
    target, `held` says how long the archive leaves the rows there. In a dry run all of it is what would be.
    """

    dry_run: bool = False
    into: str = ""
    held: str = ""
    objects: int = 0
    rows_read: int = 0
    restored: int = 0
    skipped: int = 0
    in_conflict: int = 0
    superseded: int = 0
    kept: int = 0
    outside: int = 0
    already: int = 0
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def refuse_failures(self) -> None:
        """A restore that left objects out must not look like one that succeeded.

        Raises:
            Unfinished: it names them.
        """
        named = "; ".join(self.failures[:_MOST_NAMED])
        if self.failures and self.dry_run:
            raise Unfinished(
                f"{len(self.failures):,} object(s) would not be restored, everything else would be: {named}"
            )
        if self.failures:
            raise Unfinished(f"{len(self.failures):,} object(s) were not restored, everything else was: {named}")

    def as_dict(self) -> dict[str, object]:
        """Plain values only; a dry run's has no `restored`, but `would_be_restored`."""
        found = asdict(self)
        if self.dry_run:
            found["would_be_restored"] = found.pop("restored")
        return found

    def lines(self) -> list[str]:
        """For people."""
        lines = [
            f"{say_count(self.restored, 'row')} {self.verb} into {self.into or 'nothing'}, of {self.rows_read:,} read "
            f"from {say_count(self.objects, 'object')}",
            f"left out: {self.skipped:,} for a row in the table, {self.superseded:,} superseded by a newer version, "
            f"{self.kept:,} that never left the table, {self.already:,} that came back before, {self.outside:,} "
            f"outside the span",
            f"{say_count(self.in_conflict, 'row')} met one in the table under the same key",
        ]
        lines += [self.held] if self.held else []
        failed = f"not {self.verb}"
        return lines + self.notes[:_MOST_NAMED] + [f"{failed}: {line}" for line in self.failures[:_MOST_NAMED]]

    @property
    def verb(self) -> str:
        """What became of the rows, or would."""
        return "would be restored" if self.dry_run else "restored"


def restore(database: Database, bucket: ObjectStore, order: RestoreOrder) -> Restored:
    """Restores the rows of the span that left the table; in a dry run, does all of it but the inserts, for nothing.

    Raises:
        SettingError: the span is empty.
        TableRefused: the target cannot take the rows; nothing was restored.
        Conflict: a row was there already and `on_conflict` is `fail`; nothing of that object was restored.
        Busy: an archive run has one of the windows in hand; what was restored until then stays.
    """
    if not _in_order(order.start, order.end):
        raise SettingError(f"the restore's end ({order.end}) is not after its start ({order.start})")
    work = _Work(database, bucket, order)
    if order.work.dry_run:
        with database.rehearsal():
            work.run()
    else:
        work.run()
    for line in work.result.lines():
        log.info("%s", line)
    return work.result


class _Work:
    """One restore under way."""

    def __init__(self, database: Database, bucket: ObjectStore, order: RestoreOrder) -> None:
        self.database = database
        self.bucket = bucket
        self.order = order
        self.ledger = Ledger(database, order.work)
        self.restores = Restores(database, order.work)
        self.result = Restored(dry_run=order.work.dry_run)
        self._spans: dict[str, Window] = {}
        self._damaged: set[Window] = set()
        self._place = ""

    def run(self) -> None:
        manifests = self._manifests()
        if not manifests:
            self.result.notes.append("no archived object of this table overlaps the span")
            return
        self.result.into = str(self.order.target)
        self.result.held = _say_hold(self.order, None)
        log.info(
            "%s to read; rows that left %s come back into %s; %s%s",
            *(say_count(len(manifests), "object"), self.order.work.table, self.order.target, self.result.held),
            "; this is a dry run, so nothing is put back" if self.order.work.dry_run else "",
        )
        self.ledger.migrate()
        target = ready_target(self.database, self.restores, self.order, manifests)
        self._note(target, manifests)
        if target.key:
            self.database.change("restore/drop_seen")
            self.database.change("restore/create_seen", {"key": target.key, "table": target.table})
            self.database.change("restore/index_seen", {"key": target.key})
        for number, manifest in enumerate(manifests, start=1):
            self._place = f"object {number:,} of {len(manifests):,}"
            self._try(manifest, target)

    def _manifests(self) -> list[Manifest]:
        """The manifests whose span overlaps the restore's, newest first; what is wrong with others is noted."""
        found = []
        for key in manifest_keys(self.bucket, self.order.work, _widest(self.order)):
            try:
                manifest = read_manifest(self.bucket, self.order.work, key)
            except CheckFailed as failure:
                self._failed(str(failure))
            else:
                if span := _span(self.order, manifest):
                    self._spans[manifest.data.key] = span
                    found.append(manifest)
        return sorted(found, key=lambda one: (one.server.read_at, one.generation), reverse=True)

    def _note(self, target: Target, manifests: Sequence[Manifest]) -> None:
        changed = {
            (column.name, column.type, target.types[column.name])
            for manifest in manifests
            for column in manifest.columns
            if target.types.get(column.name, column.type) != column.type
        }
        for name, before, now in sorted(changed):
            self.result.notes.append(f"column {name} was {before} and is {now}: its values are read as that")
        if triggers := self.database.all("restore/insert_triggers", oid=target.oid):
            self.result.notes.append(f"insert triggers fire: {', '.join(trigger.name for trigger in triggers)}")

    def _try(self, manifest: Manifest, target: Target) -> None:
        """One object; if it is damaged, it and what it may supersede are left out, and the others go on."""
        if manifest.cell in self._damaged:
            self._failed(f"{manifest.data.key}: waits until the newer object of its window is whole again")
            return
        try:
            with self.database.locked(self.ledger.lock_name(manifest.cell), f"window {manifest.cell}"):
                self._object(manifest, target)
        except (CheckFailed, ValueRefused) as failure:
            self._damaged.add(manifest.cell)
            self._failed(f"{manifest.data.key}: {failure}{self._remedy(failure)}")

    def _remedy(self, failure: CheckFailed | ValueRefused) -> str:
        """Rows that point to others can come back only after those."""
        if not isinstance(failure, ReferenceRefused):
            return ""
        found = self.database.all("restore/points_to", table=failure.table, name=failure.constraint)
        parents = {TableName(row.schema, row.table) for row in found}
        if parents == {self.order.work.table}:
            return "; its rows point to rows outside the span, restore a span that holds those too, or into a new table"
        return f"; restore {', '.join(map(str, sorted(parents)))} for the same span first, and then this again"

    def _object(self, manifest: Manifest, target: Target) -> None:
        gone = what_left(self.ledger, self.bucket, manifest)
        if not gone.upto:
            log.info("%s, %s: none of its rows left the table", self._place, manifest.data.key)
            return
        span = self._spans[manifest.data.key]
        with self.database.transaction():
            self.database.change("restore/hold", {"table": target.table})
            if describe_target(self.database, target.table) != target:
                raise CheckFailed(f"{target.table} was changed while this restore went on; run it again")
            staging = Staging(self.database, target, manifest)
            if not (gone.known or staging.key) and self.order.into_itself:
                raise CheckFailed(
                    "no ledger says which of its rows left the table, and without a key they cannot be told from those "
                    "that did not; restore into a new table"
                )
            counts = self._loaded(staging, gone, span)
        self._add(counts)
        log.info(
            "%s, %s: %s of %s %s",
            *(self._place, manifest.data.key, f"{counts.restored:,}"),
            *(say_count(counts.rows_read, "row"), self.result.verb),
        )

    def _loaded(self, staging: Staging, gone: Gone, span: Window) -> Restored:
        """Fills the staging table, takes out what is not to be restored, and inserts the rest."""
        order, manifest = self.order, staging.manifest
        counts = Restored(objects=1, rows_read=staging.load(data_of(self.bucket, manifest)))
        if span != manifest.span:
            counts.outside = staging.drop_outside(span)
        if gone.kept or gone.upto < manifest.rows:
            counts.kept = staging.drop_kept(gone.upto, gone.kept)
        if staging.key:
            counts.superseded = staging.drop_superseded()
        else:
            for before in self.restores.spans(manifest, self.bucket.bucket, staging.target.oid):
                counts.already += staging.drop_restored(before)
        left = counts.rows_read - counts.outside - counts.kept - counts.superseded - counts.already
        inserted = staging.insert(left, order.on_conflict, dry_run=order.work.dry_run)
        if order.on_conflict is OnConflict.FAIL and inserted.conflicts:
            raise Conflict(
                f"{inserted.conflicts} row(s) of {manifest.data.key} are in {order.target} already; nothing of this "
                f"object was restored. Set on_conflict to 'skip' or 'newest', or restore into a new table"
            )
        counts.restored, counts.in_conflict = inserted.rows, inserted.conflicts
        counts.skipped = left - inserted.rows
        if left and not order.work.dry_run:
            until = self.restores.note(manifest, self.bucket.bucket, order, staging.target.oid, span, inserted.rows)
            self.result.held = _say_hold(order, until)
        return counts

    def _add(self, counts: Restored) -> None:
        for name, value in vars(counts).items():
            if type(value) is int:
                setattr(self.result, name, getattr(self.result, name) + value)

    def _failed(self, failure: str) -> None:
        log.error("%s", failure)
        self.result.failures.append(failure)


def _say_hold(order: RestoreOrder, until: datetime | None) -> str:
    """How long the archive leaves restored rows where they are; `until` is what the ledger has noted."""
    if not order.into_itself:
        return "the archive of this table does not concern them there"
    if not order.hold_days:
        return "hold_days is 0, so the next run of the archive may take them away again"
    if until is None:
        leaves = "would leave" if order.work.dry_run else "leaves"
        return f"the archive {leaves} them there for {say_count(order.hold_days, 'day')}"
    return f"the archive leaves them there until {until:%Y-%m-%d %H:%M} UTC"


def _in_order(start: datetime, end: datetime) -> bool:
    """Moments with and without an offset cannot be compared before the column is known; then nothing is refused."""
    return (start.tzinfo is None) != (end.tzinfo is None) or start < end


def _widest(order: RestoreOrder) -> Window:
    """A span in column time that holds the restore's whatever the column's type and zone."""
    start, end = (moment.replace(tzinfo=None) for moment in (order.start, order.end))
    return Window(start - 2 * _FARTHEST_ZONE, end + 2 * _FARTHEST_ZONE)


def _span(order: RestoreOrder, manifest: Manifest) -> Window | None:
    """What the restore and the object have in common, in the object's column time; a date stands for its midnight."""
    kind = manifest.timestamp_kind
    if kind is TimestampKind.DATE:
        kind = TimestampKind.TIMESTAMP
    start, end = (
        in_column_time(moment, kind, order.work.timezone) if moment.tzinfo else moment
        for moment in (order.start, order.end)
    )
    start, end = max(start, manifest.span_start), min(end, manifest.span_end)
    return Window(start, end) if start < end else None
