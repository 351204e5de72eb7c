"""The same place with TLS on both ways: Postgres takes it too, and S3 is another server that takes nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql

from bench.place import BUCKET, S3_ARGUMENTS, Place
from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from dev.waiting import wait_until
from tests.support.certificates import Authority

PLAIN: Mapping[str, str] = {"sslmode": "disable"}
"""What a login without TLS says, as a client that does not say so takes what the server offers."""


@contextmanager
def served_by_tls(place: Place) -> Generator[tuple[Place, Mapping[str, str]]]:
    """The place by TLS, and what a login to its Postgres says besides; certificates are checked on both ways."""
    folder = place.folder / "tls"
    folder.mkdir()
    authority = Authority(folder)
    login = {"sslmode": "verify-full", "sslrootcert": str(authority.file)}
    _serve_tls(place.postgres, authority, login)
    try:
        with RcloneS3(
            folder / "s3", arguments=S3_ARGUMENTS, certificate=authority.sign("s3"), authority=authority.file
        ) as s3:
            s3.create_bucket(BUCKET)
            yield replace(place, s3=s3, s3_url=s3.endpoint_url), login
    finally:
        _set_tls(place.postgres, "off")


def _serve_tls(server: PostgresServer, authority: Authority, login: Mapping[str, str]) -> None:
    with server.connect() as connection:
        found = connection.execute("SHOW data_directory").fetchone()
        assert found
        data = Path(found[0])
        for source, name in zip(authority.sign("postgres"), ("server.crt", "server.key"), strict=True):
            shutil.copyfile(source, data / name)
            (data / name).chmod(0o600)
            shutil.chown(data / name, data.owner(), data.group())
    _set_tls(server, "on")

    def answers() -> bool:
        try:
            psycopg.connect(**server.dsn() | dict(login)).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(answers, "Postgres to take TLS", timeout=30)


def _set_tls(server: PostgresServer, to: Literal["on", "off"]) -> None:
    with server.connect() as connection:
        connection.execute(sql.SQL("ALTER SYSTEM SET ssl = {}").format(sql.SQL(to)))
        connection.execute("SELECT pg_reload_conf()")
