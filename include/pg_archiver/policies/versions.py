"""Keep the last K versions: which rows of a key a table has to keep, and what else bounds those that may go."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.versions import Floor, KeepVersions
from pg_archiver.domain.windows import MOST_WINDOW_HOURS_OF_VERSIONS
from pg_archiver.errors import PolicyError

MOST_VERSIONS_KEPT = 10_000
# The settings of this condition; each says something only together with the others.
OF_VERSIONS = frozenset({"keep_versions", "key_columns", "version_column", "up_to_version", "floors"})

_PART = r'(?:"((?:[^"]|"")+)"|([^".]+))'
_FLOOR = re.compile(rf"{_PART}\.{_PART}\.{_PART}")
_LONGEST_LITERAL = 200
_FLOORS_IN_ALL = 20


def parse_floor(text: str) -> Floor:
    """`schema.table.column`, each part as the catalog holds it; a part with a dot or a quote goes in double quotes.

    Raises:
        ValueError: it is something else.
    """
    match = _FLOOR.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not schema.table.column, such as app.consumers.position")
    quoted = match.groups()
    schema, table, column = (
        quoted[place].replace('""', '"') if quoted[place] else quoted[place + 1] for place in (0, 2, 4)
    )
    return Floor(TableName(schema, table), column)


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _literal(value: object) -> object:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value if value is None else str(value)
    if isinstance(value, str) and 0 < len(value) <= _LONGEST_LITERAL:
        return value
    raise ValueError("not a version. Write a whole number, or any other version in quotes, such as '2026-01-31 02:30'")


def _floors(value: object) -> object:
    if isinstance(value, list | tuple):
        for one in value:
            if not isinstance(one, str):
                raise ValueError(f"{one!r} is not schema.table.column")  # noqa: TRY004 (pydantic's own)
            parse_floor(one)
    return _as_tuple(value)


class VersionSettings(BaseModel):
    """The settings of the condition, as a job's `config` has them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    keep_versions: Annotated[int, Field(ge=1, le=MOST_VERSIONS_KEPT)] | None = None
    key_columns: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_as_tuple)] = ()
    version_column: Annotated[str, Field(min_length=1)] | None = None
    up_to_version: Annotated[str | None, BeforeValidator(_literal)] = None
    floors: Annotated[tuple[str, ...], Field(max_length=_FLOORS_IN_ALL), BeforeValidator(_floors)] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        bounded = self.keep_versions is not None or self.up_to_version is not None
        if not bounded and (self.key_columns or self.version_column or self.floors):
            raise ValueError(
                "key_columns, version_column or floors are set, but neither keep_versions nor up_to_version, so "
                "nothing says which versions stay. Set keep_versions"
            )
        if bounded and not (self.key_columns and self.version_column):
            missing = "version_column" if self.key_columns else "key_columns"
            raise ValueError(f"versions are kept, but {missing} is not set. Name the columns of a key, and its version")
        named = [*self.key_columns, *([self.version_column] if self.version_column else [])]
        if twice := [column for column, times in Counter(named).items() if times > 1]:
            raise ValueError(f"column {twice[0]!r} is named twice among key_columns and version_column. Name it once")
        return self


def widen_windows(own: Mapping[str, Any], inherited: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a table, those of the outer levels and its own, which win.

    Where it keeps versions, how long windows are is said by its own settings alone: a year, unless they give a number.
    """
    settings = {**inherited, **own}
    if OF_VERSIONS & own.keys() and own.get("window_hours", "auto") == "auto":
        settings["window_hours"] = MOST_WINDOW_HOURS_OF_VERSIONS
    return settings


def read_versions(settings: VersionSettings, *, timed: bool) -> KeepVersions | None:
    """Return the condition, None where age alone decides."""
    if settings.version_column is None:
        return None
    return KeepVersions(
        settings.keep_versions or 0,
        settings.key_columns,
        settings.version_column,
        settings.up_to_version,
        tuple(map(parse_floor, settings.floors)),
        timed,
    )


def refuse_own_rows(children: Collection[TableName], table: TableName, where: str) -> None:
    """Refuse to keep versions of a table whose rows point to rows of itself.

    Raises:
        PolicyError: it is among its own children.
    """
    if table in children:
        raise PolicyError(
            f"{where}: children: rows of {table} point to rows of the same table, and its versions are counted, "
            "so it cannot be told which of them goes first. Nothing was done. Fix: take keep_versions away"
        )


def refuse_untimed(settings: Mapping[str, Any], where: str) -> None:
    """Refuse to archive versions that have no time, by which their objects would be found.

    Raises:
        PolicyError: no level names the column.
    """
    if OF_VERSIONS & settings.keys() and "timestamp_column" not in settings:
        raise PolicyError(
            f"{where}: versions are archived by their time, and no timestamp_column names its column. Nothing was "
            "done. Fix: set timestamp_column to a column of type date or timestamp, or let a job of action delete keep "
            "the last versions, which needs none and archives nothing"
        )
