"""How jobs reach the databases and buckets of an instance, and what people have set in Airflow to stop them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

from pg_archiver.airflow import connections
from pg_archiver.airflow.airflow_ids import enabled_variable
from pg_archiver.airflow.enabling import parse_flag
from pg_archiver.airflow.event_functions import say_why_no_function
from pg_archiver.airflow.variables import find_jobs_pause, read_client_variables
from pg_archiver.errors import SettingError
from pg_archiver.jobs.source import JobConnections
from pg_archiver.policies.jobs_settings import InstanceJobs
from pg_archiver.policies.table_jobs import TableJob
from pg_archiver.policies.yaml_file import Policies
from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.postgres.session import Session

_Session = TypeVar("_Session", bound=Session)


def make_job_connections(policies: Policies, instance: InstanceJobs) -> JobConnections:
    """Return how the databases of an instance are reached, by the Airflow connections that the policy file names."""
    proxy = any(one.one_session_proxy for one in policies.clients if one.conn_id == instance.conn_id)
    procedures = instance.settings.procedures_conn_id
    return JobConnections(
        open_archiver=partial(_open, Session, instance, instance.conn_id, "conn_id", proxy),
        open_procedures=partial(_open, ProceduresSession, instance, procedures, "procedures_conn_id", proxy),
        open_table=partial(_open_table, instance, proxy),
        open_bucket=connections.open_bucket,
        find_stop=partial(find_stop, policies, instance.conn_id),
        say_why_no_function=say_why_no_function,
    )


def find_stop(policies: Policies, conn_id: str, table: TableJob) -> str | None:
    """Return why rows of a job's table may not go now, by Airflow's Variables; None if they may.

    Raises:
        SettingError: a Variable is neither `true` nor `false`.
        Interrupted: whether one is set could not be found out.
    """
    if pause := find_jobs_pause(conn_id, policies.jobs):
        return f"Airflow Variable {pause} is true"
    for tenant in table.tenants:
        key = enabled_variable(tenant)
        value = read_client_variables(tenant).enabled
        if value is not None and not parse_flag(value, f"Airflow Variable {key}"):
            return f"Airflow Variable {key} is false"
    return None


def _open_table(
    instance: InstanceJobs, one_session_proxy: bool, table: TableJob, step: str
) -> AbstractContextManager[Session]:
    return connections.open_database(
        instance.conn_id,
        table.database,
        f"job {step}",
        setting=f"conn_id of instance {instance.conn_id!r}",
        writes=True,
        one_session_proxy=one_session_proxy,
        kind=Session,
        limits=connections.limit_statements(table.policy),
    )


def _open(
    kind: type[_Session],
    instance: InstanceJobs,
    conn_id: str | None,
    setting: str,
    one_session_proxy: bool,
    database: str,
) -> AbstractContextManager[_Session]:
    if conn_id is None:
        raise SettingError(
            f"{setting} is not set under jobs of {instance.conn_id}, so no procedure can be called. Fix: name the "
            "Airflow connection of a login for procedures alone"
        )
    return connections.open_database(
        conn_id,
        database,
        "jobs",
        setting=f"{setting} of instance {instance.conn_id!r}",
        writes=True,
        one_session_proxy=one_session_proxy,
        kind=kind,
    )
