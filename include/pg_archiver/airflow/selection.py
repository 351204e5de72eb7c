"""From a form and a policy to an order: the client and table to work on, and what a run is to do with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import SettingError
from pg_archiver.policies import work_orders
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.unlisted_clients import make_unlisted_client
from pg_archiver.policies.yaml_file import Client, Policies

_MOST_NAMED = 10
# What a task that chooses hands to those that work: the client's name and the table as the policy file writes it.
Subject = list[str]


def find_client(policies: Policies, name: str) -> Client:
    """Return the client that the form names.

    Raises:
        SettingError: the policy file has no such client, or its entry is wrong.
    """
    client = next((one for one in policies.clients if one.name == name), None)
    if client is None:
        known = ", ".join(one.name for one in policies.clients[:_MOST_NAMED])
        reason = policies.broken.get(name) or f"{policies.source} has no such client ({known})"
        raise SettingError(f"the run's parameter client is {name!r}: {reason}")
    return client


def find_any_client(policies: Policies, name: str) -> Client:
    """Return the client that the form names, or what stands for a database that only jobs archive.

    Raises:
        SettingError: there is neither, or the client's entry is wrong.
    """
    listed = any(one.name == name for one in policies.clients)
    unlisted = None if listed else make_unlisted_client(policies, name)
    return unlisted or find_client(policies, name)


def find_table(policies: Policies, client: Client, wanted: TableName, text: str) -> TablePolicy:
    """Return the client's table that the form names; `text` is how it wrote it.

    Raises:
        SettingError: the policy file does not list it for this client.
    """
    policy = next((one for one in client.tables if one.name == wanted), None)
    if policy is None:
        raise SettingError(
            f"the run's parameter table is {text!r}, which {policies.source} does not list for client "
            f"{client.name!r}. It lists {', '.join(one.table for one in client.tables)}"
        )
    return policy


def list_tables(
    policies: Policies,
    clients: Sequence[str],
    tables: Sequence[str],
    parameters: tuple[str, str] = ("clients", "tables"),
) -> list[tuple[Client, TablePolicy]]:
    """Return the tables of these clients that are called so; none named means all.

    `parameters` are the names of the form's fields, for messages.

    Raises:
        SettingError: the policy file has no client or no table of such a name.
    """
    every = [(client, policy) for client in policies.clients for policy in client.tables]
    _refuse_unknown(clients, {client.name for client, _ in every}, parameters[0], policies)
    _refuse_unknown(tables, {policy.table for _, policy in every}, parameters[1], policies)
    return [
        (client, policy)
        for client, policy in every
        if (not clients or client.name in clients) and (not tables or policy.table in tables)
    ]


def find_subject(policies: Policies, subject: Subject) -> tuple[Client, TablePolicy]:
    """Return the client and the table that a task before this one chose.

    Raises:
        SettingError: the policy file has changed since, and no longer lists it.
    """
    for client in policies.clients:
        for policy in client.tables:
            if [client.name, policy.table] == list(subject):
                return client, policy
    raise SettingError(f"{policies.source} does not list table {subject[1]} of client {subject[0]!r} any more")


def _refuse_unknown(wanted: Sequence[str], known: Collection[str], parameter: str, policies: Policies) -> None:
    for one in wanted:
        if one not in known:
            reason = policies.broken.get(one)
            raise SettingError(
                f"the run's parameter {parameter} names {one!r}: {reason or f'{policies.source} has no such entry'}. "
                "Nothing was done"
            )


def make_order(client: Client, policy: TablePolicy, run_id: str, *, dry_run: bool) -> WorkOrder:
    """Return the order for one table of one client, as the policy describes it."""
    return work_orders.make_order(client.name, policy, run_id, dry_run=dry_run)
