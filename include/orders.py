"""From a policy to an order: what a run is to do with one table of one client."""

from __future__ import annotations

from include.archiver.models import WorkOrder
from include.archiver.policy import Client, TablePolicy


def work_order(client: Client, policy: TablePolicy, run_id: str, *, dry_run: bool) -> WorkOrder:
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
