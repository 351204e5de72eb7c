"""Airflow's connections, as sessions and buckets; the time of a run, and a stop that Airflow asks for.

Hooks are imported where they are used: a worker builds its DAG for every task, and most tasks need one of them.
"""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow.sdk.exceptions import AirflowNotFoundException

from pg_archiver.airflow.pools import policies_path
from pg_archiver.domain.default_connection import AWS_CONNECTION
from pg_archiver.errors import SettingError
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client, Policies, load
from pg_archiver.postgres.base_session import KEEPALIVES, SessionLimits
from pg_archiver.postgres.session import Session
from pg_archiver.runtime.stopping import Stop
from pg_archiver.s3.bucket import CLIENT, Bucket

if TYPE_CHECKING:
    import psycopg
    from airflow.sdk import Connection

# S3 is asked again a few times before the task itself is; a call that hangs must not hold a snapshot open.
_S3_TRIES = 5
_S3_CONNECT_SECONDS = 10
_S3_READ_SECONDS = 60
# What the extra of a connection may say to the driver and the provider instead of the server.
_DRIVERS_OWN = {"cursor", "autocommit", "prepare_threshold", "context", "row_factory", "cursor_factory"}

_Session = TypeVar("_Session", bound=Session)

_stop = Stop()


def load_policies() -> Policies:
    """Return the policy file: the one that ARCHIVER_POLICIES names, else include/policies.yaml."""
    return load(policies_path())


@contextmanager
def open_session(
    client: Client, step: str, *, writes: bool, policy: TablePolicy | None = None, maintenance: bool = False
) -> Generator[Session]:
    """Open a connection to the client's database for one task; by the connection of maintenance, if it is set.

    The policy says how long a statement may take. When Airflow asks the task to end, a statement that runs for more
    than two seconds is cancelled.

    Raises:
        SettingError: Airflow has no connection of the policy's `conn_id` or `maintenance_conn_id`, or its extra cannot
            be used.
        DatabaseRefused: the server does not let us in.
        Stopped: Airflow asked the task to end.
    """
    setting, conn_id = "conn_id", client.conn_id
    if maintenance and client.maintenance_conn_id:
        setting, conn_id = "maintenance_conn_id", client.maintenance_conn_id
    with (
        watch_for_stop() as stop,
        Session.connect(
            partial(_connect, client.database, conn_id, f"{setting} of client {client.name!r}"),
            client.database,
            f"archiver {step} {client.name}",
            writes,
            partial(_read_hosts, conn_id),
            limit_statements(policy),
            stop,
            client.one_session_proxy,
        ) as open_session,
    ):
        yield open_session


@contextmanager
def open_database(
    conn_id: str,
    database: str,
    step: str,
    *,
    setting: str,
    writes: bool,
    one_session_proxy: bool,
    kind: type[_Session],
    limits: SessionLimits | None = None,
) -> Generator[_Session]:
    """Open a connection to any database of an instance, for one task; the rest as in `open_session`.

    Args:
        conn_id: the Airflow connection.
        database: the database's name.
        step: what `pg_stat_activity` shows.
        setting: which setting of the policy file names the connection, for messages.
        writes: whether this session is going to write.
        one_session_proxy: as in `Session.connect`.
        kind: the kind of session.
        limits: how long a statement may take, where it is not as usual.
    """
    with (
        watch_for_stop() as stop,
        kind.connect(
            partial(_connect, database, conn_id, setting),
            database,
            f"archiver {step}",
            writes,
            partial(_read_hosts, conn_id),
            limits,
            stop,
            one_session_proxy,
        ) as open_session,
    ):
        yield open_session


def limit_statements(policy: TablePolicy | None) -> SessionLimits:
    """Return how long a statement on this table may take, or one on none."""
    if policy is None:
        return SessionLimits()
    return SessionLimits(policy.longest_statement, f"statement_timeout of {policy.table} in the policy file")


def _connect(database: str, conn_id: str, setting: str) -> psycopg.Connection[Any]:
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    try:
        hook = PostgresHook(postgres_conn_id=conn_id, database=database)
        _complete_extra(hook.connection)
        return cast("psycopg.Connection[Any]", hook.get_conn())
    except AirflowNotFoundException:
        raise SettingError(
            f"there is no Airflow connection {conn_id!r}, which the policy file names as {setting}. Fix: create it "
            f"under Admin > Connections, or correct {setting.split(maxsplit=1)[0]}"
        ) from None
    except (TypeError, ValueError) as error:
        # The provider checks some of the extra itself; its words may quote values of it, so they stay here.
        raise SettingError(
            f"the Airflow connection {conn_id!r} ({setting}) cannot be used as it is "
            f"({type(error).__name__}). Nothing was done. Fix: look at what its extra holds "
            f"({', '.join(sorted(hook.connection.extra_dejson)) or 'nothing'}): only libpq's own parameters, such as "
            "sslmode, and iam belong there"
        ) from None


