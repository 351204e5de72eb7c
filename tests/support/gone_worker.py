"""A process with one session of ours that never comes to its end: `python -m tests.support.gone_worker`.

An order comes in as JSON: the client's name and database, Airflow's connection to it, and what to do in the session. A
line goes out when the session is there.
"""

from __future__ import annotations

import json
import os
import sys

from pg_archiver.airflow import connections
from pg_archiver.domain.tables import TableName
from pg_archiver.policies.yaml_file import Client
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names

EVENTS: Names = {"table": TableName("analytics", "events")}
NEVER = "DO $$ BEGIN PERFORM pg_catalog.pg_sleep(3600); END $$"


def delete(session: Session) -> None:
    """A transaction in whose middle a statement goes on and on."""
    with session.transaction():
        session.execute("archive/delete/lock_table", EVENTS)
        session.run_script(NEVER)


def vacuum(session: Session) -> None:
    """VACUUM that rests for a long time after each page."""
    session.fetch_all("maintenance/vacuum/cost", cost_delay="100ms", cost_limit="1")
    session.execute("maintenance/compact/vacuum", EVENTS)


def main() -> None:
    order = json.load(sys.stdin)
    os.environ["AIRFLOW_CONN_RDS_MAIN"] = order["connection"]
    client = Client(order["client"], "rds_main", order["client"], ())
    with connections.open_session(client, order["what"], writes=True) as session:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        {"delete": delete, "vacuum": vacuum}[order["what"]](session)


if __name__ == "__main__":
    main()
