"""Where an object lies in the bucket, and the description that stands beside it. No I/O.

Keys follow the Hive layout that Athena, DuckDB and Spark read: `client=/schema=/table=/dt=/hour=/`. The sidecar
and the manifest begin with an underscore, which those readers skip. A data object without a manifest does not
exist: nothing was deleted on its account.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from include.archiver.codec import EXTENSIONS, Compression
from include.archiver.errors import CheckFailed
from include.archiver.models import RowIdentity, TableName, TimestampKind, Window
from include.archiver.naming import key_segment

TOOL_VERSION = "0.1.0"
FORMAT: Literal[2] = 2
_MOMENT = "%Y%m%dT%H%M"
_NAME = re.compile(r"/_?([0-9]{8}T[0-2][0-9][0-5][0-9])-([0-9]{8}T[0-2][0-9][0-5][0-9])\.g([0-9]{4})\.[^/]*$")
_OWNER = re.compile(r"/_owner/([0-9]{8,})$")


def table_folder(prefix: str, client: str, table: TableName) -> str:
    """The part of the key that all objects of one table share, with its slash."""
    return f"{_client_folder(prefix, client)}schema={key_segment(table.schema)}/table={key_segment(table.name)}/"


def owner_folder(prefix: str, client: str) -> str:
    """The part of the key that the markers of one client's owners share, with its slash."""
    return f"{_client_folder(prefix, client)}_owner/"


def owner_key(prefix: str, client: str, number: int) -> str:
    """The key of the marker with this number; S3 lists them in the order of their numbers."""
    return f"{owner_folder(prefix, client)}{number:08d}"


def number_of_owner(key: str) -> int | None:
    """The number in a marker's key; None if it is not a key of one."""
    found = _OWNER.search(key)
    return int(found[1]) if found else None


def object_key(
    prefix: str, client: str, table: TableName, cell: Window, generation: int, compression: Compression
) -> str:
    """The data object's key; no two (client, schema, table, window, generation) share one."""
    start = cell.start
    folder = f"dt={start.date().isoformat()}/hour={start.hour:02d}/"
    name = f"{_moment(start)}-{_moment(cell.end)}.g{generation:04d}.{EXTENSIONS[compression]}"
    return table_folder(prefix, client, table) + folder + name


def keys_key(data_key: str) -> str:
    """The key of the sidecar that lists the rows' identities and versions."""
    folder, name = data_key.rsplit("/", 1)
    return f"{folder}/_{name.split('.csv')[0]}.keys.csv{name.split('.csv')[1]}"


def manifest_key(data_key: str) -> str:
    """The key of the manifest."""
    folder, name = data_key.rsplit("/", 1)
    return f"{folder}/_{name.split('.csv')[0]}.manifest.json"


def kept_folder(data_key: str) -> str:
    """How the keys begin that say which of the object's rows were not deleted."""
    folder, name = data_key.rsplit("/", 1)
    return f"{folder}/_{name.split('.csv')[0]}.kept."


def kept_key(data_key: str, deleted_upto: int, digest: str, number: int) -> str:
    """The key of what was known when the delete had dealt with so many rows: the first of those that say the same.

    Format 1 of the note had the rows alone in its key, and nothing after them.
    """
    again = f".{number}" if number > 1 else ""
    return f"{kept_folder(data_key)}{deleted_upto:012d}.{digest}{again}.json"


def data_keys(key: str) -> tuple[str, ...]:
    """The keys that the data object may have beside which an object with this key lies; the key itself if it is one.

    A sidecar's key tells how the data is compressed; manifests and notes do not.
    """
    folder, _, name = key.rpartition("/")
    for mark in (".manifest.json", ".keys.csv", ".kept."):
        stem, found, rest = name.partition(mark)
        if found and stem.startswith("_"):
            endings = (f"csv{rest}",) if mark == ".keys.csv" else tuple(EXTENSIONS.values())
            return tuple(f"{folder}/{stem[1:]}.{ending}" for ending in endings)
    return (key,)


def cell_of_key(key: str) -> Window | None:
    """The cell that the key of an object, a sidecar or a manifest names; None if it names none."""
    found = _NAME.search(key)
    if not found:
        return None
    start, end = (datetime.strptime(moment, _MOMENT) for moment in found.groups()[:2])  # noqa: DTZ007 (column time)
    return Window(start, end) if start < end else None


def generation_of_key(key: str) -> int | None:
    """The generation that such a key names; None if it names none."""
    found = _NAME.search(key)
    return int(found[3]) if found else None


def _client_folder(prefix: str, client: str) -> str:
    names = f"client={key_segment(client)}/"
    return f"{prefix}/{names}" if prefix else names


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes").replace("-", "").replace(":", "")


class Frozen(BaseModel):
    """What a later version adds is kept, and otherwise ignored; only another `format` is refused."""

    model_config = ConfigDict(extra="allow", frozen=True)


class ColumnDescription(Frozen):
    """A column's name, its type as `format_type` writes it, and its number in the table, by which the server knows it.

    Format 1 does not tell the number.
    """

    name: str
    type: str
    number: int | None = None


class Member(Frozen):
    """A table that could hold rows of the window at the export: the table itself, a partition or a child.

    `columns` stands for the numbers, names and types of its columns: any change of one gives another text.
    """

    table_schema: str
    table: str
    file_node: int
    columns: str


class PartDescription(Frozen):
    """One part of an object that was sent in parts."""

    bytes: int
    sha256: str


class ObjectDescription(Frozen):
    """One object: what S3 holds, and what comes out when it is decompressed."""

    key: str
    bytes: int
    sha256: str
    content_bytes: int
    content_sha256: str
    parts: tuple[PartDescription, ...] | None = None


class ServerDescription(Frozen):
    """Where and when the rows were read. The timeline is None where the server does not tell it, and in format 1."""

    system_identifier: str | None
    database: str
    version: str
    snapshot: str
    read_at: datetime
    timeline: int | None = None


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
        """What may be missing in one format must be there in the other."""
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
            CheckFailed: there is none, as a later version may decide.
        """
        if self.keys is None:
            raise CheckFailed(f"{self.data.key} has no list of its rows' identities, which this version needs")
        return self.keys

    def expected_key(self, prefix: str) -> str:
        """Where the data object lies if all that the manifest says is true."""
        table = TableName(self.table_schema, self.table)
        return object_key(prefix, self.client, table, self.cell, self.generation, self.compression)

    @classmethod
    def parse(cls, document: object, where: str) -> Self:
        """The manifest from JSON that was read somewhere.

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
        """The document as it is stored, one field a line: just the fields that it was made or read with."""
        return self.model_dump_json(indent=1, exclude_unset=True).encode()
