"""Whether the table that is there is the one that was exported: columns by number, parts by their files.

Neither names nor files alone tell it. A column that was dropped and added again has its old name, and its rows
their old versions, in their old file; a rewrite puts rows on the places of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pg_archiver.domain.tables import Member, TableName, TableShape
from pg_archiver.domain.windows import Window
from pg_archiver.objects.manifest import Manifest
from pg_archiver.postgres.catalog import list_parts
from pg_archiver.postgres.catalog_look import LockedTable, PartsNow, look_at_locked, look_at_parts
from pg_archiver.postgres.session import Session

OLDER = "it was exported by an older version, whose manifest does not tell columns by number"
REPLACED = "another table has its name now"
CHANGED = "the table was rewritten, or its columns changed, since the export"


GAINED = "a partition or child of the table came or went since the export"


class OtherTableError(Exception):
    """The table is not the one that was exported; the message says why."""


def find_table_change(
    locked: LockedTable, shape: TableShape, manifest: Manifest, place: int = 0, *, all_parts: bool = False
) -> str | None:
    """Return why rows may not leave the table because of this manifest; None if it is still what was exported.

    `locked` is what was seen under a lock on the table, under which neither its name nor its columns can change; the
    rest is as of `find_part_change`.
    """
    if manifest.members is None:
        return OLDER
    if locked.named != shape.oid:
        return REPLACED
    now = [(column.number, column.name, column.type) for column in locked.columns]
    if now != [(column.number, column.name, column.type) for column in manifest.columns]:
        return CHANGED
    return find_part_change(locked, manifest, place, all_parts=all_parts)


def find_part_change(found: PartsNow, manifest: Manifest, place: int = 0, *, all_parts: bool = False) -> str | None:
    """Return a change that is possible though the table is locked: a part that was rewritten was attached.

    `place` is that of the manifest's window among those whose parts were `found`, counted from 0.

    A part that is gone took its rows with it, and no row of a new one is on the list; only those that changed matter.
    With `all_parts` there is no list: a part that came may have brought rows that no object holds.
    """
    if manifest.members is None:
        return OLDER
    now = _essence(found.parts[place])
    then = _essence(manifest.members)
    if any(now.get(part, what) != what for part, what in then.items()):
        return CHANGED
    if not all_parts:
        return None
    # A foreign table lies in no file of this server, and what it calls a row's version means nothing here.
    others = now.keys() != then.keys() or found.has_foreign
    return GAINED if others else None


def lock_and_look(session: Session, shape: TableShape, manifests: Sequence[Manifest]) -> LockedTable:
    """Lock the table against rewrites until the end of the transaction, and return what it is then.

    The lock comes first: under it nobody can rewrite the table, alter it, or point a foreign key at it.
    """
    session.execute("archive/delete/lock_table", {"table": shape.table})
    spans = [manifest.span for manifest in manifests]
    return look_at_locked(session, shape.table, shape.oid, manifests[0].timestamp_column, spans)


@dataclass
class Parts:
    """What the manifests of several windows say of the table's parts, each thing once, however many windows there are.

    By the name of the timestamp column that they had then: the span of the windows, and how each part was.
    """

    _spans: dict[str, Window] = field(default_factory=dict)
    _seen: dict[str, dict[str, set[tuple[int, str]]]] = field(default_factory=dict)

    def add(self, manifest: Manifest) -> None:
        """Add those of a manifest that tells columns by number."""
        column, span = manifest.timestamp_column, manifest.span
        known = self._spans.get(column, span)
        self._spans[column] = Window(min(known.start, span.start), max(known.end, span.end))
        seen = self._seen.setdefault(column, {})
        for oid, what in _essence(manifest.members or {}).items():
            seen.setdefault(oid, set()).add(what)

    def find_change(self, session: Session, oid: int) -> str | None:
        """Return why rows may not be deleted because of these windows, by the table with this oid and its parts."""
        for column, span in self._spans.items():
            now, then = _essence(list_parts(session, oid, column, span)), self._seen[column]
            if any(then[part] != {what} for part, what in now.items() if part in then):
                return CHANGED
        return None


def has_same_parts(session: Session, oid: int, manifest: Manifest) -> bool:
    """Return whether the table has the very parts that the manifest names, each as it was then, and no other one.

    To be asked when the snapshot of the export has ended: within it, parts that came meanwhile cannot be seen. The
    table had this oid then.
    """
    return has_same_parts_all(session, oid, [manifest])[0]


def has_same_parts_all(session: Session, oid: int, manifests: Sequence[Manifest]) -> list[bool]:
    """Return the same of several manifests of one table."""
    first = manifests[0]
    table, column = TableName(first.table_schema, first.table), first.timestamp_column
    found = look_at_parts(session, table, oid, column, [manifest.span for manifest in manifests])
    return [
        found.named == oid and manifest.members is not None and _essence(parts) == _essence(manifest.members)
        for parts, manifest in zip(found.parts, manifests, strict=True)
    ]


def _essence(parts: Mapping[str, Member]) -> dict[str, tuple[int, str]]:
    """Return the columns without their names, which may change and mean nothing."""
    return {oid: (part.file_node, part.columns) for oid, part in parts.items()}
