"""The Airflow pools that bound the work on each Postgres server: the archive's tasks wait for ever without them.

`python -m dev.pools include/policies.yaml > pools.json`, then `airflow pools import pools.json`, for any Airflow.
"""

import json
import sys
from pathlib import Path

from dev.airflow_api import AirflowApi
from include.archiver.naming import pool_name
from include.archiver.policy import Policies, load

SLOTS = 6
"""How many tasks work on one server at once."""


def create_pools(api: AirflowApi, policies: Policies) -> None:
    """Create a pool for each Postgres server of the policies."""
    for connection in policies.conn_ids:
        api.set_pool(pool_name(connection), SLOTS)


def as_json(policies: Policies) -> str:
    """Return the same pools as the file that `airflow pools import` reads."""
    pools = {
        pool_name(connection): {
            "slots": SLOTS,
            "description": f"archive tasks at work on {connection}",
            "include_deferred": True,
        }
        for connection in policies.conn_ids
    }
    return json.dumps(pools, indent=2)


if __name__ == "__main__":
    print(as_json(load(Path(sys.argv[1]))))
