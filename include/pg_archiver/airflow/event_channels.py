"""The channels of a client that an etcd feeds: read in each run of its DAG, and by the sweep."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowNotFoundException

from pg_archiver.errors import ArchiverError, SettingError, Stopped
from pg_archiver.policies.yaml_file import Client
from pg_archiver.postgres.session import Session

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from pg_archiver.events.etcd_client import EtcdServer

log = logging.getLogger(__name__)

_DEFAULT_PORT = 2379
_EXTRA = ("ca_file", "certificate_file", "key_file")


def receive_channels(client: Client, session: Session) -> list[str]:
    """Read what is at the sources of a client's channels into its queue; one that fails keeps no other from its turn.

    Returns:
        What is wrong with channels, each named. What waits at their sources stays there.

    Raises:
        Stopped: the task was told to end.
    """
    channels = client.events.channels if client.events else {}
    return list(_receive(client, session, channels)) if channels else []


def _receive(client: Client, session: Session, channels: Mapping[str, Any]) -> Iterator[str]:
    # Not where DAGs are parsed: most clients have no such channel.
    from pg_archiver.events.channels import EtcdSource, receive_channel
    from pg_archiver.events.etcd_client import EtcdClient

    for channel, source in sorted(channels.items()):
        try:
            with EtcdClient(read_server(source.etcd)) as etcd:
                receive_channel(session, EtcdSource(etcd, source.prefix), channel)
        except Stopped:
            raise
        except ArchiverError as error:
            problem = f"client {client.name}, channel {channel} (etcd {source.etcd!r}): {error}"
            log.error("%s", problem)  # noqa: TRY400 (its words are for people)
            yield problem


def read_server(conn_id: str) -> EtcdServer:
    """Return where an etcd is, by an Airflow connection: host, port, login and password, `https` as schema for TLS.

    `extra` may have `ca_file`, and `certificate_file` with `key_file`: paths on the machine of the task.

    Raises:
        SettingError: there is no such connection, or it cannot be used.
    """
    from airflow.sdk import BaseHook

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise SettingError(
            f"there is no Airflow connection {conn_id!r}, which the policy file names as etcd of a channel. Nothing "
            "was read. Fix: create it under Admin > Connections, or correct the name"
        ) from None
    return _make_server(conn_id, connection)


def _make_server(conn_id: str, connection: Connection) -> EtcdServer:
    from pg_archiver.events.etcd_client import EtcdServer

    extra = connection.extra_dejson
    if not connection.host or (strange := sorted(set(extra) - set(_EXTRA))):
        wrong = "has no host" if not connection.host else f"has {', '.join(strange)} in its extra"
        raise SettingError(
            f"Airflow connection {conn_id!r}, of an etcd, {wrong}. Nothing was read. Fix: give it host and port, login "
            f"and password if it wants them, https as schema for TLS, and in extra no more than {', '.join(_EXTRA)}"
        )
    files = extra.get("certificate_file"), extra.get("key_file")
    if any(files) and not all(files):
        raise SettingError(
            f"Airflow connection {conn_id!r}, of an etcd, has one of certificate_file and key_file in its extra. "
            "Nothing was read. Fix: give it both, or neither"
        )
    scheme = connection.schema or ("https" if connection.conn_type == "https" else "http")
    return EtcdServer(
        f"{scheme}://{connection.host}:{connection.port or _DEFAULT_PORT}",
        connection.login or None,
        connection.password or None,
        ca_file=extra.get("ca_file"),
        certificate=(str(files[0]), str(files[1])) if all(files) else None,
    )
