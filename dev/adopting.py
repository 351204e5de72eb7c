"""After the local stack's Postgres had to move to another port: its databases still act for their archives."""

from functools import partial
from pathlib import Path

from dev.postgres import PostgresServer
from dev.s3 import S3Server
from pg_archiver.airflow.selection import make_order
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.policies.yaml_file import load
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket


def adopt_after_move(postgres: PostgresServer, s3: S3Server, policies: Path) -> list[str]:
    """Let each database that has acted for an archive continue at the new port; return the names of their clients.

    The archiver takes a changed port for another database, and would refuse until a person says otherwise.
    """
    reason = f"the local stack moved to port {postgres.port}"
    adopted = []
    for client in load(policies).clients:
        if not postgres.has_database(client.database):
            continue
        # One archive for each bucket and prefix, whatever number of tables it has.
        tables = {(table.bucket_name, table.prefix): table for table in client.tables}
        with Session.connect(partial(postgres.connect, client.database), client.database, "adopt") as session:
            if not session.fetch_one("ledger/schema/schema_exists").owners:
                continue
            for table in tables.values():
                order = make_order(client, table, reason, dry_run=False)
                ownership = Ownership(session, Bucket(s3.client(), order.bucket), order)
                if ownership.find_hindrance():
                    ownership.claim(reason)
                    adopted.append(client.name)
    return adopted
