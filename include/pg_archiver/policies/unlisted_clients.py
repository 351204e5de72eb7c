"""Databases that no client of the policy file stands for: jobs archive from them too, and people restore from there.

Such an archive goes by the instance and the database, as `name_database` writes them, in keys, the ledger and forms.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from pg_archiver.domain.default_connection import AWS_CONNECTION
from pg_archiver.domain.tables import TableName
from pg_archiver.policies.jobs import EVERY_DATABASE, Action
from pg_archiver.policies.jobs_settings import InstanceJobs
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.table_jobs import name_database
from pg_archiver.policies.yaml_file import Client, Policies


def split_database_name(name: str) -> tuple[str, str] | None:
    """Return the instance and the database of a name that `name_database` made; None if it made no such name."""
    conn_id, _, database = (unquote(part) for part in name.partition("."))
    return (conn_id, database) if database and name_database(conn_id, database) == name else None


def make_unlisted_client(policies: Policies, name: str) -> Client | None:
    """Return what stands for a database of an instance that has jobs; None if the name is none of such a one.

    It has no tables; `settings` are what the file says for all tables of the instance.
    """
    found = split_database_name(name)
    if found is None or found[0] not in policies.jobs or found[1] == EVERY_DATABASE:
        return None
    conn_id, database = found
    defaults = policies.jobs[conn_id].defaults
    return Client(
        name=name,
        conn_id=conn_id,
        database=database,
        tables=(),
        aws_conn_id=defaults.get("aws_conn_id", AWS_CONNECTION),
        one_session_proxy=any(one.one_session_proxy for one in policies.clients if one.conn_id == conn_id),
        settings=defaults,
    )


def name_every_database(conn_id: str) -> str:
    """Return what stands for all databases of an instance, in the place of a client's name."""
    return name_database(conn_id, EVERY_DATABASE)


def find_instance(policies: Policies, name: str) -> InstanceJobs | None:
    """Return the instance whose databases the name stands for, all together; None if it is another name."""
    return next((one for conn_id, one in policies.jobs.items() if name_every_database(conn_id) == name), None)


def choose_databases(instance: InstanceJobs, existing: Iterable[str]) -> list[str]:
    """Return those databases of the server in which jobs of the instance may have archived."""
    return [one for one in existing if one in instance.sources or instance.allows_database(one)]


def find_file_job(policies: Policies, client: Client, table: TableName) -> TablePolicy | None:
    """Return the settings of a table that a job of the policy file archives under this client's name, if one does."""
    instance = policies.jobs.get(client.conn_id)
    for job in instance.file_jobs.get(client.database, ()) if instance else ():
        if instance and job.action is Action.ARCHIVE:
            found = instance.make_table_job(job, client.database, from_file=True)
            if (found.client, found.table) == (client.name, table):
                return found.policy
    return None
