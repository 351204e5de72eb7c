"""WHAT to run by itself: one job, of the policy file and of the table `archiver.jobs` alike."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.domain.schedules import Interval, Schedule, read_clock
from pg_archiver.errors import PolicyError
from pg_archiver.policies.job_fields import (
    Config,
    Cron,
    MaxRuntime,
    OptionalInterval,
    OptionalProcedure,
    RetryPeriod,
    read_instant,
)
from pg_archiver.policies.off_hours import OffHours
from pg_archiver.policies.settings import check_zone
from pg_archiver.policies.table_jobs import OF_FILE
from pg_archiver.policies.validation import validate

LONGEST_JOB_NAME = 200
DEFAULT_MAX_RUNTIME = timedelta(hours=4)
# `database` of a job of the control database that means each database that the instance allows.
EVERY_DATABASE = "*"
# A name that a server cannot take for a rule without summer time, which it does of EST5EDT if it has no such file.
_ZONE = re.compile(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+)*")
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
_MOST_RETRIES = 2**31 - 1


class Action(StrEnum):
    """What a job does."""

    ARCHIVE = "archive"
    DELETE = "delete"
    CALL = "call"
    FUNCTION = "function"


# What works on the rows of one table, whose settings are in the job's `config`.
TABLE_ACTIONS = frozenset({Action.ARCHIVE, Action.DELETE})


def read_action(value: object) -> object:
    """Return an action, from what a person wrote.

    Raises:
        ValueError: there is none of this name.
    """
    if isinstance(value, str) and value in set(Action):
        return Action(value)
    raise ValueError(f"not an action of jobs. Set one of {', '.join(Action)}")


class Job(BaseModel):
    """One job. The names of the settings are those of the policy file; `COLUMNS` has those of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_JOB_NAME)]
    application_name: Annotated[str, Field(min_length=1, max_length=LONGEST_JOB_NAME)] = "archiver"
    action: Annotated[Action, BeforeValidator(read_action)] = Action.ARCHIVE
    database: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    procedure: OptionalProcedure = None
    check: OptionalProcedure = None
    function: Annotated[str, Field(min_length=1, max_length=LONGEST_JOB_NAME)] | None = None
    config: Config = Field(default_factory=dict)
    schedule: Cron = None
    interval: OptionalInterval = None
    timezone: str = "UTC"
    fixed_schedule: bool = True
    initial_start: datetime | None = None
    only_if_idle: bool = False
    run_window: str | None = None
    max_runtime: MaxRuntime = Interval()
    max_retries: Annotated[int, Field(ge=-1, le=_MOST_RETRIES)] = -1
    retry_period: RetryPeriod = Interval(microseconds=300_000_000)
    scheduled: bool = True

    _created_at: datetime | None = PrivateAttr(default=None)

    @classmethod
    def from_file(cls, raw: object, where: str) -> Job:
        """Return the job of an entry under a client's `jobs`.

        Raises:
            PolicyError: it cannot be used; the message begins with `where` and the job's name.
        """
        if not isinstance(raw, dict):
            raise PolicyError(f"{where} is {raw!r}. Fix: write a job as {{name: ..., action: call, procedure: ...}}")
        where = f"{where}, job {raw['name']!r}" if isinstance(raw.get("name"), str) else where
        if "database" in raw:
            raise PolicyError(
                f"{where}: database: a client's job works on the client's own database. Fix: take it away, or write "
                "the job into archiver.jobs of the instance's control database"
            )
        action = raw.get("action", Action.ARCHIVE)
        return validate(cls, _gather_config(raw, where) if action in TABLE_ACTIONS else raw, where)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Job:
        """Return the job of a row of `archiver.jobs`, by the names of its columns; what is none of COLUMNS is ignored.

        Raises:
            PolicyError: it cannot be used; the message names the columns.
        """
        where = f"job {row['job_name']!r}"
        raw = {setting: row[column] for setting, column in COLUMNS.items() if row.get(column) is not None}
        for setting, (schema, name) in _NAMES_IN_TWO_COLUMNS.items():
            parts = row.get(schema), row.get(name)
            if parts.count(None) == 1:
                raise PolicyError(f"{where}: only one of {schema} and {name} is set. Fix: set both")
            if None not in parts:
                raw[setting] = ProcedureName(*map(str, parts))
        job = validate(
            cls, raw, where, names=COLUMNS | {setting: name for setting, (_, name) in _NAMES_IN_TWO_COLUMNS.items()}
        )
        job._created_at = row.get("created_at")  # noqa: SLF001 (its own class)
        return job

    @classmethod
    def read_as_planned(cls, row: Mapping[str, Any], definition: str) -> Job | None:
        """Return the job of a row if it says what it said when it was planned, of which `definition` is the digest."""
        try:
            job = cls.from_row(row)
        except PolicyError:
            return None
        return job if job.digest() == definition else None

    @field_validator("name", "application_name")
    @classmethod
    def _no_control_characters(cls, value: str) -> str:
        if any(unicodedata.category(character) == "Cc" for character in value):
            raise ValueError("it holds a control character, such as a line break")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if not _ZONE.fullmatch(value):
            raise ValueError(f"{value!r} is not the name of a place or UTC, such as Europe/Berlin")
        return check_zone(value)

    @field_validator("run_window")
    @classmethod
    def _span(cls, value: str | None) -> str | None:
        return value and OffHours.parse(value).text

    @field_validator("initial_start", mode="before")
    @classmethod
    def _instant(cls, value: object, info: ValidationInfo) -> object:
        if value is None:
            return None
        instant = read_instant(value)
        if instant is None or not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
            raise ValueError(f"not a time of the years {_FIRST_YEAR} to {_LAST_YEAR}, such as 2026-01-31 02:30")
        if instant.tzinfo is None:
            return read_clock(instant, ZoneInfo(info.data.get("timezone", "UTC")))
        return instant.astimezone(UTC)

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        if self.schedule is not None and self.interval is not None:
            raise ValueError("it has a cron schedule and an interval. Keep one of them")
        if self.schedule is not None and not self.fixed_schedule:
            raise ValueError("fixed_schedule is false, but a cron schedule is fixed. Set an interval instead of cron")
        if (
            self.fixed_schedule
            and self.interval
            and self.interval.months
            and (self.interval.days or self.interval.microseconds)
        ):
            raise ValueError(
                "the interval of a fixed schedule has months, and days or time too, so its slots cannot be counted. "
                "Give months alone, or days and time alone, or set fixed_schedule to false"
            )
        return self

    @model_validator(mode="after")
    def _what_the_action_needs(self) -> Self:
        needs = {Action.CALL: "procedure", Action.FUNCTION: "function"}
        for action, setting in needs.items():
            given = getattr(self, setting) is not None
            if given and self.action != action:
                raise ValueError(f"the action is {self.action}, and a {setting} is given. Set the action to {action}")
            if not given and self.action == action:
                raise ValueError(f"the action is {action}, but no {setting} is given. Name it")
        return self

    @property
    def timing(self) -> Schedule:
        """When the job is due. Slots of an interval are counted from its first start, else from its row's creation."""
        return Schedule(
            self.schedule, self.interval, self.timezone, self.fixed_schedule, self.initial_start or self._counted_from
        )

    @property
    def _counted_from(self) -> datetime | None:
        return self._created_at if self.interval is not None and self.fixed_schedule else None

    @property
    def off_hours(self) -> OffHours | None:
        """When the job may run; None for at any time."""
        return None if self.run_window is None else OffHours.parse(self.run_window)

    @property
    def longest_run(self) -> timedelta:
        """How long a run may take."""
        return self.max_runtime.estimate or DEFAULT_MAX_RUNTIME

    def to_row(self) -> dict[str, Any]:
        """Return the definition by the names of the table's columns."""
        row = {column: getattr(self, setting) for setting, column in COLUMNS.items()}
        row["action"] = str(self.action)
        for setting, columns in _NAMES_IN_TWO_COLUMNS.items():
            name: ProcedureName | None = getattr(self, setting)
            row |= dict(zip(columns, (name.schema, name.name) if name else (None, None), strict=True))
        return row

    def digest(self) -> str:
        """Return what stands for the definition: another one has another digest, in the file as in the table."""
        text = json.dumps(self.to_row(), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


# Where the table's columns have other names than the file's settings; order is that of the table.
COLUMNS = {
    "name": "job_name",
    "application_name": "application_name",
    "action": "action",
    "database": "database_name",
    "function": "function_name",
    "config": "config",
    "schedule": "cron_schedule",
    "interval": "schedule_interval",
    "timezone": "timezone",
    "fixed_schedule": "fixed_schedule",
    "initial_start": "initial_start",
    "only_if_idle": "only_if_idle",
    "run_window": "run_window",
    "max_runtime": "max_runtime",
    "max_retries": "max_retries",
    "retry_period": "retry_period",
    "scheduled": "scheduled",
}
_NAMES_IN_TWO_COLUMNS = {"procedure": ("proc_schema", "proc_name"), "check": ("check_schema", "check_name")}


def _gather_config(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return an entry of the file with the settings of its table, which stand beside the others, in its config."""
    own = {setting: raw[setting] for setting in raw.keys() & (OF_FILE - COLUMNS.keys())}
    config = raw.get("config", {})
    if not isinstance(config, dict):
        return dict(raw)
    if twice := sorted(own.keys() & config.keys()):
        raise PolicyError(f"{where}: {twice[0]} stands at the job and in its config. Fix: set it once")
    return {setting: value for setting, value in raw.items() if setting not in own} | {"config": {**config, **own}}
