"""Airflow's Variables, read so that one which could not be read is never taken for one that is not set.

`Variable.get` with a default answers the default for a Variable that is not there, for one that the API server or the
metadata database could not be asked for, and for one that another Fernet key encrypted. Listing the keys does raise on
errors, and lists what cannot be decrypted. So the keys are listed after the values were asked for: a key that is
listed, and of which no value came, is unknown. Keys of a site's own secrets backend cannot be listed, and Airflow hides
its errors: there `keep_days` and `enabled` belong into the policy file, or `keep_days: variable`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from airflow.sdk import Variable

from include.archiver.errors import Interrupted, SettingError
from include.archiver.naming import enabled_variable, keep_days_variable

COMMON_KEEP_DAYS = "archive_keep_days"
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
    """All Variables that concern this client.

    Raises:
        Interrupted: whether one of them is set could not be found out, or it is and its value could not be read.
        SettingError: one is set in two places, of which Airflow shows only the one that counts less.
    """
    keys = (keep_days_variable(client), COMMON_KEEP_DAYS, enabled_variable(client))
    values = {key: _value(key) for key in keys}
    listed = _listed()
    for key in keys:
        if values[key] is None and key in listed:
            raise Interrupted(
                f"Airflow Variable {key} is set, and its value could not be read. Nothing was archived or deleted. If "
                f"this goes on, the Variable may be encrypted with another Fernet key: set it again"
            )
        shadow = f"{_ENVIRONMENT}{key.upper()}"
        if key in listed and shadow in os.environ:
            raise SettingError(
                f"Airflow Variable {key} is set in Airflow and, as {shadow}, in the environment of this worker, which "
                f"hides the one in Airflow. Nothing was archived or deleted. Remove one of them"
            )
    return ClientVariables(
        keep_days={key: values[key] for key in keys[:2]},
        enabled=values[keys[2]],
        of_clients=tuple(key for key in listed if key.startswith(_OF_CLIENTS)),
    )


def _value(key: str) -> str | None:
    try:
        value = Variable.get(key, default=None)
    except Exception as error:  # noqa: BLE001 (whatever it was: not known is not 'not set')
        raise _unreadable(key, error) from None
    return None if value is None else str(value)


def _listed() -> Sequence[str]:
    try:
        return sorted(Variable.keys(prefix=_OURS))
    except Exception as error:  # noqa: BLE001 (whatever it was: not known is not 'not set')
        raise _unreadable(f"{_OURS}*", error) from None


def _unreadable(key: str, error: Exception) -> Interrupted:
    return Interrupted(
        f"Airflow could not be asked for Variable {key} ({type(error).__name__}), so whether it is set is not known. "
        f"Nothing was archived or deleted. Look at Airflow's API server and its metadata database"
    )
