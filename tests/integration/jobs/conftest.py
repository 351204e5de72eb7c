"""Places for tests of jobs: with a procedure that may be called, and with three databases in which it may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from dev.postgres import PostgresServer
from dev.s3 import S3Server
from pg_archiver.s3.bucket import Bucket
from tests.support.job_place import JobPlace
from tests.support.place import Place
from tests.support.policy_tables import Policies
from tests.support.procedures import Procedures
from tests.support.table_jobs import TableJobs

_numbers = count(1)

WRITES = "INSERT INTO app.done VALUES (job_id, config);"


@pytest.fixture
def ready(jobs: JobPlace) -> JobPlace:
    """A place with a procedure that may be called."""
    jobs.define(WRITES)
    return jobs


@pytest.fixture
def three(server: PostgresServer) -> Iterator[JobPlace]:
    """A place of three databases in which it may."""
    with JobPlace.made(server, "jobs_of_three", targets=3) as place:
        for target in place.targets:
            place.define(WRITES, database=target)
        yield place


@pytest.fixture
def tables(server: PostgresServer, moto: S3Server) -> Iterator[TableJobs]:
    """A place with a table from which jobs take rows."""
    with TableJobs.made(server, moto, f"tables_{next(_numbers)}") as made:
        yield made


@pytest.fixture
def procedures(place: Place) -> Procedures:
    """The logins and tables of procedures of users."""
    return Procedures.made(place)


@pytest.fixture
def control(jobs: JobPlace, moto: S3Server) -> JobPlace:
    """A control database whose jobs have a bucket to archive to, in which they put nothing here."""
    return replace(jobs, bucket=Bucket(moto.client(), "unused"))


@pytest.fixture
def policies(control: JobPlace) -> Policies:
    return Policies.made(control)
