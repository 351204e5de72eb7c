"""Tables that were archived and that the policy file does not list, as restores and verifications find them.

Jobs archive tables that stand in rows of a database, and such a row may be gone by now; a table may have been taken
out of the file. Where objects go is for the reviewed file to say, at the client or the instance; how the table tells
the time is known to the ledger, or else to the manifests.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from pg_archiver.airflow import connections
from pg_archiver.domain.tables import TableName
from pg_archiver.ledger.archived_tables import ArchivedTable, list_known_tables, list_stored_tables
from pg_archiver.policies.jobs_settings import InstanceJobs
from pg_archiver.policies.settings import TablePolicy, write_table
from pg_archiver.policies.table_jobs import name_database
from pg_archiver.policies.table_policies import make_table_policy
from pg_archiver.policies.unlisted_clients import choose_databases, find_file_job, make_unlisted_client
from pg_archiver.policies.yaml_file import Client, Policies
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)


def find_archived_table(policies: Policies, client: Client, wanted: TableName) -> TablePolicy | None:
    """Return the settings of a table that the file does not list for the client; None if nothing of it was archived.

    Raises:
        PolicyError: what the file says of its place cannot be used.
        ArchiverError: the database or the bucket could not be asked.
    """
    if of_job := find_file_job(policies, client, wanted):
        return of_job
    found = next((one for one in _list_known(client) if one.table == wanted), None)
    found = found or next((one for one in _list_stored(policies, client) if one.table == wanted), None)
    return make_policy(policies, client, found) if found else None


def list_other_tables(policies: Policies, client: Client, *, lost_ledger: bool) -> list[ArchivedTable]:
    """Return the tables that were archived under the client's name and that the file does not list for it.

    With a `lost_ledger` the bucket is asked, too.

    Raises:
        ArchiverError: the database or the bucket could not be asked.
    """
    found = {one.table: one for one in _list_stored(policies, client)} if lost_ledger else {}
    found |= {one.table: one for one in _list_known(client)}
    listed = {one.name for one in client.tables}
    return [found[table] for table in sorted(found) if table not in listed]


def list_database_clients(policies: Policies, instance: InstanceJobs) -> list[Client]:
    """Return what stands for each database of the instance's server from which its jobs may have archived.

    Raises:
        ArchiverError: the server could not be asked for its databases.
    """
    if not instance.sources:
        return []
    conn_id = instance.conn_id
    with connections.open_database(
        conn_id,
        instance.settings.database or instance.sources[0],
        "verify",
        setting=f"conn_id of instance {conn_id!r}",
        writes=False,
        one_session_proxy=any(one.one_session_proxy for one in policies.clients if one.conn_id == conn_id),
        kind=Session,
    ) as session:
        existing = session.fetch_all("verify/databases")
    chosen = choose_databases(instance, (row.name for row in existing))
    if closed := [row.name for row in existing if row.name in chosen and not row.may_connect]:
        log.info("%s: not looked into %s, to which the login may not connect", conn_id, ", ".join(closed))
    names = [name_database(conn_id, one) for one in chosen if one not in closed]
    return [client for name in names if (client := make_unlisted_client(policies, name))]


def make_policy(policies: Policies, client: Client, found: ArchivedTable) -> TablePolicy:
    """Return the settings of an archived table.

    Raises:
        PolicyError: they do not fit, or not together.
    """
    if of_job := find_file_job(policies, client, found.table):
        return of_job
    own = {"timestamp_column": found.timestamp_column, "timezone": found.timezone}
    settings = {"bucket": found.bucket, **client.settings, "table": write_table(found.table)}
    settings |= {name: value for name, value in own.items() if value is not None}
    where = f"{policies.source}, client {client.name!r}, table {found.table}"
    return make_table_policy(TablePolicy, settings, where, client.name)


def _list_known(client: Client) -> list[ArchivedTable]:
    with connections.open_session(client, "look", writes=False) as session:
        return list_known_tables(session, client.name)


def _list_stored(policies: Policies, client: Client) -> Iterator[ArchivedTable]:
    if client.settings.get("bucket") is None:
        return
    policy = make_table_policy(TablePolicy, client.settings, f"{policies.source}, client {client.name!r}", client.name)
    yield from list_stored_tables(connections.open_bucket(policy), policy.prefix, client.name)
