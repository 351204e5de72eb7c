"""What the tasks of the DAG `verify` do: each reads the archives of some tables back, whatever becomes of others."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pg_archiver.airflow import connections
from pg_archiver.airflow.run_context import read_parameters, read_run_id
from pg_archiver.airflow.selection import Subject, find_subject, list_tables, make_order
from pg_archiver.errors import ArchiverError, Interrupted, SettingError, Stopped, Unfinished
from pg_archiver.policies.settings import MOST_MAPPED_WINDOWS, TablePolicy
from pg_archiver.policies.yaml_file import Client, Policies
from pg_archiver.verify.rebuild_ledger import Rebuilt, rebuild
from pg_archiver.verify.result import Verified
from pg_archiver.verify.verify_archive import verify

log = logging.getLogger(__name__)


def choose_tables(policies: Policies, context: Mapping[str, Any]) -> list[list[Subject]]:
    """Return the tables that the form chooses, one a task as long as Airflow maps so many.

    Raises:
        SettingError: the policy file has no such client or table, or Airflow ignores the form.
    """
    parameters = read_parameters(context)
    clients, tables = ([parameters[name]] if parameters[name] else [] for name in ("client", "table"))
    found = [
        [client.name, policy.table] for client, policy in list_tables(policies, clients, tables, ("client", "table"))
    ]
    if not found and (clients or tables):
        raise SettingError(
            f"{policies.source} has no table {tables[0]} of client {clients[0]}. Nothing was read. Fix: correct the "
            "run's parameters client and table"
        )
    size = max(1, -(-len(found) // MOST_MAPPED_WINDOWS))
    return [found[first : first + size] for first in range(0, len(found), size)]


def run_verify(policies: Policies, chosen: Sequence[Subject], context: Mapping[str, Any]) -> dict[str, object]:
    """Verify the tables one after the other; one's trouble does not keep the next from its turn.

    Raises:
        Unfinished: the archive of one of them is not whole, or could not be read; it names what was found.
        Interrupted: nothing was found, but something was not read to its end, so a retry may help.
    """
    reports: dict[str, object] = {}
    failures: list[str] = []
    interrupted: Interrupted | None = None
    for subject in chosen:
        name = ", ".join(subject)
        log.info("client %s", name)
        try:
            client, policy = find_subject(policies, subject)
            rebuilt, result = _verify_table(client, policy, context)
            reports[name] = result.as_dict() | ({"rebuilt": rebuilt.as_dict()} if rebuilt else {})
            failures += [f"client {name}: {told}" for told in _tell_problems(rebuilt, result)]
        except Stopped:
            raise
        except Interrupted as error:
            interrupted = error
            log.warning("client %s: %s", name, error)
        except ArchiverError as error:
            failures.append(f"client {name}: {error}")
    context["ti"].xcom_push(key="report", value=reports)
    if failures:
        raise Unfinished("; ".join(failures))
    if interrupted:
        raise interrupted
    return reports


def _verify_table(client: Client, policy: TablePolicy, context: Mapping[str, Any]) -> tuple[Rebuilt | None, Verified]:
    """Verify one table; what could not be added to the ledger does not stop it from being read back."""
    rebuilding = bool(read_parameters(context)["rebuild_ledger"])
    order = make_order(client, policy, read_run_id(context), dry_run=not rebuilding)
    bucket = connections.open_bucket(policy)
    with connections.open_session(client, "verify", writes=rebuilding, policy=policy) as session:
        rebuilt = rebuild(session, bucket, order) if rebuilding else None
        return rebuilt, verify(session, bucket, order)


def _tell_problems(rebuilt: Rebuilt | None, result: Verified) -> Iterator[str]:
    for refuse in [*([rebuilt.refuse_problems] if rebuilt else []), result.refuse_problems]:
        try:
            refuse()
        except Unfinished as problems:
            yield str(problems)
