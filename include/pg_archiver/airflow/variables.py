"""Airflow's Variables, read so that one which could not be read is never taken for one that is not set.

`Variable.get` with a default answers the default for a Variable that is not there, for one that the API server or the
metadata database could not be asked for, and for one that another Fernet key encrypted. Listing the keys does raise on
errors, and lists what cannot be decrypted. So the keys are listed after the values were asked for: a key that is
listed, and of which no value came, is unknown. Keys of a site's own secrets backend cannot be listed, and Airflow hides
its errors: there `keep_days` and `enabled` belong into the policy file, or `keep_days: variable`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow.sdk import Variable

from pg_archiver.airflow.airflow_ids import (
    enabled_variable,
    events_paused_variable,
    jobs_paused_variable,
    keep_days_variable,
)
from pg_archiver.airflow.enabling import parse_flag
from pg_archiver.errors import Interrupted, SettingError
from pg_archiver.policies.retention import (
    DEFAULT_KEEP_DAYS,
    FROM_VARIABLE,
    KeepDays,
    parse_keep_days,
)
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client, Policies

COMMON_KEEP_DAYS = "archive_keep_days"
JOBS_PAUSED = "archive_jobs_paused"
EVENTS_PAUSED = "archive_events_paused"
_OURS = "archive_"
_ENVIRONMENT = "AIRFLOW_VAR_"
_OF_CLIENTS = ("archive_keep_days__", "archive_enabled__")


@dataclass(frozen=True)
class ClientVariables:
    """What Airflow's Variables say of one client: those that may hold N by their keys, and whether it is enabled.

    None stands for one that is not set. `of_clients` are the keys of all Variables that speak of some client.
    """

    keep_days: dict[str, str | None]
    enabled: str | None
    of_clients: tuple[str, ...]


def read_client_variables(client: str) -> ClientVariables:
    """Return all Variables that concern this client.

    Raises:
        Interrupted: whether one of them is set could not be found out, or it is and its value could not be read.
        SettingError: one is set in two places, of which Airflow shows only the one that counts less.
    """
    keys = (keep_days_variable(client), COMMON_KEEP_DAYS, enabled_variable(client))
    values, listed = _read_values(keys, "Nothing was archived or deleted")
    return ClientVariables(
        keep_days={key: values[key] for key in keys[:2]},
        enabled=values[keys[2]],
        of_clients=tuple(key for key in listed if key.startswith(_OF_CLIENTS)),
    )


def find_jobs_pause(conn_id: str, known: Iterable[str]) -> str | None:
    """Return the Variable by which no job of this instance may start, None if there is none.

    Args:
        conn_id: the instance.
        known: the `conn_id` of every instance that has jobs.

    Raises:
        Interrupted: whether one is set could not be found out.
        SettingError: one is neither `true` nor `false`, or speaks of an instance that is almost called like this one.
    """
    keys = (JOBS_PAUSED, jobs_paused_variable(conn_id))
    values, listed = _read_values(keys, "No job was started")
    ours = {jobs_paused_variable(one) for one in known}
    if key := _find_misspelt(listed, keys[1], f"{JOBS_PAUSED}__", ours):
        raise SettingError(
            f"Airflow Variable {key} names no instance of the policy file that has jobs. It seems to be meant for "
            f"{conn_id!r}, so no job was started. Fix: rename it to {keys[1]}, or delete it"
        )
    return _find_true(values, "No job was started")


def find_events_pause(client: str, known: Iterable[str]) -> str | None:
    """Return the Variable by which no work on this client's events may start, None if there is none.

    Args:
        client: the client.
        known: the names of all clients that have events.

    Raises:
        Interrupted: whether it is set could not be found out.
        SettingError: it is neither `true` nor `false`, or one speaks of a client that is almost called like this one.
    """
    own = events_paused_variable(client)
    values, listed = _read_values((own,), "No event was worked on")
    ours = {events_paused_variable(one) for one in known}
    if key := _find_misspelt(listed, own, f"{EVENTS_PAUSED}__", ours):
        raise SettingError(
            f"Airflow Variable {key} names no client of the policy file that has events. It seems to be meant for "
            f"{client!r}, so no event was worked on. Fix: rename it to {own}, or delete it"
        )
    return _find_true(values, "No event was worked on")


def _find_misspelt(listed: Iterable[str], own: str, prefix: str, known: Collection[str]) -> str | None:
    """Return the key of a Variable that is almost called like this one, and is nobody else's."""
    return next(
        (key for key in listed if key.startswith(prefix) and key not in known and _simplify(key) == _simplify(own)),
        None,
    )


