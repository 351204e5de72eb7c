"""Where an object lies in the bucket: the keys of data, sidecar, manifest, notes, owners and a trial. No I/O."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import quote, unquote

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.windows import Window
from pg_archiver.objects.compression import EXTENSIONS, Compression

_MOMENT = "%Y%m%dT%H%M"
_NAME = re.compile(r"/_?([0-9]{8}T[0-2][0-9][0-5][0-9])-([0-9]{8}T[0-2][0-9][0-5][0-9])\.g([0-9]{4})\.[^/]*$")
_TABLE = re.compile(r"schema=([^/]+)/table=([^/]+)/")
_OWNER = re.compile(r"/_owner/([0-9]{8,})$")


def key_segment(name: str) -> str:
    """Return a name as one segment of an S3 key: percent-encoded, so it holds no slash and can be decoded again."""
    return quote(name, safe="")


def client_folder(prefix: str, client: str) -> str:
    """Return the part of the key that all objects of one client share, with its slash."""
    names = f"client={key_segment(client)}/"
    return f"{prefix}/{names}" if prefix else names


def table_folder(prefix: str, client: str, table: TableName) -> str:
    """Return the part of the key that all objects of one table share, with its slash."""
    return f"{client_folder(prefix, client)}schema={key_segment(table.schema)}/table={key_segment(table.name)}/"


def table_of_key(folder: str, key: str) -> TableName | None:
    """Return the table whose object lies under a key below a client's folder; None if the key names none."""
    found = _TABLE.match(key, len(folder)) if key.startswith(folder) else None
    return TableName(*map(unquote, found.groups())) if found else None


def owner_folder(prefix: str, client: str) -> str:
    """Return the part of the key that the markers of one client's owners share, with its slash."""
    return f"{client_folder(prefix, client)}_owner/"


def owner_key(prefix: str, client: str, number: int) -> str:
    """Return the key of the marker with this number; S3 lists them in the order of their numbers."""
    return f"{owner_folder(prefix, client)}{number:08d}"


def number_of_owner(key: str) -> int | None:
    """Return the number in a marker's key; None if it is not a key of one."""
    found = _OWNER.search(key)
    return int(found[1]) if found else None


def second_write_key(prefix: str, client: str) -> str:
    """Return the key by which it is found out whether the store refuses to write one twice."""
    return f"{client_folder(prefix, client)}_second_write"


def object_key(
    prefix: str, client: str, table: TableName, cell: Window, generation: int, compression: Compression
) -> str:
    """Return the data object's key; no two (client, schema, table, window, generation) share one."""
    start = cell.start
    folder = f"dt={start.date().isoformat()}/hour={start.hour:02d}/"
    name = f"{_moment(start)}-{_moment(cell.end)}.g{generation:04d}.{EXTENSIONS[compression]}"
    return table_folder(prefix, client, table) + folder + name


def sidecar_key(data_key: str) -> str:
    """Return the key of the sidecar that lists the rows' identities and versions."""
    folder, name = data_key.rsplit("/", 1)
    return f"{folder}/_{name.split('.csv')[0]}.keys.csv{name.split('.csv')[1]}"


def manifest_key(data_key: str) -> str:
    """Return the key of the manifest."""
    folder, name = data_key.rsplit("/", 1)
    return f"{folder}/_{name.split('.csv')[0]}.manifest.json"


def kept_folder(data_key: str) -> str:
    """Return how the keys begin that say which of the object's rows were not deleted."""
    folder, name = data_key.rsplit("/", 1)
    return f"{folder}/_{name.split('.csv')[0]}.kept."


def kept_key(data_key: str, deleted_upto: int, digest: str, number: int) -> str:
    """Return the key of the note written when the delete had processed so many rows: the first that says the same.

    Format 1 of the note had the rows alone in its key, and nothing after them.
    """
    again = f".{number}" if number > 1 else ""
    return f"{kept_folder(data_key)}{deleted_upto:012d}.{digest}{again}.json"


def data_keys(key: str) -> tuple[str, ...]:
    """Return the keys that the data object beside an object with this key may have; the key itself if it is one.

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
    """Return the cell that the key of an object, a sidecar or a manifest names; None if it names none."""
    found = _NAME.search(key)
    if not found:
        return None
    start, end = (datetime.strptime(moment, _MOMENT) for moment in found.groups()[:2])  # noqa: DTZ007 (column time)
    return Window(start, end) if start < end else None


def generation_of_key(key: str) -> int | None:
    """Return the generation that such a key names; None if it names none."""
    found = _NAME.search(key)
    return int(found[3]) if found else None


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes").replace("-", "").replace(":", "")
