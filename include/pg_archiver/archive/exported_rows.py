"""What every way of removing rows needs: the checked sidecar, as the list of what may go, and the last word."""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import IO, Self, cast

from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import CheckFailed, NotEnabled, StorageInterrupted, StorageRefused, ValueRefused
from pg_archiver.ledger.removed_rows import note_kept, number_rows
from pg_archiver.ledger.window_generation import Generation
from pg_archiver.ledger.window_ledger import WindowLedger, manifest_of
from pg_archiver.objects.checksums import Checksum, ChecksumReader
from pg_archiver.objects.compression import decompress
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_keys import manifest_key
from pg_archiver.postgres.catalog import identity_columns
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names, QualifiedColumn, SameValues
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)

ELSEWHERE = "it was written to another bucket than the policy names now"
OTHER_KEY = "the table has another key than at the export"
_UNREADABLE = "the list of its rows does not fit the types of the table's key any more"
_STRANGE = "the list of its rows names a table that was no part of it at the export"

# Of a sidecar that is fetched ahead: the keys of some hundreds of thousands of rows.
_MOST_FETCHED_BYTES = 4 << 20
# The server's own types, by the names that `format_type` gives them, whose `=` takes no two values for one.
_EXACT = re.compile(r"smallint|integer|bigint|uuid|oid|date|timestamp(\(\d\))? with(out)? time zone")


def refuse_in_dry_run(order: WorkOrder) -> None:
    """Refuse to delete on an order for a dry run: the last guard, whoever asks for it.

    Raises:
        NotEnabled: it is.
    """
    if order.dry_run:
        raise NotEnabled(
            f"run {order.run_id} is a dry run, in which no row of {order.table} may be deleted. Nothing was deleted"
        )


def refuse_replaced(bucket: Bucket, row: Generation, manifest: Manifest) -> None:
    """Refuse if the object that was checked, or its manifest, is not the one that is there now.

    Raises:
        CheckFailed: one of them was deleted or replaced since.
    """
    bucket = bucket.elsewhere(row.bucket)
    head = bucket.head(row.object_key)
    if head is None or head.etag != row.etag or head.size != manifest.data.bytes:
        raise CheckFailed(
            f"s3://{row.bucket}/{row.object_key} was {'replaced' if head else 'deleted'} after it was checked. "
            "Nothing more is deleted. Fix: bring that object back, or set its ledger row to 'void' to export again"
        )
    if bucket.head(manifest_key(row.object_key)) is None:
        raise CheckFailed(f"the manifest of s3://{row.bucket}/{row.object_key} is gone. Nothing more is deleted")


def note_abandoned(ledger: WindowLedger, bucket: Bucket, row: Generation) -> None:
    """Note beside a generation's object, in the bucket where that is, which of its rows stayed.

    The bucket is another one if the policy named that at the export. Whoever takes a bucket out of the policy may have
    taken it from this program altogether, so the note is left out then, and the ledger alone knows.
    """
    try:
        note_kept(ledger, bucket, row)
    except (CheckFailed, StorageRefused, StorageInterrupted) as failure:
        if row.bucket == bucket.name:
            raise
        log.warning("window %s: which of its rows stayed is not noted in its old bucket: %s", row.span, failure)


def abandon_generation(bucket: Bucket, ledger: WindowLedger, row: Generation, reason: str) -> None:
    """End a generation early; the rows that did not leave stay, and the next run exports them again.

    Where the ledger tells only which sub-ranges left, it is noted first which rows these are. If the object of another
    bucket cannot be read any more, the sub-ranges are what is known.
    """
    numbered = row
    if row.sub_ranges_gone:
        try:
            numbered = number_rows(bucket.elsewhere(row.bucket), row, manifest_of(row, row.span))
        except (CheckFailed, StorageRefused, StorageInterrupted) as failure:
            if row.bucket == bucket.name:
                raise
            log.warning("window %s: which of its rows left is noted by ranges of time alone: %s", row.span, failure)
    ledger.abandon(numbered, reason)
    note_abandoned(ledger, bucket, numbered)


class SidecarPrefetch:
    """Fetches one window's sidecar while the rows of the window before go. What it fetched is checked when it is used.

    A large one is left to be streamed in its turn, so that memory stays what it is.
    """

    def __init__(self, bucket: Bucket) -> None:
        """Take rows of this table, in this session; `sidecars` may have fetched some of them already."""
        self._bucket = bucket
        self._thread = ThreadPoolExecutor(1, "sidecar")
        self._fetched: dict[str, Future[bytes]] = {}

    def __enter__(self) -> Self:
        """Start no thread yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    def begin(self, manifest: Manifest) -> None:
        """Begin to fetch the manifest's sidecar, if it is a small one."""
        if manifest.keys and manifest.keys.bytes <= _MOST_FETCHED_BYTES:
            key = manifest.keys.key
            self._fetched[key] = self._thread.submit(self._fetch, key)

    @contextmanager
    def open(self, key: str) -> Generator[IO[bytes]]:
        """Open the sidecar's bytes, already fetched or as they come.

        Raises:
            ObjectMissing: there is no such object.
        """
        fetched = self._fetched.pop(key, None)
        if fetched is not None:
            yield BytesIO(fetched.result())
            return
        with self._bucket.open(key) as answer:
            yield cast(IO[bytes], ChecksumReader(answer.body))

    def _fetch(self, key: str) -> bytes:
        with self._bucket.open(key) as answer:
            return answer.body.read()


