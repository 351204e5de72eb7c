"""Retention policies in a table that was there before this program: read by its columns, and mirrored as jobs.

Only a table is read, plain or partitioned: functions in a view would run with the archiver's rights. While it cannot be
read its jobs do not run: which of them still hold is not known then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import ArchiverError, DatabaseInterrupted, Interrupted, PolicyError, Stopped
from pg_archiver.jobs.source import POLICIES, JobsSource
from pg_archiver.ledger.jobs import JobsTable
from pg_archiver.policies.jobs import Job
from pg_archiver.postgres.session import Row, Session

MOST_POLICIES = 5000
_LONGEST_NAME_BYTES = 63
_LONGEST_CRON = 1000
_TABLES = {"r", "p"}
_TEXT = ("text", "character varying", "character", "name")
_WHOLE_NUMBER = ("integer", "smallint", "bigint")
_NAMES = ("database_name", "schema_name", "table_name", "timestamp_column_name")
_COLUMNS = {**dict.fromkeys(_NAMES, _TEXT), **dict.fromkeys(("retention_days", "batch_size"), _WHOLE_NUMBER)} | {
    "cron_schedule": _TEXT
}
_NOT_RUN = "None of its policies is run"


@dataclass(frozen=True)
class PolicyTable:
    """What was read.

    Attributes:
        jobs: definitions by the names of the columns of `archiver.jobs`.
        problems: what is wrong with rows of which no job can be made.
    """

    jobs: tuple[Mapping[str, Any], ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class MirroredPolicies:
    """What came of mirroring.

    Attributes:
        source: the source of jobs, which knows if the table cannot be used.
        problems: what is wrong with the table, or with rows of it.
        unknown: whether time may help: until then no job of the table is taken, and each stays as it is.
    """

    source: JobsSource
    problems: tuple[str, ...] = ()
    unknown: bool = False


def mirror_policies(source: JobsSource, session: Session) -> MirroredPolicies:
    """Bring the jobs of a source's table of policies to the rows that are there now; without one there are none.

    Raises:
        ArchiverError: the jobs' own table cannot be written, and the source has no table of policies.
        Stopped: the task was asked to end.
    """
    table, name = JobsTable(session), source.policy_table
    if name is None:
        table.mirror([], source=POLICIES)
        return MirroredPolicies(source)
    try:
        read = read_policy_table(session, name)
        taken = table.mirror(read.jobs, source=POLICIES)
    except Stopped:
        raise
    except Interrupted as error:
        return MirroredPolicies(source, (f"policies_from: {name}: {error}. Its jobs wait for the next look",), True)
    except ArchiverError as error:
        return MirroredPolicies(replace(source, policies_trouble=str(error)), (str(error),))
    clashes = [
        f"policies_from: {name} has a policy whose job would be {job!r}, and another job has that name. The policy is "
        "not run. Fix: delete one of them"
        for job in taken
    ]
    return MirroredPolicies(source, (*read.problems, *clashes))


def read_policy_table(session: Session, name: TableName) -> PolicyTable:
    """Return the policies of a table, which is only read.

    Raises:
        PolicyError: it is none, or its columns are not those of a table of policies, or it has too many rows.
        DatabaseRefused: it may not be read.
        DatabaseInterrupted: it could not be read now.
    """
    where = f"policies_from: {name} in database {session.name}"
    with session.transaction():
        _refuse_shape(found := _describe(session, name, where), where)
        session.execute("jobs/policy_table/lock", {"table": name})
        if _describe(session, name, where) != found:
            raise DatabaseInterrupted(f"{where} was changed while it was looked at")
        rows = session.fetch_all("jobs/policy_table/rows", {"table": name}, most=MOST_POLICIES + 1)
    if len(rows) > MOST_POLICIES:
        raise PolicyError(
            f"{where} has more than {MOST_POLICIES:,} rows. {_NOT_RUN}. Fix: delete some, or let the policy file "
            "archive those tables"
        )
    times = Counter(row.job_name for row in rows)
    jobs, problems = [], []
    for row in rows:
        if wrong := list(_find_problems(row, times[row.job_name], where)):
            problems.append(wrong[0])
        else:
            jobs.append(_make_job(row))
    return PolicyTable(tuple(jobs), tuple(dict.fromkeys(problems)))


def _describe(session: Session, name: TableName, where: str) -> Row:
    found = session.fetch_all("jobs/policy_table/describe", schema=name.schema, table=name.name)
    if not found:
        raise PolicyError(
            f"{where} is not there. {_NOT_RUN}. Fix: create it, or correct policies_from in the policy file"
        )
    return found[0]


def _refuse_shape(found: Row, where: str) -> None:
    if found.kind not in _TABLES:
        raise PolicyError(
            f"{where} is no table, and what is behind a view or a foreign table would run with the archiver's rights. "
            f"{_NOT_RUN}. Fix: name a table, or write the policies into archiver.data_retention_policy"
        )
    types = dict(zip(found.columns, found.types, strict=True))
    if missing := [column for column in _COLUMNS if column not in types]:
        raise PolicyError(
            f"{where} has no column {', '.join(missing)}. {_NOT_RUN}. Fix: add it, or correct policies_from in the "
            "policy file"
        )
    for column, wanted in _COLUMNS.items():
        if types[column] not in wanted:
            raise PolicyError(
                f"{where}: column {column} is of type {types[column]}. {_NOT_RUN}. Fix: make it {wanted[0]}"
            )


def _find_problems(row: Row, times: int, where: str) -> Iterator[str]:
    """Yield what keeps a row from being a job at all; what the job says is judged with all others."""
    if times > 1:
        yield f"{where} has {times} rows of {row.job_name!r}. None of them is run. Fix: keep one"
    which = f"{where}, the row of {row.job_name!r}"
    if row.is_unprintable:
        yield f"{which}: a name holds control characters. The row is not run. Fix: rename that table"
    for column in _COLUMNS:
        value = getattr(row, column)
        if value is None:
            yield f"{which}: {column} is NULL. The row is not run. Fix: set it"
        elif value == "":
            yield f"{which}: {column} is empty. The row is not run. Fix: set it"
        elif column in _NAMES and len(value.encode()) > _LONGEST_NAME_BYTES:
            yield f"{which}: {column} has more than {_LONGEST_NAME_BYTES} bytes. The row is not run. Fix: correct it"
        elif isinstance(value, str) and len(value) > _LONGEST_CRON:
            yield f"{which}: {column} has more than {_LONGEST_CRON:,} characters. The row is not run. Fix: correct it"


def _make_job(row: Row) -> Mapping[str, Any]:
    config = {
        "table": row.table_text,
        "timestamp_column": row.timestamp_column_name,
        "keep_days": row.retention_days,
        "batch_size": row.batch_size,
    }
    own = {"database_name": row.database_name, "cron_schedule": row.cron_schedule, "config": config}
    return Job(name="policy").to_row() | {"job_name": row.job_name} | own
