"""Columns whose type is another one than when they were archived: how their values come over, or why they do not.

A value is converted by the server's own cast, and comes in only if it is the same value when it is converted back:
nothing is rounded, cut or shifted on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pg_archiver.errors import CheckFailed
from pg_archiver.objects.manifest import ColumnDescription, Manifest
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Converted, StatementError, TypeName

_WALL = re.compile(r"date|timestamp(\(\d\))? without time zone")
_ZONED = re.compile(r"timestamp(\(\d\))? with time zone")
# The words by which a type that has a time zone, or an array of it, is known.
_OF_A_ZONE = "with time zone"
_TEXT = re.compile(r"text|character varying(\(\d+\))?")
# The types of which the server's cast to text gives something else than what it writes in a COPY.
_CAST_OTHERWISE = re.compile(r"boolean|character(\(\d+\))?|inet")
# The same value, though it is written in another way.
_SAME_VALUE = {("json", "jsonb")}


@dataclass(frozen=True)
class Conversion:
    """One column whose values are converted; `checked` tells that each must come back the same."""

    converted: Converted
    checked: bool

    @property
    def column(self) -> str:
        """The column's name."""
        return self.converted.column

    def __str__(self) -> str:
        """Return the types in a human-readable form."""
        return f"{self.converted.before.text} to {self.converted.now.text}"


def type_name(text: str) -> TypeName:
    """Return a type as a manifest has it.

    Raises:
        CheckFailed: it is none.
    """
    try:
        return TypeName(text)
    except StatementError as error:
        raise CheckFailed(f"a manifest is damaged: {error}") from None


def has_type(session: Session, text: str) -> bool:
    """Return whether the server knows the type by this name today."""
    return bool(session.fetch_one("restore/type_exists", type=type_name(text).text).found)


def is_text(kind: str) -> bool:
    """Return whether a column of this type takes every value as it was archived, or refuses it.

    Of a few types a change of the column's type, and so a conversion here, writes values otherwise: true for t.
    """
    return bool(_TEXT.fullmatch(kind))


def find_conversion(
    session: Session, manifest: Manifest, column: ColumnDescription, now: str, timezone: str
) -> Conversion | None:
    """Return how the column's values become those of its type of today; None if they are read as they were archived.

    Args:
        session: a session on the client database.
        manifest: of the object.
        column: as it was archived.
        now: the type that it has in the target.
        timezone: that of the policy today, for a timestamp column that has lost its time zone.

    Raises:
        CheckFailed: the one type has a time zone and the other has none, and which zone was meant is not known.
    """
    before = column.type
    if before == now or (is_text(now) and not _CAST_OTHERWISE.fullmatch(before)):
        return None
    zone = None
    if (_OF_A_ZONE in before) != (_OF_A_ZONE in now) and not is_text(before):
        zone = _zone(manifest, column, now, timezone)
    elif not has_type(session, before):
        before = "text"
    return Conversion(Converted(column.name, type_name(before), type_name(now), zone), (before, now) not in _SAME_VALUE)


def _zone(manifest: Manifest, column: ColumnDescription, now: str, timezone: str) -> str:
    if column.name == manifest.timestamp_column:
        if _WALL.fullmatch(column.type) and _ZONED.fullmatch(now):
            return manifest.timezone
        if _ZONED.fullmatch(column.type) and _WALL.fullmatch(now):
            return timezone
    raise CheckFailed(
        f"column {column.name} was {column.type} and is {now}, and the time zone of its values without one is not "
        "known. Nothing of this object was restored. Fix: restore into a new table"
    )
