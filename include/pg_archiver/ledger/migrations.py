"""The tables in schema `archiver`: whether they are there, and how they are brought up to this version.

What is kept in a database is made where it is used, so there is more than one stream of migrations, each numbered by
itself: the ledger, the jobs, which stand on it, and the events, which stand on the jobs.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pg_archiver.domain.ledger_version import LEDGER_VERSION
from pg_archiver.errors import DatabaseRefused
from pg_archiver.postgres.error_translation import ledger_is_newer
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import FOLDER

SCHEMA = "archiver"
LEDGER, JOBS, EVENTS = "ledger", "jobs", "events"
_OF_LEDGER = ("migrations", "windows", "job_runs", "window_lengths", "second_writes")
_OF_JOBS = ("jobs", "job_state", "job_changes", "policy_owners")
_OF_EVENTS = (
    "bindings",
    "capture",
    "incoming_events",
    "events",
    "dead_events",
    "blocked_topics",
    "workers",
    "event_log",
    "intake",
    "received_messages",
    "event_successes",
)


def list_migrations(stream: str = LEDGER) -> list[tuple[int, Path]]:
    """Return the numbered files of a stream, in order."""
    return sorted((int(path.name[:4]), path) for path in (FOLDER / stream / "migrations").glob("*.sql"))


def refuse_foreign(session: Session, names: tuple[str, ...] = _OF_LEDGER) -> None:
    """Make sure that what goes by these names in schema `archiver` of this database is ours.

    Raises:
        DatabaseRefused: it is somebody else's.
    """
    if found := session.fetch_all("ledger/schema/foreign_relations", names=list(names)):
        named = ", ".join(f"{SCHEMA}.{row.name}" for row in found)
        raise DatabaseRefused(
            f"{named} in database {session.name} does not belong to this program, which keeps its ledger under that "
            "name. Nothing was archived or deleted. Fix: move it out of the way with ALTER TABLE ... RENAME TO or "
            "SET SCHEMA"
        )


class _Tables:
    """The tables of one stream of migrations in one database."""

    _stream: ClassVar[str]
    _names: ClassVar[tuple[str, ...]]

    def __init__(self, session: Session) -> None:
        """Read and write through this connection."""
        self._session = session

    def migrate(self) -> None:
        """Bring the tables up to this version; do nothing when they are.

        Raises:
            DatabaseRefused: the role may not create the schema, or not in it; the message says what to grant. Or only
                later versions of this program may write to this ledger. Or tables of its names are others'.
        """
        self._refuse_newer()
        if self._find_missing():
            self._refuse_missing_rights()
            with self._session.transaction():
                self._session.fetch_all("ledger/schema/migration_lock")
                # Another program may have brought it further than this one knows while this one waited.
                self._refuse_newer()
                # Event triggers of users fire, and look names up; the migrations qualify theirs.
                self._session.use_database_search_path(builtins_first=True)
                for number, path in self._find_missing():
                    self._run(path)
                    self._record(number, path.stem)

    def find_hindrance(self) -> str | None:
        """Return why `migrate` would refuse to let this program write, None if it would not; for dry runs."""
        try:
            self._refuse_newer()
        except DatabaseRefused as refusal:
            return str(refusal)
        return None

    def _refuse_newer(self) -> None:
        refuse_foreign(self._session, self._names)
        if self._session.fetch_one("ledger/schema/schema_exists").lowest_version:
            found = self._session.fetch_all("ledger/schema/lowest_version")
            if not found or found[0].version > LEDGER_VERSION:
                raise ledger_is_newer(self._session.name, str(found[0].version) if found else "unknown")

    def _run(self, path: Path) -> None:
        try:
            self._session.run_script(path.read_text(encoding="utf-8"))
        except DatabaseRefused as refusal:
            raise DatabaseRefused(
                f"{refusal}. So the ledger could not be brought to this version (step {path.stem}). Nothing was "
                "archived or deleted. Fix: if its tables belong to another role, run this once as that role, or make "
                "this one their owner with ALTER TABLE ... OWNER TO"
            ) from None

    def _record(self, number: int, name: str) -> None:
        self._session.execute("ledger/schema/record_of_stream", stream=self._stream, number=number, name=name)

    def _find_missing(self) -> list[tuple[int, Path]]:
        done = {row.number for row in self._session.fetch_all("ledger/schema/migrations_done", stream=self._stream)}
        return [(number, path) for number, path in list_migrations(self._stream) if number not in done]

    def _schema_rights(self) -> list[Row]:
        return self._session.fetch_all("postgres/catalog/schema_rights", schema=SCHEMA)

    def _refuse_missing_rights(self) -> None:
        """Refuse if a privilege on the schema is missing; somebody else may have made it."""
        for rights in self._schema_rights():
            missing = [
                name for name, granted in (("USAGE", rights.may_use), ("CREATE", rights.may_create)) if not granted
            ]
            if missing:
                raise DatabaseRefused(
                    f"the role of the Airflow connection may not keep the ledger in schema {SCHEMA} of database "
                    f"{self._session.name}. Fix: grant {' and '.join(missing)} on that schema"
                )


class LedgerTables(_Tables):
    """The tables of the ledger in one client database."""

    _stream = LEDGER
    _names = _OF_LEDGER

    def exists(self) -> bool:
        """Return whether this database has a ledger; before the first run it has none."""
        refuse_foreign(self._session)
        return bool(self._session.fetch_one("ledger/schema/schema_exists").windows)

    def is_current(self) -> bool:
        """Return whether there is a ledger, and it is one of this version or a later one, which may be read."""
        return self.exists() and not self._find_missing()

    def _record(self, number: int, name: str) -> None:
        # The first of them make the table in which it is noted, and the column that names the stream.
        if self._session.fetch_one("ledger/schema/schema_exists").migrations:
            self._session.execute("ledger/schema/record_migration", number=number, name=name)

    def _find_missing(self) -> list[tuple[int, Path]]:
        if not self._session.fetch_one("ledger/schema/schema_exists").migrations:
            # CREATE SCHEMA needs the privilege CREATE even if IF NOT EXISTS finds the schema there.
            return list_migrations()[1:] if self._schema_rights() else list_migrations()
        return [(number, path) for number, path in super()._find_missing() if number > 1]


class JobTables(_Tables):
    """The tables of the jobs in one database: a client's own, or the control database of an instance."""

    _stream = JOBS
    _names = (*_OF_LEDGER, *_OF_JOBS)

    def exists(self) -> bool:
        """Return whether this database has jobs of its own."""
        refuse_foreign(self._session, self._names)
        return bool(self._session.fetch_one("ledger/schema/schema_exists").jobs)

    def is_current(self) -> bool:
        """Return whether there are jobs' tables, of this version or a later one."""
        return self.exists() and not self._find_missing()

    def migrate(self) -> None:
        """Bring the ledger's tables up to this version, which the jobs' stand on, and then these.

        Raises:
            DatabaseRefused: as for the ledger.
        """
        LedgerTables(self._session).migrate()
        super().migrate()


class EventTables(_Tables):
    """The tables of the events in one client database: what is watched there, and the queue."""

    _stream = EVENTS
    _names = (*_OF_LEDGER, *_OF_JOBS, *_OF_EVENTS)

    def exists(self) -> bool:
        """Return whether this database has events."""
        refuse_foreign(self._session, self._names)
        return bool(self._session.fetch_one("ledger/schema/schema_exists").events)

    def is_current(self) -> bool:
        """Return whether there are events' tables, of this version or a later one."""
        return self.exists() and not self._find_missing()

    def migrate(self) -> None:
        """Bring the jobs' tables up to this version, which the events' stand on, and then these.

        Raises:
            DatabaseRefused: as for the ledger.
        """
        JobTables(self._session).migrate()
        super().migrate()
