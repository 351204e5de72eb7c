"""From a form and a policy to an order: which table of whom, and what a run is to do with it."""

from __future__ import annotations

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import SettingError
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client, Policies

_MOST_NAMED = 10


def find_client(policies: Policies, name: str) -> Client:
    """The client that the form names.

    Raises:
        SettingError: the policy file has no such client, or its entry is wrong.
    """
    client = next((one for one in policies.clients if one.name == name), None)
    if client is None:
        known = ", ".join(one.name for one in policies.clients[:_MOST_NAMED])
        reason = policies.broken.get(name) or f"{policies.source} has no such client ({known})"
        raise SettingError(f"the run's parameter client is {name!r}: {reason}")
    return client


def find_table(policies: Policies, client: Client, wanted: TableName, text: str) -> TablePolicy:
    """The client's table that the form names; `text` is how it wrote it.

    Raises:
        SettingError: the policy file does not list it for this client.
    """
    policy = next((one for one in client.tables if one.name == wanted), None)
    if policy is None:
        raise SettingError(
            f"the run's parameter table is {text!r}, which {policies.source} does not list for client "
            f"{client.name!r}; it lists {', '.join(one.table for one in client.tables)}"
        )
    return policy


def make_order(client: Client, policy: TablePolicy, run_id: str, *, dry_run: bool) -> WorkOrder:
    """One table of one client, as the policy describes it."""
    return WorkOrder(
        client=client.name,
        table=policy.name,
        timestamp_column=policy.timestamp_column,
        timezone=policy.timezone,
        run_id=run_id,
        dry_run=dry_run,
        batch_size=policy.batch_size,
        bucket=policy.bucket_name,
        prefix=policy.prefix,
        compression=policy.compression,
        children=policy.child_names,
    )
