"""What the tasks of the DAG `restore` do: the form is read and checked, and one step called."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pg_archiver.airflow import connections
from pg_archiver.airflow.airflow_ids import group_part
from pg_archiver.airflow.archived_tables import find_archived_table
from pg_archiver.airflow.run_context import read_parameters, read_run_id
from pg_archiver.airflow.selection import find_any_client, make_order
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import OnConflict, RestoreOrder
from pg_archiver.errors import SettingError
from pg_archiver.policies.settings import TablePolicy, parse_table
from pg_archiver.policies.yaml_file import Client, Policies
from pg_archiver.restore.restore import restore
from pg_archiver.restore.result import Restored

log = logging.getLogger(__name__)

MOST_HOLD_DAYS = 3650


def task_id_of(conn_id: str) -> str:
    """Return the id of the task that restores into databases of this server, in the server's own pool."""
    return f"restore_{group_part(conn_id)}"


def choose_table(policies: Policies, context: Mapping[str, Any]) -> tuple[Client, TablePolicy]:
    """Return the client and the table that the form names: one that the policy file lists, or that was archived once.

    Raises:
        SettingError: there is no such client, nothing was archived of such a table, or Airflow ignores the form.
        ArchiverError: what was archived of a table that is not listed could not be found out.
    """
    parameters = read_parameters(context)
    client = find_any_client(policies, str(parameters["client"]))
    text = str(parameters["table"])
    wanted = _parse_table_name(text, "table")
    listed = next((one for one in client.tables if one.name == wanted), None)
    policy = listed or find_archived_table(policies, client, wanted)
    if policy is None:
        raise SettingError(
            f"the run's parameter table is {text!r}, which {policies.source} does not list for client {client.name!r}, "
            "and neither the client's ledger nor its bucket knows of it. Nothing was restored. Fix: correct the "
            f"parameter. Listed are {', '.join(one.table for one in client.tables) or 'none'}"
        )
    return client, policy


def make_restore_order(client: Client, policy: TablePolicy, context: Mapping[str, Any]) -> RestoreOrder:
    """Return what the form asks for.

    Raises:
        SettingError: a field of it cannot be used.
    """
    parameters = read_parameters(context)
    start, end = (connections.read_moment(context, name) for name in ("start", "end"))
    if start is None or end is None:
        raise SettingError("the run's parameters start and end must both be set. Nothing was restored")
    hold_days = parameters["hold_days"]
    if not isinstance(hold_days, int) or not 0 <= hold_days <= MOST_HOLD_DAYS:
        raise SettingError(
            f"the run's parameter hold_days is {hold_days!r}. Nothing was restored. Fix: set it to a whole number of "
            f"days from 0 to {MOST_HOLD_DAYS}"
        )
    into = parameters["into"]
    return RestoreOrder(
        work=make_order(client, policy, read_run_id(context), dry_run=bool(parameters["dry_run"])),
        start=start,
        end=end,
        into=_parse_table_name(str(into), "into") if into else None,
        on_conflict=OnConflict(parameters["on_conflict"]),
        hold_days=hold_days,
        ignore_missing_columns=bool(parameters["ignore_missing_columns"]),
        text_columns=_split_names(parameters.get("text_columns")),
        set_sequences=bool(parameters.get("set_sequences")),
    )


def run_restore(policies: Policies, context: Mapping[str, Any]) -> Restored:
    """Restore what the form asks for."""
    client, policy = choose_table(policies, context)
    order = make_restore_order(client, policy, context)
    with connections.open_session(client, "restore", writes=True, policy=policy) as session:
        return restore(session, connections.open_bucket(policy), order)


def _split_names(text: object) -> tuple[str, ...]:
    """Return the names of columns, separated by commas."""
    return tuple(name for part in str(text or "").split(",") if (name := part.strip()))


def _parse_table_name(text: str, parameter: str) -> TableName:
    try:
        return parse_table(text)
    except ValueError as error:
        raise SettingError(f"the run's parameter {parameter}: {error}. Nothing was restored") from None
