"""Who gets the changes of a table by logical replication, with a publication or without one.

A publication names its tables. A slot of another plugin (test_decoding, as AWS DMS and older Debezium use it, or
wal2json) gets every change of the database and asks nobody; pglogical keeps sets of tables of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from pg_archiver.errors import RightMissing
from pg_archiver.postgres.session import Row, Session


@dataclass(frozen=True)
class Subscribers:
    """Those that are known, by name, and for each kind that cannot be seen a sentence that says why."""

    names: tuple[str, ...]
    unknown: tuple[str, ...]

    def __bool__(self) -> bool:
        """Return whether there are any, or may be."""
        return bool(self.names or self.unknown)

    def __str__(self) -> str:
        """Return them for the middle of a sentence."""
        return "; ".join(filter(None, (", ".join(self.names), *self.unknown)))


def note_subscribers(session: Session, oid: int) -> list[str]:
    """Return what an operator should know before rows of this table are deleted."""
    others = find_subscribers(session, oid)
    names = [*(row.name for row in session.fetch_all("postgres/catalog/publications", oid=oid)), *others.names]
    return ([f"subscribers get the deletes: {', '.join(names)}"] if names else []) + list(others.unknown)


def find_subscribers(session: Session, oid: int) -> Subscribers:
    """Return slots of plugins other than Postgres's own, and pglogical's sets with this table, or a part of it."""
    names, unknown = [], []
    slots = _look(session, "postgres/catalog/slots")
    if slots is None:
        unknown.append(
            "whether subscribers without a publication get the deletes cannot be seen. Fix: GRANT SELECT ON "
            "pg_catalog.pg_replication_slots to the role of the Airflow connection"
        )
    names += [f"slot {row.name} ({row.plugin}{'' if row.active else ', not connected'})" for row in slots or ()]
    if session.fetch_one("postgres/catalog/has_pglogical").found:
        sets = _look(session, "postgres/catalog/replication_sets", oid=oid)
        if sets is None:
            unknown.append(
                "whether sets of pglogical carry the deletes to subscribers cannot be seen. Fix: GRANT USAGE ON "
                "SCHEMA pglogical, and SELECT ON pglogical.replication_set and pglogical.replication_set_table, to "
                "the role of the Airflow connection"
            )
        names += [f"pglogical set {row.name}" for row in sets or ()]
    return Subscribers(tuple(names), tuple(unknown))


def _look(session: Session, statement: str, **values: object) -> list[Row] | None:
    """Return the rows; None where this role may not look."""
    try:
        with session.transaction():
            return session.fetch_all(statement, **values)
    except RightMissing:
        return None
