"""Which objects a restore has to read: found by the ledger's own keys and by a listing, and put in their order.

The ledger knows at first hand from which objects rows have left, and where they lie, whatever the policy says by now.
The listing shows what the ledger does not know: a lost one's objects. All of it is kept in a temporary table, so memory
does not grow with the length of the archive.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from pg_archiver.domain.windows import TimestampKind, Window, earliest_wall_time, latest_wall_time
from pg_archiver.domain.work import RestoreOrder
from pg_archiver.errors import CheckFailed, StorageRefused
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.manifest_files import ListedManifest, list_manifests, read_manifest
from pg_archiver.objects.object_keys import cell_of_key, data_keys, generation_of_key, table_folder
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)

_PAGE = 500


@dataclass(frozen=True)
class ArchivedObject:
    """One object to read. `known` tells that the ledger says at first hand which of its rows left.

    `bucket` and `key` are where the ledger, else the listing, has it; `listed_key` where the policy's own bucket shows
    it, None if it does not. `noted` tells that notes may lie beside it. `number` is its place in the order, from 1.
    """

    known: bool
    bucket: str
    key: str
    listed_key: str | None
    cell: Window
    generation: int
    noted: bool
    number: int


@dataclass(frozen=True)
class Shape:
    """What some of the objects hold: their columns with types and numbers, key and timestamp column."""

    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    timestamp_column: str


@dataclass(frozen=True)
class Span:
    """The restore's span in column time, for columns with a time zone and for those without one."""

    zoned: Window
    wall: Window

    @classmethod
    def of(cls, order: RestoreOrder) -> Span | None:
        """Return the span, None if it is empty. It holds wall times that may mean a moment of it or one beside it."""
        zone = order.work.timezone
        starts = [_moment(order.start, zone, kind, earliest=True) for kind in (True, False)]
        ends = [_moment(order.end, zone, kind, earliest=False) for kind in (True, False)]
        if any(start >= end for start, end in zip(starts, ends, strict=True)):
            return None
        return cls(Window(starts[0], ends[0]), Window(starts[1], ends[1]))

    @property
    def widest(self) -> Window:
        """The span that holds both."""
        return Window(min(self.zoned.start, self.wall.start), max(self.zoned.end, self.wall.end))

    def within(self, manifest: Manifest) -> Window | None:
        """Return what the restore and the object have in common; a date stands for its midnight."""
        mine = self.zoned if manifest.timestamp_kind is TimestampKind.TIMESTAMPTZ else self.wall
        start, end = max(mine.start, manifest.span_start), min(mine.end, manifest.span_end)
        return Window(start, end) if start < end else None


def _moment(moment: datetime, zone: str, zoned: bool, *, earliest: bool) -> datetime:
    if moment.tzinfo is None:
        return moment
    try:
        if zoned:
            return moment.astimezone(tz=UTC).replace(tzinfo=None)
        return earliest_wall_time(moment, zone) if earliest else latest_wall_time(moment, zone)
    except OverflowError:
        # At either end of the calendar, where a zone's clocks show a year that there is not.
        return moment.replace(tzinfo=None)


