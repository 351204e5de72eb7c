"""From a policy to an order: the client and table to work on, as each step of a run is told."""

from __future__ import annotations

from pg_archiver.domain.work import WorkOrder
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.versions import read_versions


def make_order(client: str, policy: TablePolicy, run_id: str, *, dry_run: bool) -> WorkOrder:
    """Return the order for one table of one client, as the policy describes it."""
    return WorkOrder(
        client=client,
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
        versions=read_versions(policy, timed=True),
    )
