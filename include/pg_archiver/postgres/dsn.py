"""Connections by a DSN, a URL or keywords as libpq reads them, for programs that Airflow does not start."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pg_archiver.errors import SettingError
from pg_archiver.postgres.base_session import KEEPALIVES

_CONNECT_SECONDS = 30


@dataclass(frozen=True, repr=False)
class Dsn:
    """Where a database is and how to log in. What it does not say comes from libpq's own variables and files.

    Attributes:
        name: the database, for messages.
    """

    name: str
    _parameters: dict[str, Any]

    @classmethod
    def parse(cls, text: str) -> Dsn:
        """Read a DSN.

        Raises:
            SettingError: it is none. The message does not repeat it: it may hold a password.
        """
        try:
            parameters = conninfo_to_dict(text)
        except psycopg.ProgrammingError:
            raise SettingError(
                "the DSN cannot be read. Nothing was done. Fix: write postgresql://user@host:5432/database or "
                "'host=... dbname=... user=...', and give the password by PGPASSWORD or ~/.pgpass"
            ) from None
        name = parameters.get("dbname") or os.environ.get("PGDATABASE") or "of the login"
        return cls(str(name), {"connect_timeout": _CONNECT_SECONDS, **KEEPALIVES, **parameters})

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection.

        Raises:
            psycopg.Error: it cannot be had.
        """
        return psycopg.connect(**self._parameters)
