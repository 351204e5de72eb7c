"""Whether the table that is there is the one that was exported: columns by number, parts by their files.

Neither names nor files alone tell it. A column that was dropped and added again has its old name, and its rows
their old versions, in their old file; a rewrite puts rows on the places of others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pg_archiver.domain.tables import Member, TableName, TableShape
from pg_archiver.domain.windows import Window
from pg_archiver.objects.manifest import Manifest
from pg_archiver.postgres.catalog import find_table, list_columns, list_parts
from pg_archiver.postgres.session import Session

OLDER = "it was exported by an older version, whose manifest does not tell columns by number"
REPLACED = "another table has its name now"
CHANGED = "the table was rewritten, or its columns changed, since the export"


GAINED = "a partition or child of the table came or went since the export"


class OtherTableError(Exception):
    """The table is not the one that was exported; the message says why."""


def find_table_change(
    session: Session, shape: TableShape, manifest: Manifest, *, all_parts: bool = False
) -> str | None:
    """Return why rows may not leave the table because of this manifest; None if it is still what was exported.

    Asked in a transaction that holds a lock on the table, under which neither its name nor its columns can change.
    `all_parts` is as of `find_part_change`.
    """
    if manifest.members is None:
        return OLDER
    found = find_table(session, shape.table)
    if found is None or found.oid != shape.oid:
        return REPLACED
    now = [(column.number, column.name, column.type) for column in list_columns(session, shape.oid)]
    if now != [(column.number, column.name, column.type) for column in manifest.columns]:
        return CHANGED
    return find_part_change(session, shape.oid, manifest, all_parts=all_parts)


def find_part_change(session: Session, oid: int, manifest: Manifest, *, all_parts: bool = False) -> str | None:
    """Return a change that is possible though the table is locked: a part that was rewritten was attached.

    A part that is gone took its rows with it, and no row of a new one is on the list; only those that changed matter.
    With `all_parts` there is no list: a part that came may have brought rows that no object holds.
    """
    if manifest.members is None:
        return OLDER
    now = _essence(list_parts(session, oid, manifest.timestamp_column, manifest.span))
    then = _essence(manifest.members)
    if any(now.get(part, what) != what for part, what in then.items()):
        return CHANGED
    if not all_parts:
        return None
    # A foreign table lies in no file of this server, and what it calls a row's version means nothing here.
    others = now.keys() != then.keys() or session.fetch_all("postgres/catalog/foreign_parts", oid=oid)
    return GAINED if others else None


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


def has_same_parts(session: Session, table: TableName, manifest: Manifest) -> bool:
    """Return whether the table has the very parts that the manifest names, each as it was then, and no other one.

    To be asked when the snapshot of the export has ended: within it, parts that came meanwhile cannot be seen.
    """
    found = find_table(session, table)
    if found is None or manifest.members is None:
        return False
    now = list_parts(session, found.oid, manifest.timestamp_column, manifest.span)
    return _essence(now) == _essence(manifest.members)


def _essence(parts: dict[str, Member]) -> dict[str, tuple[int, str]]:
    """Return the columns without their names, which may change and mean nothing."""
    return {oid: (part.file_node, part.columns) for oid, part in parts.items()}
