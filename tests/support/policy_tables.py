"""A table of retention policies that a worker had before this program, and the jobs that come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import sql

from pg_archiver.domain.tables import TableName
from pg_archiver.jobs.choose import JobsPlan
from pg_archiver.jobs.policy_table import PolicyTable, read_policy_table
from pg_archiver.policies.jobs import Action
from tests.support.job_place import JobPlace
from tests.support.policies import PRODUCTS, PUBLIC, TABLE, insertion

NAME = TableName("public", "data_retention_policy")
JOBS = "SELECT job_name, source, database_name, action, cron_schedule FROM archiver.jobs ORDER BY job_name"


@dataclass(frozen=True)
class Policies:
    """A control database with a worker's own table of policies, which the archiver's login may read."""

    place: JobPlace

    @classmethod
    def made(cls, jobs: JobPlace, table: str = TABLE) -> Policies:
        actions = {"actions": (Action.ARCHIVE,), "approve": (), "grace_minutes": 0}
        made = cls(jobs.with_settings(policies_from=PUBLIC, **actions))
        made.plan()
        made.sql(table)
        made.sql(f"GRANT SELECT ON {PUBLIC} TO {sql.Identifier(jobs.archive).as_string()}")
        return made

    def sql(self, statement: str, *values: object) -> list[Any]:
        return self.place.sql(self.place.control, statement, *values)

    def add(self, **changes: Any) -> None:
        statement, values = insertion({**PRODUCTS, "database_name": self.place.target, **changes}, PUBLIC)
        self.sql(statement, *values)

    def read(self) -> PolicyTable:
        with self.place.connections.open_archiver(self.place.control) as session:
            return read_policy_table(session, NAME)

    def plan(self) -> JobsPlan:
        return self.place.plan(most=0)

    def told(self) -> list[str]:
        """What a look has against the table."""
        return [problem.told for problem in self.plan().problems if problem.subject == self.place.control]

    def jobs(self) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.sql(JOBS)]
