"""Whether a client is enabled: whether a person has said that its rows may really leave.

Until then every run of the client is a dry run. A plain `false` beats every `true`, wherever either stands, and what
nobody has said is no. The one exception is clients of which an earlier version, which did not ask, had deleted rows
already: they continue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pg_archiver.airflow.airflow_ids import enabled_variable
from pg_archiver.errors import SettingError
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client

_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Enabled:
    """Whether rows may leave, and who says so, as the end of a sentence such as "this is a dry run: …"."""

    yes: bool
    why: str


def parse_flag(value: str, source: str, done: str = "Nothing was archived or deleted") -> bool:
    """Yes or no, from the value of a Variable.

    Raises:
        SettingError: it is neither `true` nor `false`; the message names `source`, and says what was done.
    """
    if value not in _WORDS:
        raise SettingError(
            f"{source} is {value!r}, which is neither true nor false. {done}. Fix: set it to true or false, in "
            "lower case"
        )
    return _WORDS[value]


def decide_enabled(client: Client, table: TablePolicy, variable: str | None, source: str) -> Enabled | None:
    """Return what is set for the client or the table; None if nothing is set.

    Args:
        client: whose table it is.
        table: the table's policy.
        variable: the value of the client's Variable, None where there is none.
        source: the policy file's path, for messages.

    Raises:
        SettingError: the Variable is neither `true` nor `false`.
    """
    key = enabled_variable(client.name)
    said = (
        (f"Airflow Variable {key}", None if variable is None else parse_flag(variable, f"Airflow Variable {key}")),
        (f"enabled of client {client.name!r} in {source}", client.enabled),
        (f"enabled of {table.table} of client {client.name!r} in {source}", table.enabled),
    )
    for answer in (False, True):
        if told := _first(origin for origin, value in said if value is answer):
            return Enabled(answer, f"{told} is {str(answer).lower()}")
    return None


def decide_by_ledger(client: Client, *, deleted_before: bool) -> Enabled:
    """Return the default where `enabled` is set nowhere: on only if rows had left before the setting existed."""
    if deleted_before:
        return Enabled(
            yes=True,
            why="enabled is not set, but rows of this client had left before this version asked for it. Set enabled: "
            "true in the policy file to confirm it, or false to stop",
        )
    return Enabled(
        yes=False,
        why=f"client {client.name!r} is not enabled. Fix: set enabled: true at the client or its table in the policy "
        f"file, or the Airflow Variable {enabled_variable(client.name)} to true, once its rows may be deleted",
    )


def _first(words: Iterable[str]) -> str | None:
    return next(iter(words), None)
