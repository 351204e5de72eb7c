"""What the tasks of the DAG `verify` do: each reads the archives of some tables back, whatever becomes of others.

Beside the tables that the policy file lists there are those that only ledgers know: tables of jobs, and such as were
taken out of the file. Each client's last task looks for them.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pg_archiver.airflow import connections
from pg_archiver.airflow.archived_tables import (
    find_archived_table,
    list_database_clients,
    list_other_tables,
    make_policy,
)
from pg_archiver.airflow.run_context import read_parameters, read_run_id
from pg_archiver.airflow.selection import Subject, find_any_client, list_tables, make_order
from pg_archiver.errors import ArchiverError, Interrupted, SettingError, Stopped, Unfinished
from pg_archiver.policies.settings import MOST_MAPPED_WINDOWS, TablePolicy, parse_table
from pg_archiver.policies.unlisted_clients import find_instance, name_every_database
from pg_archiver.policies.yaml_file import Client, Policies
from pg_archiver.verify.rebuild_ledger import Rebuilt, rebuild
from pg_archiver.verify.result import Verified
from pg_archiver.verify.verify_archive import verify

log = logging.getLogger(__name__)

# In the place of a table: whatever was archived and is not listed.
OTHERS = "*"


def choose_tables(policies: Policies, context: Mapping[str, Any]) -> list[list[Subject]]:
    """Return the tables that the form chooses, one a task as long as Airflow maps so many.

    With all tables of a client go those that the file does not list, in the task of its last one; with all clients go
    the databases that no client stands for.

    Raises:
        SettingError: the policy file has no such client or table, or Airflow ignores the form.
    """
    parameters = read_parameters(context)
    name, table = (str(parameters[one] or "") for one in ("client", "table"))
    if name and (table or all(one.name != name for one in policies.clients)):
        if table or find_instance(policies, name) is None:
            find_any_client(policies, name)
        groups = [[[name, _check_table(table) or OTHERS]]]
    elif table:
        groups = [[[client.name, policy.table]] for client, policy in list_tables(policies, [], [table], _FIELDS)]
    else:
        groups = [group for client in policies.clients if name in {"", client.name} for group in _group(client)]
        groups += [[[name_every_database(conn_id), OTHERS]] for conn_id in policies.jobs if not name]
    size = max(1, -(-len(groups) // MOST_MAPPED_WINDOWS))
    return [
        [subject for group in groups[first : first + size] for subject in group]
        for first in range(0, len(groups), size)
    ]


_FIELDS = ("client", "table")


def _group(client: Client) -> list[list[Subject]]:
    listed = [[[client.name, policy.table]] for policy in client.tables]
    listed[-1].append([client.name, OTHERS])
    return listed


def _check_table(text: str) -> str:
    try:
        if text:
            parse_table(text)
    except ValueError as error:
        raise SettingError(f"the run's parameter table: {error}. Nothing was read") from None
    return text


@dataclass
class _Findings:
    """What came of the tables so far; one's trouble does not keep the next from its turn."""

    reports: dict[str, object] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    interrupted: Interrupted | None = None

    @contextmanager
    def collect(self, name: str) -> Generator[None]:
        """Wrap the work on one table, and take in what it raises."""
        try:
            yield
        except Stopped:
            raise
        except Interrupted as error:
            self.interrupted = error
            log.warning("client %s: %s", name, error)
        except ArchiverError as error:
            self.failures.append(f"client {name}: {error}")


def run_verify(policies: Policies, chosen: Sequence[Subject], context: Mapping[str, Any]) -> dict[str, object]:
    """Verify the tables one after the other; one's trouble does not keep the next from its turn.

    Raises:
        Unfinished: the archive of one of them is not whole, or could not be read; it names what was found.
        Interrupted: nothing was found, but something was not read to its end, so a retry may help.
    """
    found = _Findings()
    rebuilding = bool(read_parameters(context)["rebuild_ledger"])
    for subject in chosen:
        log.info("client %s", ", ".join(subject))
        if subject[1] == OTHERS:
            _verify_others(policies, subject[0], context, found, rebuilding=rebuilding)
            continue
        with found.collect(", ".join(subject)):
            client, policy = _find_table(policies, subject)
            _verify_table(client, policy, context, found)
    context["ti"].xcom_push(key="report", value=found.reports)
    if found.failures:
        raise Unfinished("; ".join(found.failures))
    if found.interrupted:
        raise found.interrupted
    return found.reports


def _find_table(policies: Policies, subject: Subject) -> tuple[Client, TablePolicy]:
    """Return the client and the table, whether or not the file lists it.

    Raises:
        SettingError: nothing was archived of it.
        ArchiverError: what was could not be found out.
    """
    client = find_any_client(policies, subject[0])
    wanted = parse_table(subject[1])
    listed = next((one for one in client.tables if one.name == wanted), None)
    policy = listed or find_archived_table(policies, client, wanted)
    if policy is None:
        raise SettingError(
            f"{policies.source} does not list table {subject[1]} of client {subject[0]!r}, and neither its ledger nor "
            "its bucket knows of it"
        )
    return client, policy


def _verify_others(
    policies: Policies, name: str, context: Mapping[str, Any], found: _Findings, *, rebuilding: bool
) -> None:
    """Verify what was archived under this name, or in the databases that it stands for, and is not listed."""
    clients: list[Client] = []
    with found.collect(name):
        instance = find_instance(policies, name)
        clients = list_database_clients(policies, instance) if instance else [find_any_client(policies, name)]
    for client in clients:
        others = []
        with found.collect(client.name):
            others = list_other_tables(policies, client, lost_ledger=rebuilding)
        for one in others:
            with found.collect(f"{client.name}, {one.table}"):
                _verify_table(client, make_policy(policies, client, one), context, found)


def _verify_table(client: Client, policy: TablePolicy, context: Mapping[str, Any], found: _Findings) -> None:
    """Verify one table; what could not be added to the ledger does not stop it from being read back."""
    name = f"{client.name}, {policy.table}"
    rebuilding = bool(read_parameters(context)["rebuild_ledger"])
    order = make_order(client, policy, read_run_id(context), dry_run=not rebuilding)
    bucket = connections.open_bucket(policy)
    with connections.open_session(client, "verify", writes=rebuilding, policy=policy) as session:
        rebuilt = rebuild(session, bucket, order) if rebuilding else None
        result = verify(session, bucket, order)
    found.reports[name] = result.as_dict() | ({"rebuilt": rebuilt.as_dict()} if rebuilt else {})
    found.failures += [f"client {name}: {told}" for told in _tell_problems(rebuilt, result)]


def _tell_problems(rebuilt: Rebuilt | None, result: Verified) -> Iterator[str]:
    for refuse in [*([rebuilt.refuse_problems] if rebuilt else []), result.refuse_problems]:
        try:
            refuse()
        except Unfinished as problems:
            yield str(problems)