class ExportedRows:
    """The temporary table of places, versions and keys that were read from checked sidecars, numbered from 1."""

    def __init__(
        self,
        session: Session,
        bucket: Bucket,
        order: WorkOrder,
        shape: TableShape,
        sidecars: SidecarPrefetch | None = None,
    ) -> None:
        """For rows of this table, in this session; `sidecars` may have fetched some of them already."""
        self._session = session
        self._bucket = bucket
        self._sidecars = sidecars or SidecarPrefetch(bucket)
        self._order = order
        self._loaded = 0
        self._columns = identity_columns(shape)
        # The columns of the temporary table; ours, since `ctid` and `xmin` cannot be names of columns.
        self._names = ["version", *(f"key_{place}" for place, _ in enumerate(self._columns[1:]))]
        types = {column.name: column.type for column in shape.columns}
        self._made_as = (order.table, *self._columns, *(types[column] for column in self._columns[3:]))
        self._same_key = SameValues(
            "target",
            "exported",
            tuple(
                (column, name, bool(_EXACT.fullmatch(types[column])))
                for column, name in zip(self._columns[3:], self._names[3:], strict=True)
            ),
        )

    @property
    def places(self) -> Names:
        """The names by which a statement compares where rows are with the list: in which table, and where in that."""
        return {
            "target_place": [QualifiedColumn("target", column) for column in self._columns[1:3]],
            "exported_place": [QualifiedColumn("exported", name) for name in self._names[1:3]],
        }

    @property
    def matching(self) -> Names:
        """The names with which a statement compares the table's rows, besides their version, with the list's."""
        return {**self.places, "same_key": self._same_key}

    def create(self) -> None:
        """Make the list, empty: the session's last one, if that is of this table and its key has the same types."""
        if self._session.list_of == self._made_as:
            self._session.execute("archive/delete/empty_keys")
            return
        self._session.list_of = None
        names: Names = {"names": self._names, "columns": self._columns, "table": self._order.table}
        self._session.execute("archive/delete/drop_keys")
        self._session.execute("archive/delete/create_keys", names)
        self._session.execute("archive/delete/number_keys")
        self._session.list_of = self._made_as

    def add(self, manifest: Manifest) -> str | None:
        """Add a sidecar's lines, and make sure that it is the one that was checked.

        It is known by its content, and its rows are counted by the server: one that was only compressed anew lists the
        same rows. `ObjectReader`, the judge of what was read back, asks for the bytes as they were sent, too.

        What it returns says why no row may go by this list, though it is that one: None if it will do.

        Raises:
            CheckFailed: it is another one, or damaged.
        """
        expected = manifest.sidecar
        content = Checksum(expected.digest_kind)
        with self._sidecars.open(expected.key) as body:
            chunks = _check_undamaged(decompress(body, manifest.compression), expected.key)
            try:
                loaded = self._session.copy_in(
                    "archive/delete/load_keys", {"names": self._names}, map(content.add, chunks)
                )
            except ValueRefused as refusal:
                # As when a label of an enum type was renamed since.
                log.warning("s3://%s/%s: %s", self._bucket.name, expected.key, refusal)
                return _UNREADABLE
        if not expected.has_content(content) or loaded != manifest.rows:
            raise CheckFailed(
                f"s3://{self._bucket.name}/{expected.key} is not the sidecar that was checked. Nothing was deleted"
            )
        # The first of a row's place is its table. What the manifest does not know may have been rewritten since.
        tables = self._session.fetch_all("archive/delete/tables_on_list", {"place": self._names[1]}, after=self._loaded)
        self._loaded += loaded
        return None if {row.oid for row in tables} <= (manifest.members or {}).keys() else _STRANGE

    def analyze(self) -> None:
        """Let the planner know what the list holds."""
        self._session.execute("archive/delete/analyze_keys")


def _check_undamaged(chunks: Iterator[bytes], key: str) -> Iterator[bytes]:
    try:
        yield from chunks
    except ValueError as damage:
        raise CheckFailed(f"{key}: {damage}. Nothing was deleted") from None


def close_generation(
    bucket: Bucket, ledger: WindowLedger, row: Generation, deleted: int, what: str = "changed"
) -> None:
    """End a generation all of whose rows were processed; `deleted` of them left the table, `what` kept the others."""
    changed = (row.rows or 0) - deleted
    note = f"{changed} row(s) {what} since the export and stayed" if changed else None
    ended = (ledger.find_latest(row.cell) or row) if changed else replace(row, deleted_upto=row.rows or 0)
    note_kept(ledger, bucket, ended)
    if row.sub_ranges_gone:
        ledger.end_sub_ranges(ended, note)
    else:
        ledger.mark_deleted(row, note)
    log.info("window %s: %d rows deleted%s", row.span, deleted, f", {note}" if note else "")
