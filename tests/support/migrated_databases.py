"""Databases with the tables of the archiver: copies of one that was migrated, since a migration takes half a second."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from psycopg import sql

from dev.postgres import PostgresServer
from pg_archiver.ledger.migrations import EventTables, LedgerTables
from pg_archiver.postgres.session import Session

# From this version on, files can be copied, which is faster than to write each of their pages to the log.
_COPIES_FILES = 150000

_templates: WeakKeyDictionary[PostgresServer, set[str]] = WeakKeyDictionary()


def create_with_ledger(server: PostgresServer, name: str) -> None:
    """Create a database whose ledger is of this version and empty, as after a first run that found nothing."""
    _create(server, name, "template_ledger", LedgerTables)


def create_with_events(server: PostgresServer, name: str) -> None:
    """Create a database with the tables of jobs and events, of this version and empty."""
    _create(server, name, "template_events", EventTables)


def _create(server: PostgresServer, name: str, template: str, tables: type[LedgerTables | EventTables]) -> None:
    known = _templates.setdefault(server, set())
    if template not in known:
        server.create_database(template)
        with Session.connect(lambda: server.connect(template, autocommit=False), template, "test") as session:
            tables(session).migrate()
        known.add(template)
    with server.connect() as connection:
        how = " STRATEGY FILE_COPY" if connection.info.server_version >= _COPIES_FILES else ""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}" + how)
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
