"""Where jobs come from, how their databases are reached, and what a planner hands on to the task that runs one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pg_archiver.domain.tables import TableName
from pg_archiver.ledger.jobs import JobKey
from pg_archiver.policies.jobs import Job
from pg_archiver.policies.jobs_settings import InstanceJobs
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.table_jobs import TableJob
from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.postgres.session import Session

if TYPE_CHECKING:
    # What chooses jobs needs nothing of S3, whose library takes memory.
    from pg_archiver.s3.bucket import Bucket

# Where rows of `archiver.jobs` come from that are a table of policies, which policies_from names.
POLICIES = "policies"


@dataclass(frozen=True)
class JobConnections:
    """How the databases of one server are reached; only the seam to Airflow knows connections.

    Attributes:
        open_archiver: opens a session of the archiver's own login on a database, which ends with its block.
        open_procedures: the same, of the login of its own that runs the tenants' procedures.
        open_table: opens one for a step of the work on a table: the table with its settings, and the step.
        open_bucket: returns the bucket of a table.
        find_stop: returns why rows of a table may not go now, by what people have set meanwhile; None if they may.
            What it raises keeps them.
        say_why_no_function: returns why no function of this name can run, None if it can.
    """

    open_archiver: Callable[[str], AbstractContextManager[Session]]
    open_procedures: Callable[[str], AbstractContextManager[ProceduresSession]]
    open_table: Callable[[TableJob, str], AbstractContextManager[Session]]
    open_bucket: Callable[[TablePolicy], Bucket]
    find_stop: Callable[[TableJob], str | None]
    say_why_no_function: Callable[[str], str | None] = lambda _name: None


@dataclass(frozen=True)
class JobsSource:
    """One database that holds jobs, one of `instance.sources`, and what the reviewed file lets them do.

    `policies_trouble` is why its table of policies cannot be used, None if it can, or was not looked at.
    """

    instance: InstanceJobs
    database: str
    policies_trouble: str | None = None

    @property
    def reads_rows(self) -> bool:
        """Whether rows that people write into this database count, not only the jobs of the file."""
        return self.database in self.instance.own_jobs or self.database == self.instance.settings.database

    @property
    def has_events(self) -> bool:
        """Whether somebody works on the events of this database, so that its jobs may run functions."""
        return self.database in self.instance.event_databases

    @property
    def policy_table(self) -> TableName | None:
        """The table of this database whose rows are mirrored as jobs, None if there is none."""
        settings = self.instance.settings
        return settings.policy_table if self.database == settings.database else None

    @property
    def file_jobs(self) -> tuple[Job, ...]:
        """The jobs of the policy file that are mirrored into this database."""
        return tuple(self.instance.file_jobs.get(self.database, ()))


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
        claimed_by: the run that took it, as `plan_jobs` was told. Nobody else runs it.
        action: what it does.
        keep_days: the N that the form of the run asks for; None for the job's own.
        adopt: why the database acts for its archive from now on, as the form says; None where it says nothing.
    """

    source_database: str
    database: str
    job_id: int
    job_name: str
    cause: str
    definition: str
    claimed_by: str
    action: str = "call"
    keep_days: int | None = None
    adopt: str | None = None

    @property
    def key(self) -> JobKey:
        """The key of its state in the source database."""
        return JobKey(self.job_id, self.database)

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
