"""How each setting of a job is read, from what a person wrote into the policy file or into a table."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import Annotated, Any

from pydantic import BeforeValidator

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.domain.schedules import Interval, check_cron
from pg_archiver.policies.durations import LONGEST_RETRY_PERIOD, LONGEST_STATEMENT, check_interval, interval_of
from pg_archiver.policies.settings import split_name

MOST_CONFIG_BYTES = 64 * 1024


def _procedure(value: object) -> object:
    if value is None or isinstance(value, ProcedureName):
        return value
    if not isinstance(value, str):
        raise ValueError("not schema.name")  # noqa: TRY004 (pydantic's own)
    return ProcedureName(*split_name(value, "schema.name"))


def _interval(value: object) -> object:
    return check_interval(value) if isinstance(value, Interval) else interval_of(value)


def _retry_period(value: object) -> object:
    return check_interval(interval_of(value) if not isinstance(value, Interval) else value, LONGEST_RETRY_PERIOD)


def _max_runtime(value: object) -> object:
    if value == Interval():
        return value
    interval = _interval(value)
    if isinstance(interval, Interval) and interval.estimate > LONGEST_STATEMENT:
        raise ValueError("more than 24h, the longest that a task may take")
    return interval


def _cron(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("not a cron schedule, such as '30 2 * * *'")  # noqa: TRY004 (pydantic's own)
    try:
        check_cron(value)
    except ValueError as error:
        raise ValueError(f"not a cron schedule: {error}. Write five fields, such as '30 2 * * *'") from None
    return value


def _config(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("not an object. Write a mapping, such as {days: 2}")  # noqa: TRY004 (pydantic's own)
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}. Put dates in quotes") from None
    if not _has_text_keys(value):
        raise ValueError("a key that is not text. Put it in quotes")
    if "\\u0000" in text:
        raise ValueError("it holds the character of code 0, which jsonb cannot hold")
    if size > MOST_CONFIG_BYTES:
        raise ValueError(
            f"{size:,} bytes as JSON, and {MOST_CONFIG_BYTES:,} is the most. Put the data into a table and name that"
        )
    return value


def _has_text_keys(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _has_text_keys(inner) for key, inner in value.items())
    return not isinstance(value, list) or all(map(_has_text_keys, value))


def read_instant(value: object) -> datetime | None:
    """Return the time that YAML or the database gave; without a zone where none is said."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time())
    return value if isinstance(value, datetime) else None


Cron = Annotated[str | None, BeforeValidator(lambda value: value if value is None else _cron(value))]
Config = Annotated[dict[str, Any], BeforeValidator(_config)]
MaxRuntime = Annotated[Interval, BeforeValidator(_max_runtime)]
RetryPeriod = Annotated[Interval, BeforeValidator(_retry_period)]
OptionalInterval = Annotated[Interval | None, BeforeValidator(lambda value: value and _interval(value))]
OptionalProcedure = Annotated[ProcedureName | None, BeforeValidator(_procedure)]
