"""Names of ours made from names of theirs, so that no two of theirs ever share one of ours.

Airflow allows letters, digits, `_`, `-` and `.` in a DAG id, and all but `.` in a task group id. A Variable's
key travels to the API server as part of a URL path. Names of clients and tables may hold anything, so what is
not allowed becomes an escape that cannot be mistaken for a plain name.
"""

from __future__ import annotations

import hashlib
import os
import re

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import SettingError

# The environment variable that sets our DAGs, pools and assets apart from others of the same Airflow.
NAME_PREFIX = "ARCHIVER_NAME_PREFIX"
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{0,60}")
_LONGEST_ID = 160


def client_id(client: str) -> str:
    """Return the client's name as DAG ids and Variable keys write it: itself where Airflow allows that.

    Other characters become `.xHH`, a byte of their UTF-8 in hexadecimal; a dot before an `x` becomes one too,
    so `.x` in an id always opens an escape and two names never meet.
    """
    parts = []
    for position, character in enumerate(client):
        opens_escape = character == "." and client[position + 1 : position + 2] == "x"
        allowed = character.isalnum() or character in "_-."
        parts.append(character if allowed and not opens_escape else _escape(character, ".x"))
    return _shorten("".join(parts))


def add_name_prefix(name: str) -> str:
    """Return the name of a DAG, pool or asset in this Airflow: with ARCHIVER_NAME_PREFIX in front, if that is set.

    Raises:
        SettingError: Airflow would not allow it in a DAG's id.
    """
    prefix = os.environ.get(NAME_PREFIX, "")
    if not _PREFIX.fullmatch(prefix):
        raise SettingError(
            f"the environment variable {NAME_PREFIX} is {prefix!r}. No DAG was made. Fix: set it to at most 60 "
            "letters, digits, '_', '-' and '.', the same in each service of Airflow, or leave it unset"
        )
    return prefix + name


def dag_id(client: str) -> str:
    """Return the id of the client's archive DAG."""
    return add_name_prefix(f"archive__{client_id(client)}")


def keep_days_variable(client: str) -> str:
    """Return the key of the Airflow Variable that holds N for this client alone."""
    return f"archive_keep_days__{client_id(client)}"


def enabled_variable(client: str) -> str:
    """Return the key of the Airflow Variable that says whether rows of this client may really leave."""
    return f"archive_enabled__{client_id(client)}"


def group_id(table: TableName) -> str:
    """Return the id of the table's task group: `analytics.events` is `analytics-events`."""
    return _shorten(f"{group_part(table.schema)}-{group_part(table.name)}")


def pool_name(conn_id: str) -> str:
    """Return the Airflow pool that bounds the work on one Postgres instance."""
    return add_name_prefix(f"archive_{conn_id}")


def maintenance_pool_name(conn_id: str) -> str:
    """Return the Airflow pool whose one slot lets one maintenance task at a time work on a Postgres instance."""
    return add_name_prefix(f"maintenance_{conn_id}")


def jobs_dag_id(conn_id: str) -> str:
    """Return the id of the DAG that runs an instance's jobs; the asset by which it is woken has the same name."""
    return add_name_prefix(f"jobs__{client_id(conn_id)}")


def jobs_paused_variable(conn_id: str) -> str:
    """Return the key of the Airflow Variable that says whether jobs of this instance may start."""
    return f"archive_jobs_paused__{client_id(conn_id)}"


def jobs_pool_name(conn_id: str) -> str:
    """Return the Airflow pool that bounds the jobs at work on one Postgres instance."""
    return add_name_prefix(f"jobs_{conn_id}")


def events_dag_id(client: str) -> str:
    """Return the id of the DAG that works on a client's events; the asset by which it is woken has the same name."""
    return add_name_prefix(f"events__{client_id(client)}")


def events_paused_variable(client: str) -> str:
    """Return the key of the Airflow Variable that says whether work on this client's events may start."""
    return f"archive_events_paused__{client_id(client)}"


def events_pool_name(conn_id: str) -> str:
    """Return the Airflow pool that bounds the workers of events on one Postgres instance."""
    return add_name_prefix(f"events_{conn_id}")


def group_part(name: str) -> str:
    """Return a name as part of the id of a task or a task group."""
    allowed = (character if character.isalnum() or character == "_" else None for character in name)
    return "".join(
        plain if plain is not None else _escape(character, "--") for plain, character in zip(allowed, name, strict=True)
    )


def _escape(character: str, mark: str) -> str:
    return "".join(f"{mark}{byte:02X}" for byte in character.encode())


def _shorten(identifier: str) -> str:
    """Return the identifier, or its beginning and a digest of the whole where Airflow would refuse its length.

    What was shortened is longer than what was not, so that no name can pose as the short form of another.
    """
    if len(identifier) <= _LONGEST_ID:
        return identifier
    return f"{identifier[:_LONGEST_ID]}-{hashlib.sha256(identifier.encode()).hexdigest()[:16]}"
