"""Where jobs come from, how their databases are reached, and what a planner hands on to the task that runs one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.postgres.session import Session


@dataclass(frozen=True)
class JobConnections:
    """How the databases of one server are reached; only the seam to Airflow knows connections.

    Each is called with the name of a database and opens a session that ends with its block. The first is the archiver's
    own login, which writes; the second is the login of its own that runs the tenants' procedures.
    """

    open_archiver: Callable[[str], AbstractContextManager[Session]]
    open_procedures: Callable[[str], AbstractContextManager[ProceduresSession]]


@dataclass(frozen=True)
class JobsSource:
    """One database that holds jobs, and what the reviewed file lets them do.

    Attributes:
        database: the database of `archiver.jobs`: the instance's control database, or a client's own.
        databases: names and patterns (`tenant_*`) of the databases of this server in which its jobs may act.
        actions: the actions that its jobs may ask for.
        procedures: patterns (`app.*`) of the procedures that may be called.
        file_jobs: jobs of the policy file, which are mirrored into this database.
    """

    database: str
    databases: tuple[str, ...]
    actions: tuple[str, ...] = ("archive",)
    procedures: tuple[str, ...] = ()
    file_jobs: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One job, in one database, that an Airflow run has taken and is to run. Plain values, for XCom.

    Attributes:
        source_database: the database of the job's row.
        database: the database in which it acts.
        job_id: the row's key.
        job_name: for people.
        cause: why it is due: schedule, retry, event or manual.
        definition: the digest of the row as it was planned. A row that says something else by now is not run.
    """

    source_database: str
    database: str
    job_id: int
    job_name: str
    cause: str
    definition: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Claim:
        """Return the claim that these plain values were made of."""
        return cls(**values)

    def __str__(self) -> str:
        """Return what the instance of the mapped task is called."""
        return f"{self.database} / {self.job_name}"
