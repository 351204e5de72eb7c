"""A process with one session of ours that never comes to its end: `python -m tests.integration.gone_worker`.

An order comes in as JSON: the client's name and database, Airflow's connection to it, and what to do in the session. A
line goes out when the session is there.
"""

from __future__ import annotations

import json
import os
import sys

from include import wiring
from include.archiver.database import Database
from include.archiver.models import TableName
from include.archiver.policy import Client
from include.archiver.statements import Names

EVENTS: Names = {"table": TableName("analytics", "events")}
NEVER = "DO $$ BEGIN PERFORM pg_catalog.pg_sleep(3600); END $$"


def delete(database: Database) -> None:
    """A transaction in whose middle a statement goes on and on."""
    with database.transaction():
        database.change("delete/hold", EVENTS)
        database.run_script(NEVER)


def vacuum(database: Database) -> None:
    """VACUUM that rests for a long time after each page."""
    database.all("vacuum/cost", cost_delay="100ms", cost_limit="1")
    database.change("compact/vacuum", EVENTS)


def main() -> None:
    order = json.load(sys.stdin)
    os.environ["AIRFLOW_CONN_RDS_MAIN"] = order["connection"]
    client = Client(order["client"], "rds_main", order["client"], ())
    with wiring.session(client, order["what"], writes=True) as database:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        {"delete": delete, "vacuum": vacuum}[order["what"]](database)


if __name__ == "__main__":
    main()