def _find_true(values: Mapping[str, str | None], done: str) -> str | None:
    """Return the first of these Variables that is `true`; each that is set is read, so that a wrong word is told."""
    flags = {
        key: parse_flag(value, f"Airflow Variable {key}", done) for key, value in values.items() if value is not None
    }
    return next((key for key, is_true in flags.items() if is_true), None)


def _read_values(keys: Sequence[str], done: str) -> tuple[dict[str, str | None], Sequence[str]]:
    """Return the values by their keys, None for what is not set, and all keys of ours that are set."""
    values = {key: _read_value(key, done) for key in keys}
    listed = _list_keys(done)
    for key in keys:
        if values[key] is None and key in listed:
            raise Interrupted(
                f"Airflow Variable {key} is set, and its value could not be read. {done}. If this "
                "continues, the Variable may be encrypted with another Fernet key. Fix: set it again"
            )
        shadow = f"{_ENVIRONMENT}{key.upper()}"
        if key in listed and shadow in os.environ:
            raise SettingError(
                f"Airflow Variable {key} is set in Airflow and, as {shadow}, in the environment of this worker, which "
                f"hides the one in Airflow. {done}. Fix: remove one of them"
            )
    return values, listed


def _read_value(key: str, done: str) -> str | None:
    try:
        value = Variable.get(key, default=None)
    except Exception as error:  # noqa: BLE001 (whatever it was: not known is not 'not set')
        raise _unreadable(key, done, error) from None
    return None if value is None else str(value)


def _list_keys(done: str) -> Sequence[str]:
    try:
        return sorted(Variable.keys(prefix=_OURS))
    except Exception as error:  # noqa: BLE001 (whatever it was: not known is not 'not set')
        raise _unreadable(f"{_OURS}*", done, error) from None


def _unreadable(key: str, done: str, error: Exception) -> Interrupted:
    return Interrupted(
        f"Airflow could not be asked for Variable {key} ({type(error).__name__}), so whether it is set is not known. "
        f"{done}. Fix: check Airflow's API server and its metadata database"
    )


def choose_keep_days(
    parameter: object, client: Client, table: TablePolicy, variables: Mapping[str, str | None], source: str
) -> KeepDays:
    """Return N: the run's parameter, the client's Variable, the policy, the common Variable, or 2; the first set.

    Args:
        parameter: the run's `keep_days`, None where the run did not set it.
        client: whose table it is.
        table: the table's policy.
        variables: the values of the two Variables, None for one that does not exist.
        source: the policy file's path, for messages.

    Raises:
        SettingError: the first that is set is not a number of days, or the policy wants the client's own Variable and
            there is none.
    """
    of_client = keep_days_variable(client.name)
    of_table = f"keep_days of {table.table} in {source}"
    candidates = (
        ("the run's parameter keep_days", parameter),
        (f"Airflow Variable {of_client}", variables.get(of_client)),
        (of_table, table.keep_days),
        ("Airflow Variable archive_keep_days", variables.get("archive_keep_days")),
    )
    for origin, value in candidates:
        if value == FROM_VARIABLE and origin == of_table:
            raise SettingError(
                f"{of_table} is 'variable', and there is no Airflow Variable {of_client}. Nothing was archived or "
                "deleted. Fix: set that Variable, or write a number of days into the policy file"
            )
        if value is not None:
            return KeepDays(parse_keep_days(value, origin), origin)
    return KeepDays(DEFAULT_KEEP_DAYS, "the default")


def find_misspelt_variables(keys: Iterable[str], policies: Policies) -> dict[str, str | None]:
    """Return the Variables that name no client, and the client whose name is almost the same."""
    names = (*(client.name for client in policies.clients), *policies.broken)
    known = {variable(name): name for name in names for variable in (keep_days_variable, enabled_variable)}
    alike = {_simplify(key): name for key, name in known.items()}
    return {key: alike.get(_simplify(key)) for key in sorted(keys) if key not in known}


def _simplify(key: str) -> str:
    return re.sub(r"[\W_]", "", key.casefold())
