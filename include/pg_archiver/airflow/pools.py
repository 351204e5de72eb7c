"""The Airflow pools that bound the work on each Postgres server: without them the archive's tasks wait forever.

`python -m pg_archiver.airflow.pools > pools.json`, then `airflow pools import pools.json`. It reads the policy file
that the DAGs read, so run it again when a server is added, or its `pool_slots`, the `slots` of its jobs or the `lanes`
of its clients change: it sets the pools that are there anew. It ends with status 1 where the policy file has broken
entries, and names them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pg_archiver.airflow.airflow_ids import events_pool_name, jobs_pool_name, maintenance_pool_name, pool_name
from pg_archiver.errors import PolicyError
from pg_archiver.policies.yaml_file import Policies, load

DEFAULT_POLICIES = Path(__file__).parents[2] / "policies.yaml"


def policies_path() -> Path:
    """Return the policy file: the one that ARCHIVER_POLICIES names, else include/policies.yaml."""
    return Path(os.environ.get("ARCHIVER_POLICIES") or DEFAULT_POLICIES)


def list_pools(policies: Policies) -> dict[str, dict[str, object]]:
    """Return the pools by name, as `airflow pools import` reads them."""
    archive = {
        pool_name(conn_id): {
            "slots": policies.pool_slots[conn_id],
            "description": f"archiver on {conn_id}",
            "include_deferred": True,
        }
        for conn_id in policies.archived_conn_ids
    }
    maintenance = {
        maintenance_pool_name(conn_id): {
            "slots": 1,
            "description": f"maintenance on {conn_id}, one task at a time",
            "include_deferred": True,
        }
        for conn_id in policies.conn_ids
    }
    jobs = {
        jobs_pool_name(conn_id): {
            "slots": allowed.settings.slots,
            "description": f"jobs on {conn_id}",
            "include_deferred": True,
        }
        for conn_id, allowed in policies.jobs.items()
    }
    events = {
        events_pool_name(conn_id): {
            "slots": lanes,
            "description": f"events on {conn_id}, a slot for each lane of its clients",
            "include_deferred": True,
        }
        for conn_id, lanes in policies.lanes.items()
    }
    return archive | maintenance | jobs | events


def main() -> int:
    """Write the pools to stdout; return 1, with the reasons on stderr, if the policy file or entries of it are broken.

    Broken entries do not keep others from having a pool: theirs are written anyway.
    """
    try:
        policies = load(policies_path())
    except PolicyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    json.dump(list_pools(policies), sys.stdout, indent=2)
    sys.stdout.write("\n")
    for name, reason in policies.broken.items():
        sys.stderr.write(f"client {name} is not archived: {reason}\n")
    return 1 if policies.broken else 0


if __name__ == "__main__":
    sys.exit(main())