async def read_arguments(conn_id: str, database: str) -> dict[str, Any]:
    """Return what psycopg connects with, as the hook has it; for the triggerer, whose loop nothing may hold up.

    Raises:
        SettingError: Airflow has no connection of this id.
    """
    hook, sdk = await asyncio.to_thread(_import_hooks)
    try:
        connection = await sdk.aget_connection(conn_id)
    except AirflowNotFoundException:
        raise SettingError(
            f"there is no Airflow connection {conn_id!r}, which the policy file names as conn_id. Fix: create it under "
            "Admin > Connections, or correct conn_id"
        ) from None
    _complete_extra(connection)
    login, password, port = connection.login, connection.password, connection.port
    if connection.extra_dejson.get("iam"):
        login, password, port = await asyncio.to_thread(hook(connection=connection).get_iam_token, connection)
    extra = {name: value for name, value in connection.extra_dejson.items() if name not in hook.ignored_extra_options}
    return {"host": connection.host, "user": login, "password": password, "dbname": database, "port": port, **extra}


def _import_hooks() -> tuple[Any, Any]:
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from airflow.sdk import BaseHook

    return PostgresHook, BaseHook


def _complete_extra(connection: Connection) -> None:
    """Add what notices a dead connection, and leave out how others want rows from this one.

    That is not for us, and one kind of them is refused by the provider.
    """
    extra = {name: value for name, value in connection.extra_dejson.items() if name not in _DRIVERS_OWN}
    connection.extra = json.dumps({**KEEPALIVES, **extra})


def _read_hosts(conn_id: str) -> tuple[str, str] | None:
    """Return the list of hosts that the Airflow connection names, and their ports; None if it names but one."""
    from airflow.sdk import BaseHook

    connection = BaseHook.get_connection(conn_id)
    # As the hook has it: what the connection's extra says counts more.
    named = {"host": connection.host, "port": connection.port, **connection.extra_dejson}
    host = str(named["host"] or named.get("hostaddr") or "")
    return (host, str(named["port"] or "")) if "," in host else None


def open_bucket(policy: TablePolicy) -> Bucket:
    """Return the table's bucket, with what every object written to it is to carry.

    Raises:
        SettingError: Airflow has no connection of the policy's `aws_conn_id`. Only the default one may be missing: then
            the machine's own role counts.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.config import Config

    hook = S3Hook(aws_conn_id=policy.aws_conn_id)
    refuse_missing_connection(policy.aws_conn_id)
    ours = Config(
        connect_timeout=_S3_CONNECT_SECONDS,
        read_timeout=_S3_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _S3_TRIES},
    )
    # As the hook's own get_client_type does it, but for the name of the calling operator in the user agent: it reads
    # the source of every function on the stack for that, which takes longer than everything else here together.
    client = hook.get_session().client(
        "s3",
        endpoint_url=hook.conn_config.get_service_endpoint_url("s3"),
        config=CLIENT.merge(ours).merge(hook.config),
        verify=hook.verify,
    )
    return Bucket(
        client,
        policy.bucket_name,
        policy.object_parameters,
        policy.bucket_owner,
        connection=policy.aws_conn_id,
    )


def refuse_missing_connection(aws_conn_id: str) -> None:
    """Refuse a missing connection: the hook would use whatever credentials the machine has, perhaps of another account.

    Raises:
        SettingError: Airflow has no such connection, and it is not the default one.
    """
    from airflow.sdk import BaseHook

    if aws_conn_id == AWS_CONNECTION:
        return
    try:
        BaseHook.get_connection(aws_conn_id)
    except AirflowNotFoundException:
        raise SettingError(
            f"there is no Airflow connection {aws_conn_id!r}, which the policy file names as aws_conn_id. Nothing was "
            "read or written. Fix: create it under Admin > Connections, or correct aws_conn_id"
        ) from None


def read_run_time(context: Mapping[str, Any]) -> datetime:
    """Return the run's own time: a manual run may have neither a data interval nor a logical date."""
    moment = context.get("data_interval_end") or context.get("logical_date") or context["dag_run"].run_after
    return datetime.fromtimestamp(moment.timestamp(), tz=moment.tzinfo)


def read_moment(context: Mapping[str, Any], name: str) -> datetime | None:
    """Return the run's parameter `start` or `end`; None where the run did not set it.

    Raises:
        SettingError: it is not a date and time.
    """
    value = context["params"].get(name)
    if value is None or value == "":
        return None
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise SettingError(
            f"the run's parameter {name} is {value!r}, which is not a date and time such as "
            "2026-01-31T00:00:00+00:00. Nothing was done"
        ) from None


def note_stop() -> None:
    """Note a stop; for a task's `on_kill`, since Airflow's handler may run before the task has set its own."""
    _stop.request()


@contextmanager
def watch_for_stop() -> Generator[Stop]:
    """Tell a step whether Airflow asked its process to end, so that it can end in time.

    Airflow's own handler would let the step run on until it is killed, five seconds later. Each session does this; a
    task whose stop has to be seen before it has a session enters this first, before anything that takes time.
    """
    # Only the main thread gets signals; a session that watches in another one is told of them too.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is _ask_to_stop:
        yield _stop
        return
    before = signal.signal(signal.SIGTERM, _ask_to_stop)
    try:
        yield _stop
    finally:
        signal.signal(signal.SIGTERM, before)
        _stop.forget()


def _ask_to_stop(_number: int, _frame: object) -> None:
    _stop.request()
