"""WHAT to keep of one table: its settings in the policy file, each checked by itself."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from croniter import croniter
from pydantic import BeforeValidator, Field, field_validator

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.window_lengths import SHORT_HOURS
from pg_archiver.domain.windows import MOST_WINDOW_HOURS, MOST_WINDOW_HOURS_OF_VERSIONS
from pg_archiver.errors import PolicyError, SettingError
from pg_archiver.policies.durations import duration_of
from pg_archiver.policies.maintenance_settings import MaintenanceSettings
from pg_archiver.policies.object_settings import ObjectSettings
from pg_archiver.policies.retention import FROM_VARIABLE, parse_keep_days
from pg_archiver.policies.versions import VersionSettings

# Airflow refuses to map more task instances than core.max_map_length, 1024 unless someone raised it.
MOST_MAPPED_WINDOWS = 1000

# How the work on a table is dealt out to Airflow's task instances.
TASKS = ("auto", "chain", "one")

_PART = r'(?:"((?:[^"]|"")+)"|([^".]+))'
_NAME = re.compile(rf"{_PART}\.{_PART}")
_CRON_FIELDS = 5
_CRON_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly")


def parse_table(text: str) -> TableName:
    """`schema.table`, each part as the catalog holds it; a part with a dot or a quote goes in double quotes."""
    return TableName(*split_name(text, "schema.table"))


def write_table(table: TableName) -> str:
    """Return a table's name as `parse_table` reads it."""
    return ".".join(_write_part(part) for part in (table.schema, table.name))


def _write_part(part: str) -> str:
    if "." not in part and '"' not in part:
        return part
    return '"' + part.replace('"', '""') + '"'


def split_name(text: str, form: str) -> tuple[str, str]:
    """Return the two parts of a name, unquoted; `form` is how such a name is to be written.

    Raises:
        ValueError: it does not have two parts.
    """
    match = _NAME.fullmatch(text)
    if not match:
        raise ValueError(f'{text!r} is not {form}. Write a part that holds a dot or a quote as "my.schema".events')
    quoted_schema, plain_schema, quoted_name, plain_name = match.groups()
    return (
        quoted_schema.replace('""', '"') if quoted_schema else plain_schema,
        quoted_name.replace('""', '"') if quoted_name else plain_name,
    )


def _keep_days(value: object) -> object:
    if value == FROM_VARIABLE:
        return value
    try:
        return parse_keep_days(value, "keep_days")
    except SettingError as error:
        raise ValueError(str(error)) from None


def _cron(value: object) -> object:
    """Return a cron schedule that Airflow will take: a bad one would keep the whole DAG file from loading."""
    if value is None or value in _CRON_PRESETS:
        return value
    if not isinstance(value, str) or len(value.split()) != _CRON_FIELDS or not croniter.is_valid(value):
        raise ValueError(
            "not a cron schedule of five fields, such as '0 1 * * *'. Use null to run the DAG by hand only"
        )
    return value


def check_zone(value: str) -> str:
    """Return the name of a time zone.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not an IANA time zone, such as Europe/Berlin") from None
    return value


def as_tuple(value: object) -> object:
    """Return a list of the file as the models hold it, which cannot be changed."""
    return tuple(value) if isinstance(value, list) else value


def _statement_timeout(value: object) -> object:
    duration_of(value)
    return value


def _window_hours(value: object) -> object:
    if value == "auto" or (type(value) is int and 1 <= value <= MOST_WINDOW_HOURS_OF_VERSIONS):
        return value
    most = f"{MOST_WINDOW_HOURS}, or where versions are kept to {MOST_WINDOW_HOURS_OF_VERSIONS:,},"
    raise ValueError(f"neither a whole number of hours from 1 to {most} nor auto")


def _tasks(value: object) -> object:
    if value not in TASKS:
        raise ValueError(f"not one of {', '.join(TASKS)}")
    return value


class Settings(MaintenanceSettings, ObjectSettings):
    """The settings of a table; any level of the file may give them, and the innermost wins."""

    timestamp_column: Annotated[str, Field(min_length=1)] = "triggered_at"
    timezone: str = "UTC"
    keep_days: Annotated[int | Literal["variable"] | None, BeforeValidator(_keep_days)] = None
    window_hours: Annotated[int | Literal["auto"], BeforeValidator(_window_hours)] = 1
    windows_per_task: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = "auto"
    tasks: Annotated[Literal["auto", "chain", "one"], BeforeValidator(_tasks)] = "chain"
    max_mapped_windows: Annotated[int, Field(ge=1, le=MOST_MAPPED_WINDOWS)] = 100
    batch_size: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    statement_timeout: Annotated[str, BeforeValidator(_statement_timeout)] = "1h"
    drop_partitions: bool = True
    schedule: Annotated[str | None, BeforeValidator(_cron)] = "0 1 * * *"
    bucket: Annotated[str | None, Field(min_length=3, max_length=63)] = None
    prefix: str = ""
    compression: Literal["gzip", "zstd"] = "gzip"

    @property
    def hours(self) -> int:
        """How long a window is; one hour where that is decided by each plan, and has not been yet."""
        return SHORT_HOURS if self.window_hours == "auto" else self.window_hours

    @property
    def longest_statement(self) -> timedelta:
        """How long one statement of the archive, of a restore or of a plan may take."""
        return duration_of(self.statement_timeout)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_zone(value)

    @field_validator("prefix")
    @classmethod
    def _clean_prefix(cls, value: str) -> str:
        if value.startswith("/") or "//" in value or any(part in {".", ".."} for part in value.split("/")):
            raise ValueError(f"{value!r} is not a key prefix. Write folders with single slashes, such as a/b")
        return value.rstrip("/")


class TablePolicy(Settings, VersionSettings):
    """What to keep of one table."""

    table: str = "analytics.events"
    enabled: bool | None = None
    children: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()

    @field_validator("table")
    @classmethod
    def _schema_and_table(cls, value: str) -> str:
        parse_table(value)
        return value

    @field_validator("children")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for child, times in Counter(map(parse_table, value)).items():
            if times > 1:
                raise ValueError(f"{child} is listed {times} times. List it once")
        return value

    @property
    def name(self) -> TableName:
        """The table's name, taken apart."""
        return parse_table(self.table)

    @property
    def child_names(self) -> tuple[TableName, ...]:
        """The tables that point to this one and are archived before it; itself among them, if its rows point there."""
        return tuple(map(parse_table, self.children))

    @property
    def bucket_name(self) -> str:
        """The bucket; `_assembled` saw to it that there is one."""
        if self.bucket is None:
            raise PolicyError(f"table {self.table} has no bucket")
        return self.bucket
