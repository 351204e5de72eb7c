"""Whether everything that an archive run needs is there: each thing checked by itself, with the command that fixes it.

Nothing here writes, and nothing that is missing keeps the next thing from being looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError
from pg_archiver.ledger.migrations import SCHEMA
from pg_archiver.objects.object_keys import table_folder
from pg_archiver.postgres.catalog import describe_table, find_table
from pg_archiver.postgres.session import Row, Session
from pg_archiver.s3.bucket import Bucket


@dataclass(frozen=True)
class Check:
    """One thing that a run needs: `told` says what was found, or what is missing and what to do about it."""

    subject: str
    ok: bool
    told: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for XCom."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the check in a human-readable form."""
        return f"{'ok     ' if self.ok else 'MISSING'}  {self.subject}: {self.told}"


def check_database(session: Session, order: WorkOrder) -> tuple[list[Check], TableShape | None]:
    """Check privileges, table, index and ledger; return the table's shape too, None where it is not known.

    Raises:
        ArchiverError: the server does not answer even questions about the role itself.
    """
    asking = session.fetch_one(
        "preview/asking", schema=order.table.schema, table=order.table.name, column=order.timestamp_column
    )
    checks = [_check_writable(asking)]
    if (found := find_table(session, order.table)) is not None:
        checks += _check_rights(found, asking, order)
    shape, check = _check_shape(session, order)
    checks.append(check)
    if shape:
        checks.append(_check_index(session, shape, asking))
    checks.append(_looked_at("ledger", lambda: _check_ledger(session, asking)))
    return checks, shape


def check_bucket(bucket: Bucket, order: WorkOrder) -> list[Check]:
    """Return whether the bucket is there, and objects can be listed, read and written in it.

    Writing is tried by an upload that sends what an archive sends, and is aborted, which leaves nothing behind.
    """
    name = f"s3://{bucket.name}"
    try:
        bucket.check(order.prefix, writing=False)
    except ArchiverError as error:
        return [Check("bucket", ok=False, told=str(error))]

    def read() -> Check:
        folder = table_folder(order.prefix, order.client, order.table)
        next(bucket.list_keys(folder), None)
        bucket.head(f"{folder}_read_check")
        return Check("bucket, reading", ok=True, told=f"objects in {name} can be listed and read")

    def write() -> Check:
        bucket.check(order.prefix, writing=True, thorough=True)
        return Check("bucket, writing", ok=True, told=f"{name} takes what an archive sends; the upload was aborted")

    return [
        Check("bucket", ok=True, told=f"{name} is there"),
        _looked_at("bucket, reading", read),
        _looked_at("bucket, writing", write),
    ]


def _looked_at(subject: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except ArchiverError as error:
        return Check(subject, ok=False, told=str(error))


def _check_writable(asking: Row) -> Check:
    subject = "connection"
    if asking.standby:
        return Check(
            subject, ok=False, told="the server is a standby. Fix: point the Airflow connection at the primary"
        )
    if asking.read_only == "on":
        return Check(
            subject,
            ok=False,
            told="the database or the role is set to read only. Fix, to let a run delete: ALTER DATABASE "
            f"{asking.database} SET default_transaction_read_only = off (or ALTER ROLE {asking.role} ...)",
        )
    if asking.replication_role != "origin":
        return Check(
            subject,
            ok=False,
            told=f"session_replication_role is {asking.replication_role}, under which foreign keys are not checked. "
            f"Fix: set it to origin for database {asking.database} and role {asking.role}",
        )
    return Check(subject, ok=True, told=f"database {asking.database} answers role {asking.role}")


def _check_rights(found: Row, asking: Row, order: WorkOrder) -> list[Check]:
    """Check each privilege on the table; those on its children come with the table's shape."""
    wanted = [
        ("USAGE", f"SCHEMA {asking.schema}", found.may_use),
        ("SELECT", f"TABLE {asking.table}", found.may_select),
        ("DELETE", f"TABLE {asking.table}", found.may_delete),
        ("TEMPORARY", f"DATABASE {asking.database}", found.may_make_temporary),
    ]
    if order.children or order.versions:
        # Rows are locked before the server looks for rows that point to them, and so are the newest versions before
        # older ones go, which wants it on any one column.
        wanted.append((f"UPDATE ({asking.column})", f"TABLE {asking.table}", found.may_lock))
    missing = [
        Check(f"privilege {right}", ok=False, told=f"GRANT {right} ON {place} TO {asking.role}")
        for right, place, granted in wanted
        if not granted
    ]
    return missing or [Check("privileges", ok=True, told=", ".join(right for right, _place, _granted in wanted))]


def _check_shape(session: Session, order: WorkOrder) -> tuple[TableShape | None, Check]:
    try:
        shape = describe_table(session, order.table, order.timestamp_column, order.children, to_delete=False)
    except ArchiverError as error:
        return None, Check("table", ok=False, told=str(error))
    return shape, Check(
        "table",
        ok=True,
        told=f"{order.table} has {len(shape.columns)} columns; rows are distinguished by {shape.identity}",
    )


def _check_index(session: Session, shape: TableShape, asking: Row) -> Check:
    subject = f"index on {shape.timestamp_column}"
    if shape.timestamp_index:
        return Check(subject, ok=True, told=f"{shape.timestamp_index} begins with it")
    if brin := session.fetch_all("maintenance/index/brin_of_column", oid=shape.oid, column=shape.timestamp_column):
        told = f"{brin[0].name} is a BRIN index: by it a window's rows are found, and every plan reads the whole table"
        return Check(subject, ok=True, told=told)
    return Check(
        subject,
        ok=False,
        told="every window would read the whole table. Fix: run the DAG maintenance, or, if the table is not "
        f"partitioned, CREATE INDEX CONCURRENTLY ON {asking.table} ({asking.column})",
    )


def _check_ledger(session: Session, asking: Row) -> Check:
    rows = session.fetch_all("postgres/catalog/schema_rights", schema=SCHEMA)
    if not rows:
        if asking.may_create_schema:
            return Check("ledger", ok=True, told=f"schema {SCHEMA} is not there yet; the first run creates it")
        return Check(
            "ledger",
            ok=False,
            told=f"there is no schema {SCHEMA}, and the role may not create one. Fix: run include/sql/roles/table.sql, "
            f"or GRANT CREATE ON DATABASE {asking.database} TO {asking.role}",
        )
    missing = [name for name, granted in (("USAGE", rows[0].may_use), ("CREATE", rows[0].may_create)) if not granted]
    if missing:
        return Check("ledger", ok=False, told=f"GRANT {', '.join(missing)} ON SCHEMA {SCHEMA} TO {asking.role}")
    if closed := session.fetch_all("preview/ledger_rights", schema=SCHEMA):
        names = ", ".join(row.name for row in closed)
        return Check(
            "ledger",
            ok=False,
            told=f"it belongs to another role: GRANT SELECT, INSERT, UPDATE ON {names} TO {asking.role}",
        )
    return Check("ledger", ok=True, told=f"schema {SCHEMA} can be read and filled")
