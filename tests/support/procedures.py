"""A database in which procedures run by a login of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.jobs.call import Routine, call, find_procedure
from pg_archiver.policies.jobs import Action
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings
from pg_archiver.postgres.base_session import SessionLimits
from pg_archiver.postgres.calls import CallEnd
from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.runtime.stopping import Stop
from tests.support.place import Place

LONGEST = timedelta(minutes=1)
APP = """
    CREATE SCHEMA app;
    CREATE TABLE app.done (
        job_id bigint, config jsonb, who text DEFAULT session_user, at timestamptz DEFAULT clock_timestamp()
    );
    GRANT USAGE ON SCHEMA app TO PUBLIC;
    GRANT INSERT, SELECT ON app.done TO PUBLIC
"""


def allowing(*patterns: str) -> Callable[[ProcedureName], bool]:
    """What an instance with these patterns of procedures says."""
    settings = JobsSettings(actions=(Action.CALL,), procedures=patterns, procedures_conn_id="procedures")
    return InstanceJobs("rds_main", settings, ()).allows_procedure


def procedure(name: str, body: str, kind: str = "PROCEDURE", declare: str = "") -> str:
    """The definition of a procedure with a job's parameters."""
    returns = " RETURNS void" if kind == "FUNCTION" else ""
    return (
        f"CREATE {kind} {name}(job_id integer, config jsonb){returns} LANGUAGE plpgsql AS "
        f"$body$ {declare} BEGIN {body} END $body$"
    )


@dataclass(frozen=True)
class Procedures:
    """The place, and a login for its procedures that has no right but CONNECT."""

    place: Place
    login: str

    @classmethod
    def made(cls, place: Place) -> Procedures:
        login = f"procedures_{place.database}"
        place.user.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(login), sql.Literal(place.server.password)
            )
        )
        place.sql(APP)
        return cls(place, login)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**{**self.place.server.dsn(self.place.database), "user": self.login})

    @contextmanager
    def session(self, stop: Stop | None = None, limits: SessionLimits | None = None) -> Generator[ProceduresSession]:
        with ProceduresSession.connect(
            self.connect, self.place.database, "archiver jobs", stop=stop, limits=limits
        ) as session:
            yield session

    def find(self, name: str, schema: str = "app", allowed: tuple[str, ...] = ("app.*",)) -> Routine:
        with self.session() as session:
            return find_procedure(session, ProcedureName(schema, name), allowing(*allowed))

    def call(
        self,
        body: str,
        config: str = "{}",
        *,
        kind: str = "PROCEDURE",
        longest: timedelta = LONGEST,
        declare: str = "",
        stop: Stop | None = None,
    ) -> CallEnd:
        """What comes of a procedure of this body."""
        self.place.sql(procedure("app.job", body, kind, declare))
        return self.call_it("job", config, longest=longest, stop=stop)

    def call_it(
        self, name: str, config: str = "{}", *, longest: timedelta = LONGEST, stop: Stop | None = None
    ) -> CallEnd:
        with self.session(stop) as session:
            routine = find_procedure(session, ProcedureName("app", name), allowing("app.*"))
            return call(session, routine, 1000, config, longest)