class Archived:
    """The objects of one restore, in a temporary table."""

    def __init__(self, session: Session, bucket: Bucket, order: RestoreOrder, span: Span) -> None:
        """Find nothing yet."""
        self._session = session
        self._bucket = bucket
        self._order = order
        self._span = span
        self._ledger = WindowLedger(session, order.work)
        work = order.work
        self._folder = table_folder("", work.client, work.table)
        self._prefix = f"{work.prefix}/" if work.prefix else ""
        # The windows of which a manifest could not be read, so that nobody knows which rows its object holds.
        self.unreadable: set[Window] = set()
        self._subject = {"client": work.client, "schema": work.table.schema, "table": work.table.name}

    def find(self) -> list[str]:
        """Fill the table; return what is wrong with objects that could not be taken in."""
        failures: list[str] = []
        session, widest = self._session, self._span.widest
        for statement in ("drop_objects", "create_objects", "create_shapes"):
            session.execute(f"restore/{statement}")
        known = self._ledger.exists()
        span = {"start": widest.start, "end": widest.end}
        if known:
            session.execute("restore/add_known", **self._subject, **span, folder=self._folder)
        try:
            self._list(failures, known=known)
        except StorageRefused as refusal:
            # The ledger may know of objects in a bucket that the policy named before.
            failures.append(str(refusal))
            log.error("%s", refusal)  # noqa: TRY400 (the message is whole)
        if known:
            for row in session.fetch_all("restore/rebuilt_elsewhere", **self._subject, **span, folder=self._folder):
                self._add(
                    row.bucket, row.object_key, None, self._ledger_manifest(row.bucket, row.object_key), noted=True
                )
        wall, zoned = self._span.wall, self._span.zoned
        session.execute(
            "restore/drop_far_objects",
            start=zoned.start, end=zoned.end, wall_start=wall.start, wall_end=wall.end,
        )  # fmt: skip
        session.execute("restore/order_objects")
        session.execute("restore/index_objects")
        return failures

    def count(self) -> int:
        """Return how many objects were found."""
        return int(self._session.fetch_one("restore/count_objects").objects)

    def list_shapes(self) -> list[Shape]:
        """Return what they hold, each different combination of columns and key once, the newest object's first."""
        return [_shape(row.description) for row in self._session.fetch_all("restore/shapes")]

    def list_objects(self) -> Iterator[ArchivedObject]:
        """Yield the objects, those with the newest versions first."""
        last = 0
        while rows := self._session.fetch_all("restore/objects", after=last, most=_PAGE):
            for row in rows:
                last = row.place
                yield ArchivedObject(
                    known=row.ledger_id is not None,
                    bucket=row.bucket,
                    key=row.object_key,
                    listed_key=row.listed_key,
                    cell=Window(row.cell_start, row.cell_end),
                    generation=row.generation,
                    noted=row.noted,
                    number=row.place,
                )

    def find_span_left(self) -> Window | None:
        """Return from when to when rows of the table have left, by the ledger; None if none has."""
        if not self._ledger.exists():
            return None
        found = self._session.fetch_one("ledger/windows/span_left", **self._subject)
        return Window(found.span_start, found.span_end) if found.span_start else None

    def _list(self, failures: list[str], *, known: bool) -> None:
        # Cells, like spans, are in column time.
        manifests = list_manifests(self._bucket, self._order.work, (self._span.zoned, self._span.wall))
        while page := list(islice(manifests, _PAGE)):
            mine = self._find_first_hand([listed.key for listed in page]) if known else {}
            for listed in page:
                found = [tail for each in data_keys(listed.key) if (tail := each.removeprefix(self._prefix)) in mine]
                if not found:
                    self._read(listed, failures)
                elif all(mine[tail] for tail in found):
                    self._read_anothers(listed, found)

    def _find_first_hand(self, page: Sequence[str]) -> dict[str, bool]:
        """Return which of these objects the ledger knows at first hand, by their keys without the prefix.

        True stands for one that was never vouched for: the manifest there may be of an object that the ledger lost.
        """
        named = [(cell, generation_of_key(key)) for key in page if (cell := cell_of_key(key))]
        rows = self._session.fetch_all(
            "restore/first_hand",
            **self._subject,
            folder=self._folder,
            starts=[cell.start for cell, _ in named],
            ends=[cell.end for cell, _ in named],
            generations=[generation for _, generation in named],
        )
        mine = {row.tail: row.never_vouched_for for row in rows}
        self._session.execute("restore/mark_listed", prefix=self._prefix, tails=list(mine))
        return mine

    def _read(self, listed: ListedManifest, failures: list[str]) -> None:
        key = listed.key
        try:
            manifest = read_manifest(self._bucket, self._order.work, key)
        except CheckFailed as failure:
            log.error("%s", failure)  # noqa: TRY400 (the message is whole)
            failures.append(str(failure))
            if cell := cell_of_key(key):
                self.unreadable.add(cell)
        else:
            self._add(self._bucket.name, manifest.data.key, manifest.data.key, manifest, noted=bool(listed.notes))

    def _read_anothers(self, listed: ListedManifest, known: Sequence[str]) -> None:
        """Take in what such a manifest speaks of, if that is another object. One that is damaged concerns nobody."""
        with suppress(CheckFailed):
            manifest = read_manifest(self._bucket, self._order.work, listed.key)
            if manifest.data.key.removeprefix(self._prefix) not in known:
                self._add(self._bucket.name, manifest.data.key, manifest.data.key, manifest, noted=bool(listed.notes))

    def _ledger_manifest(self, bucket: str, key: str) -> Manifest:
        row = self._ledger.find_by_object(bucket, key)
        return Manifest.parse(row.manifest if row else None, f"the ledger's entry for {key}")

    def _add(self, bucket: str, key: str, listed_key: str | None, manifest: Manifest, *, noted: bool) -> None:
        self._session.execute(
            "restore/add_found",
            bucket=bucket,
            object_key=key,
            listed_key=listed_key,
            folder=self._folder,
            manifest=manifest.to_json().decode(),
            noted=noted,
        )


def _shape(description: Any) -> Shape:
    found = json.loads(description) if isinstance(description, str) else description
    columns: Sequence[Any] = found["columns"]
    return Shape(
        tuple((column["name"], column["type"]) for column in columns),
        tuple(found["key"]),
        found["timestamp_column"],
    )
