"""The description that stands beside each object. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import ValidationError, model_validator

from pg_archiver.domain.frozen import Frozen
from pg_archiver.domain.tables import Member, RowIdentity, TableName
from pg_archiver.domain.windows import TimestampKind, Window
from pg_archiver.errors import CheckFailed
from pg_archiver.objects.checksums import Checksum, DigestKind
from pg_archiver.objects.compression import Compression
from pg_archiver.objects.object_keys import object_key

TOOL_VERSION = "0.1.0"
FORMAT: Literal[2] = 2
# After a snapshot; half of those whose ages the server tells apart.
_MOST_TRANSACTIONS = 1 << 30


class ColumnDescription(Frozen):
    """A column's name, its type as `format_type` writes it, and its number in the table, by which the server knows it.

    Format 1 does not tell the number.
    """

    name: str
    type: str
    number: int | None = None


class PartDescription(Frozen):
    """One part of an object that was sent in parts."""

    bytes: int
    sha256: str


class ObjectDescription(Frozen):
    """One object: what S3 holds, and what comes out when it is decompressed.

    The content has one digest: its XXH3 of 128 bits, or its SHA-256 in a manifest of before there was that.
    """

    key: str
    bytes: int
    sha256: str
    content_bytes: int
    content_sha256: str | None = None
    content_xxh3_128: str | None = None
    parts: tuple[PartDescription, ...] | None = None

    @model_validator(mode="after")
    def _has_one_digest(self) -> Self:
        """Refuse content without a digest, or with two of which one may be wrong."""
        if (self.content_sha256 is None) == (self.content_xxh3_128 is None):
            raise ValueError("one of content_sha256 and content_xxh3_128 belongs here")
        return self

    @property
    def digest_kind(self) -> DigestKind:
        """Which digest of the content it tells."""
        return "xxh3_128" if self.content_sha256 is None else "sha256"

    def has_content(self, found: Checksum) -> bool:
        """Return whether this content was described, a digest of the kind that is told here."""
        told = self.content_sha256 if found.kind == "sha256" else self.content_xxh3_128
        return (found.size, found.digest) == (self.content_bytes, told)


class ServerDescription(Frozen):
    """Where and when the rows were read. The timeline is None where the server does not tell it, and in format 1."""

    system_identifier: str | None
    database: str
    version: str
    snapshot: str
    read_at: datetime
    timeline: int | None = None

    @property
    def oldest_transaction(self) -> int:
        """The number of the oldest transaction that ran when the snapshot was taken, with all of its 64 bits.

        Whatever had a lower number had ended, the parts of a transaction that can end by themselves among them.
        """
        return int(self.snapshot.partition(":")[0])

    def is_near(self, now: int) -> bool:
        """Return whether at transaction `now` what was made before the oldest one is told from the rest by its age.

        Numbers have all of their 64 bits, and ages 31. A snapshot of the future is another server's.
        """
        return 0 <= now - self.oldest_transaction <= _MOST_TRANSACTIONS


class ParentWindow(Frozen):
    """The window of another table with which these rows were archived, being children of its rows."""

    table_schema: str
    table: str
    cell_start: datetime
    cell_end: datetime
    generation: int


class SubRange(Frozen):
    """How many rows of the window lay in a part of it, in the snapshot of the export."""

    start: datetime
    end: datetime
    rows: int


class Manifest(Frozen):
    """The description of one generation of one window; the ledger can be rebuilt from it.

    Format 1 has `file_nodes`, which map each table's oid to the file that held it at the export; format 2 has
    `members` by oid instead, and only those that could hold rows of the window. What follows `server` is optional:
    `time_axis` says how the column tells the time if it is none of the server's types of time, `condition` what else
    had to hold of a row, `listing` the policy's name for this listing of the table; without `hash_algorithm` the
    digests are SHA-256, and without `keys` the rows' identities were not written down. `token` is a random text that
    stands in the ledger's row as well, of the generation that wrote the object.
    """

    format: Literal[1, 2]
    tool_version: str
    client: str
    table_schema: str
    table: str
    timestamp_column: str
    timestamp_kind: TimestampKind
    timezone: str
    cell_start: datetime
    cell_end: datetime
    span_start: datetime
    span_end: datetime
    generation: int
    run_id: str
    columns: tuple[ColumnDescription, ...]
    identity: RowIdentity
    identity_columns: tuple[str, ...]
    file_nodes: dict[str, int] | None = None
    members: dict[str, Member] | None = None
    rows: int
    compression: Compression
    data: ObjectDescription
    keys: ObjectDescription | None = None
    server: ServerDescription
    time_axis: dict[str, str] | None = None
    condition: str | None = None
    listing: str | None = None
    parent_window: ParentWindow | None = None
    hash_algorithm: str | None = None
    sub_ranges: tuple[SubRange, ...] | None = None
    token: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """Refuse a document without what only the other format may leave out."""
        if self.format == 1 and (self.file_nodes is None or self.keys is None):
            raise ValueError("file_nodes and keys belong to format 1")
        if self.format == 2 and (self.members is None or any(column.number is None for column in self.columns)):  # noqa: PLR2004
            raise ValueError("members and the columns' numbers belong to format 2")
        return self

    @property
    def cell(self) -> Window:
        """The hour that names the object."""
        return Window(self.cell_start, self.cell_end)

    @property
    def span(self) -> Window:
        """The part of the cell that was exported."""
        return Window(self.span_start, self.span_end)

    @property
    def sidecar(self) -> ObjectDescription:
        """The object beside the data that tells the rows' identities.

        Raises:
            CheckFailed: there is none, as where rows leave by ranges of time.
        """
        if self.keys is None:
            raise CheckFailed(f"{self.data.key} has no list of its rows' identities, which is needed here")
        return self.keys

    def expected_key(self, prefix: str) -> str:
        """Return where the data object lies if all that the manifest says is true."""
        table = TableName(self.table_schema, self.table)
        return object_key(prefix, self.client, table, self.cell, self.generation, self.compression)

    @classmethod
    def parse(cls, document: object, where: str) -> Self:
        """Return the manifest from JSON that was read somewhere.

        Raises:
            CheckFailed: it is not a manifest of a format that this version knows.
        """
        try:
            if isinstance(document, str | bytes):
                return cls.model_validate_json(document)
            return cls.model_validate(document)
        except ValidationError as error:
            raise CheckFailed(
                f"{where} is not a manifest that this version can read: {error.error_count()} field(s) are wrong, "
                f"first {'.'.join(str(part) for part in error.errors()[0]['loc']) or 'format'}"
            ) from None

    def to_json(self) -> bytes:
        """Return the document as it is stored, one field a line: just the fields that it was made or read with."""
        return self.model_dump_json(indent=1, exclude_unset=True).encode()
