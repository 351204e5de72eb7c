"""WHAT an instance allows its jobs: the `jobs` section of an entry under `instances`, and all jobs of its clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import PolicyError
from pg_archiver.policies.jobs import EVERY_DATABASE, TABLE_ACTIONS, Action, Job, read_action
from pg_archiver.policies.retention import KEEP_EVERYTHING
from pg_archiver.policies.settings import as_tuple, parse_table, split_name
from pg_archiver.policies.table_jobs import OWN_SCHEMA, TableJob, Tenant, make_table_job


def _actions(value: object) -> object:
    return tuple(map(read_action, value)) if isinstance(value, list | tuple) else value


_Actions = Annotated[tuple[Action, ...], BeforeValidator(_actions)]
_Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(as_tuple)]


class JobsSettings(BaseModel):
    """What jobs of an instance may do, and by which logins."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    database: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    databases: _Patterns | None = None
    policies_from: Annotated[str, Field(min_length=1)] | None = None
    actions: _Actions = (Action.ARCHIVE,)
    approve: _Actions = (Action.DELETE,)
    procedures: _Patterns = ()
    procedures_conn_id: Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=200)] | None = None
    min_keep_days: Annotated[int, Field(ge=0)] = 1
    grace_minutes: Annotated[int, Field(ge=0)] = 5
    slots: Annotated[int, Field(ge=1, le=1000)] = 1

    @field_validator("procedures")
    @classmethod
    def _schema_and_name(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            split_name(pattern, "schema.name, such as app.*")
        return value

    @field_validator("policies_from")
    @classmethod
    def _table_of_users(cls, value: str | None) -> str | None:
        if value is not None and parse_table(value).schema == OWN_SCHEMA:
            raise ValueError("it belongs to this program, and its rows are jobs already. Take policies_from away")
        return value

    @model_validator(mode="after")
    def _control_database_of_policies(self) -> Self:
        if self.policies_from is not None and self.database is None:
            raise ValueError("policies_from is set, but database is not. Name the database in which that table is")
        return self

    @property
    def policy_table(self) -> TableName | None:
        """The table of the control database whose rows are mirrored as jobs."""
        return None if self.policies_from is None else parse_table(self.policies_from)

    @model_validator(mode="after")
    def _own_login_for_procedures(self) -> Self:
        if Action.CALL in self.actions and self.procedures_conn_id is None:
            raise ValueError(
                "actions has call, but procedures_conn_id is not set. Name the Airflow connection of a login of its "
                "own for procedures"
            )
        return self


@dataclass(frozen=True)
class InstanceJobs:
    """The jobs of one instance: what it allows them, and those that the policy file lists."""

    conn_id: str
    settings: JobsSettings
    databases: tuple[str, ...]
    """Patterns of the databases that rows of the control database may speak of."""
    file_jobs: Mapping[str, tuple[Job, ...]] = field(default_factory=dict)
    """The file's jobs, by the database to which they belong: each client's own."""
    own_jobs: frozenset[str] = frozenset()
    """The databases of clients whose own `archiver.jobs` is read."""
    is_whole: bool = True
    """Whether each client of the instance could be read: if not, a job that is missing here may not be gone."""
    tenants: Mapping[str, tuple[Tenant, ...]] = field(default_factory=dict)
    """The clients of the file on this instance, by their databases."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What the file says for all tables of the instance."""
    client_names: frozenset[str] = frozenset()
    """The names of all clients of the file, of every instance."""
    event_databases: frozenset[str] = frozenset()
    """The databases whose events somebody works on."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The databases whose `archiver.jobs` counts, sorted: the control database, and those of clients with jobs."""
        control = {self.settings.database} if self.settings.database is not None else set()
        return tuple(sorted(control | self.own_jobs | self.file_jobs.keys()))

    def allows_database(self, database: str) -> bool:
        """Return whether rows of the control database may speak of this one."""
        return any(fnmatchcase(database, pattern) for pattern in self.databases)

    def allows_procedure(self, procedure: ProcedureName) -> bool:
        """Return whether jobs may call this procedure: a pattern for the schema, and one for the name, match."""
        return any(
            fnmatchcase(procedure.schema, schema) and fnmatchcase(procedure.name, name)
            for schema, name in (split_name(pattern, "schema.name") for pattern in self.settings.procedures)
        )

    def say_why_refused(self, job: Job, source: str) -> str | None:
        """Return why a job of this source database is not run, None if it may be; procedures are judged later."""
        if job.action not in self.settings.actions:
            return (
                f"job {job.name!r}: action {str(job.action)!r} is not allowed on {self.conn_id}. Nothing was run. Fix: "
                f"add it to actions in the jobs section of instance {self.conn_id}, or change the job"
            )
        if job.action is Action.FUNCTION:
            return self._say_why_no_function(job, source)
        if job.database in {None, source}:
            return None
        if source != self.settings.database:
            return (
                f"job {job.name!r}: database_name is {job.database!r}, but rows in {source} may speak of {source} "
                "alone. Nothing was run. Fix: set it to NULL, or write the row into the instance's control database"
            )
        if job.database != EVERY_DATABASE and not self.allows_database(str(job.database)):
            return (
                f"job {job.name!r}: database_name is {job.database!r}, which is none of databases: "
                f"{', '.join(self.databases) or 'none'}. Nothing was run. Fix: add it to databases in the jobs section "
                f"of instance {self.conn_id}, or change the job"
            )
        return None

    def _say_why_no_function(self, job: Job, source: str) -> str | None:
        """Return why the function of a job of this database does not run for its events, None if it does."""
        if job.database not in {None, source}:
            return (
                f"job {job.name!r}: database_name is {job.database!r}, but a function runs for the events of the job's "
                f"own database, {source}, alone. Nothing was run. Fix: write the row into archiver.jobs there"
            )
        if source not in self.event_databases:
            return (
                f"job {job.name!r}: action 'function' needs a client with events for the job's own database, and there "
                "is none. Nothing was run. Fix: add 'events: {conn_id: ...}' to the client of that database in the "
                "policy file, or change the job"
            )
        return None

    def find_table(self, job: Job, database: str, *, from_file: bool) -> TableJob:
        """Return the table that a job archives, or deletes from, in one of its databases.

        Raises:
            PolicyError: the job may not do so, or the policy file cannot tell whether it may.
        """
        if not self.is_whole:
            raise PolicyError(
                f"job {job.name!r}: the policy file cannot be read as a whole, so it is not known which tables it "
                "archives, and of which clients nothing may leave. Nothing was done. Fix: correct the clients of "
                f"instance {self.conn_id} that it names as broken"
            )
        found = self.make_table_job(job, database, from_file=from_file)
        if len(found.tenants) != 1 and found.client in self.client_names:
            raise PolicyError(
                f"job {job.name!r}: a client of the policy file is called {found.client!r}, as the objects of database "
                f"{database} on {self.conn_id} would be. Nothing was done. Fix: list a client for that database in the "
                "policy file, or rename the other"
            )
        if stopped := [tenant.name for tenant in self.tenants.get(database, ()) if tenant.enabled is False]:
            raise PolicyError(
                f"job {job.name!r}: database {database} is that of client {stopped[0]!r}, for which the policy file "
                "says enabled: false. Nothing was done. Fix: leave it, or take enabled: false away"
            )
        least = self.settings.min_keep_days
        if not from_file and found.keep.days != KEEP_EVERYTHING and found.keep.days < least:
            raise PolicyError(
                f"job {job.name!r}, config: keep_days: it is {found.keep.days}, and min_keep_days of instance "
                f"{self.conn_id} is {least}. Nothing was done. Fix: keep more days, or lower min_keep_days in the "
                "policy file"
            )
        return found

    def make_table_job(self, job: Job, database: str, *, from_file: bool) -> TableJob:
        """Return the table of a job by its own settings and the file's, whether or not it may be worked on now.

        Raises:
            PolicyError: the settings cannot be used.
        """
        return make_table_job(
            job.name,
            job.config,
            database,
            conn_id=self.conn_id,
            archives=job.action is Action.ARCHIVE,
            from_file=from_file,
            tenants=self.tenants.get(database, ()),
            defaults=self.defaults,
        )


def read_jobs(
    raw: Sequence[object],
    own_jobs: bool,
    conn_id: str,
    settings: JobsSettings | None,
    tenant: Tenant,
    where: str,
    *,
    has_events: bool = False,
) -> tuple[Job, ...]:
    """Return the jobs that the file lists for a client, in its order.

    Raises:
        PolicyError: one of them cannot be used, or the instance does not allow it, or has no jobs at all.
    """
    if settings is None:
        if raw or own_jobs:
            raise PolicyError(
                f"{where}: it has {'jobs' if raw else 'own_jobs'}, but instance {conn_id!r} has no jobs section, so "
                "nothing would run them. Fix: add 'jobs: {actions: [call], procedures: [...], procedures_conn_id: "
                "...}' beside its conn_id"
            )
        return ()
    jobs = tuple(Job.from_file(entry, f"{where}, jobs[{place}]") for place, entry in enumerate(raw))
    for name, times in Counter(job.name for job in jobs).items():
        if times > 1:
            raise PolicyError(f"{where}: job {name!r} is listed {times} times. Fix: give each job a name of its own")
    queues = frozenset({""}) if has_events else frozenset[str]()
    allowed = InstanceJobs(conn_id, settings, (), tenants={"": (tenant,)}, event_databases=queues)
    for job in jobs:
        if reason := allowed.say_why_refused(job, ""):
            raise PolicyError(f"{where}, {reason}")
        if job.action in TABLE_ACTIONS:
            try:
                allowed.make_table_job(job, "", from_file=True)
            except PolicyError as error:
                raise PolicyError(f"{where}, {error}") from None
    return jobs
