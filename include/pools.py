"""The Airflow pools that bound the work on each Postgres server: the archive's tasks wait for ever without them.

`python -m include.pools > pools.json`, then `airflow pools import pools.json`. It reads the policy file that the DAGs
read, so run it again when a server is added or its `pool_slots` change: it sets the pools that are there anew.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from include.archiver.naming import maintenance_pool_name, pool_name
from include.archiver.policy import Policies, load

DEFAULT_POLICIES = Path(__file__).parent / "policies.yaml"


def policies_path() -> Path:
    """The policy file: the one that ARCHIVER_POLICIES names, else include/policies.yaml."""
    return Path(os.environ.get("ARCHIVER_POLICIES") or DEFAULT_POLICIES)


def pools(policies: Policies) -> dict[str, dict[str, object]]:
    """The pools by name, as `airflow pools import` reads them."""
    archive = {
        pool_name(conn_id): {
            "slots": policies.pool_slots[conn_id],
            "description": f"archiver on {conn_id}",
            "include_deferred": True,
        }
        for conn_id in policies.conn_ids
    }
    maintenance = {
        maintenance_pool_name(conn_id): {
            "slots": 1,
            "description": f"maintenance on {conn_id}, one task at a time",
            "include_deferred": True,
        }
        for conn_id in policies.conn_ids
    }
    return archive | maintenance


if __name__ == "__main__":
    json.dump(pools(load(policies_path())), sys.stdout, indent=2)
