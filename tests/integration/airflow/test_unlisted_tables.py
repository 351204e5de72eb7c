"""What jobs archived comes back and is verified by the same forms, also when no row and no file speaks of it now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import sql

from pg_archiver.airflow.restore import choose_table, make_restore_order, run_restore
from pg_archiver.airflow.verify import choose_tables, run_verify
from pg_archiver.errors import DatabaseRefused, SettingError, Unfinished
from pg_archiver.policies.jobs import Job
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.table_jobs import Tenant, name_database
from pg_archiver.policies.yaml_file import Client, Policies
from tests.support.archive_jobs import ArchiveJob
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import LONG_AGO, NOW
from tests.support.task_context import connect_airflow

DUE = 3
RESTORE = {
    "start": LONG_AGO.isoformat(), "end": NOW.isoformat(), "into": None, "on_conflict": "skip", "hold_days": 0,
    "ignore_missing_columns": False, "text_columns": None, "set_sequences": False, "dry_run": False,
}  # fmt: skip
VERIFY = {"client": None, "table": None, "rebuild_ledger": False}


@dataclass(frozen=True)
class Archived:
    """A place with a table that a job archived under a client's name, and a policy file that lists another one."""

    place: Place
    client: str
    policies: Policies
    pushed: list[Any] = field(default_factory=list)

    @classmethod
    def by(cls, place: Place, client: str, **job: Any) -> Archived:
        """`job` is a job of the file, if there is one, as it lists it."""
        place.sql(EVENTS)
        place.events(*(hours_ago(60 + number) for number in range(DUE)), hours_ago(1))
        settings = {"bucket": place.bucket, "prefix": "a"}
        listed = TablePolicy.model_validate({**settings, "table": "app.listed"})
        given = {"name": "old", "action": "archive", "schedule": "@daily", **job}
        file_jobs = {place.database: (Job.from_file(given, "the test"),)} if job else {}
        tenants = {place.database: (Tenant("acme", settings),)} if client == "acme" else {}
        clients = (Client("acme", "rds_main", place.database, (listed,), settings=settings),) if tenants else ()
        instance = InstanceJobs(
            "rds_main",
            JobsSettings.model_validate({"database": place.database}),
            (place.database,),
            file_jobs=file_jobs,
            tenants=tenants,
            defaults=settings,
        )
        found = cls(place, client, Policies("the test", clients, {}, jobs={"rds_main": instance}))
        order = replace(place.order, client=client, prefix=job.get("prefix", "a"))
        assert ArchiveJob.of(replace(place, order=order)).archive().rows == DUE
        assert found.left() == 1
        return found

    def left(self) -> int:
        return int(self.place.sql("SELECT count(*) FROM analytics.events")[0][0])

    def context(self, form: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {
            "params": form | fields,
            "dag_run": SimpleNamespace(run_id="manual", conf=fields),
            "dag": SimpleNamespace(dag_id="by_hand", params=form | fields),
            "ti": SimpleNamespace(xcom_push=lambda value, **_: self.pushed.append(value)),
        }

    def restore(self, table: str = "analytics.events", **fields: Any) -> int:
        context = self.context(RESTORE, client=self.client, table=table, **fields)
        make_restore_order(*choose_table(self.policies, context), context)
        return run_restore(self.policies, context).restored

    def verify(self, **fields: Any) -> dict[str, Any]:
        """The reports of all tasks, by table."""
        context = self.context(VERIFY, **fields)
        found: dict[str, Any] = {}
        for chosen in choose_tables(self.policies, context):
            found |= run_verify(self.policies, chosen, context)
        return found


Named = Callable[[Place], str]


def of_client(_place: Place) -> str:
    return "acme"


def of_database(place: Place) -> str:
    return name_database("rds_main", place.database)


@pytest.fixture(params=[of_client, of_database], ids=["a client's database", "a database of no client"])
def archived(place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Archived:
    connect_airflow(place, monkeypatch)
    named: Named = request.param
    return Archived.by(place, named(place))


def test_a_restore_brings_back_what_a_job_archived(archived: Archived) -> None:
    assert archived.restore(dry_run=True) == DUE
    assert archived.left() == 1
    assert archived.restore() == DUE
    assert archived.left() == DUE + 1


def test_also_where_the_ledger_is_lost(archived: Archived) -> None:
    archived.place.sql("DROP SCHEMA archiver CASCADE")
    assert archived.restore() == DUE


def test_also_where_the_policy_points_elsewhere_by_now(archived: Archived) -> None:
    archived.place.client.create_bucket(Bucket=f"{archived.place.bucket}-new")
    settings = {"bucket": f"{archived.place.bucket}-new"}
    clients = tuple(replace(one, settings=settings) for one in archived.policies.clients)
    jobs = {name: replace(one, defaults=settings) for name, one in archived.policies.jobs.items()}
    assert replace(archived, policies=replace(archived.policies, clients=clients, jobs=jobs)).restore() == DUE


def test_also_where_the_policy_names_no_bucket_any_more(archived: Archived) -> None:
    clients = tuple(replace(one, settings={}) for one in archived.policies.clients)
    jobs = {name: replace(one, defaults={}) for name, one in archived.policies.jobs.items()}
    assert replace(archived, policies=replace(archived.policies, clients=clients, jobs=jobs)).restore() == DUE


def test_what_nobody_archived_is_named(archived: Archived) -> None:
    with pytest.raises(
        SettingError, match=r"table is 'app\.other', which the test does not list .* nor its bucket knows"
    ):
        archived.restore("app.other")
    with pytest.raises(Unfinished, match=r"does not list table app\.other of client .* nor its bucket knows of it"):
        archived.verify(client=archived.client, table="app.other")


def test_a_verification_of_all_reads_what_jobs_archived(archived: Archived) -> None:
    name = f"{archived.client}, analytics.events"
    for fields in ({}, {"client": archived.client}, {"client": archived.client, "table": "analytics.events"}):
        found = archived.verify(**fields)
        assert (found[name]["objects"], found[name]["rows"], found[name]["problems"]) == (DUE, DUE, [])


def test_it_finds_a_damaged_object(archived: Archived) -> None:
    archived.place.write(archived.place.data_keys()[0], b"damaged")
    with pytest.raises(Unfinished, match=rf"client {archived.client}, analytics\.events: 1 problem"):
        archived.verify()


def test_a_lost_ledger_is_made_again_of_what_jobs_archived(archived: Archived) -> None:
    archived.place.sql("DROP SCHEMA archiver CASCADE")
    assert f"{archived.client}, analytics.events" not in archived.verify()
    found = archived.verify(rebuild_ledger=True)
    assert found[f"{archived.client}, analytics.events"]["rebuilt"]["added"] == DUE
    assert archived.restore() == DUE


@pytest.fixture
def others(archived: Archived) -> Iterator[list[str]]:
    """Two more databases of the server, of which the instance's jobs may speak as well."""
    place = archived.place
    names = [f"{place.database}_a", f"{place.database}_b"]
    for name in names:
        place.server.create_database(name)
    instance = archived.policies.jobs["rds_main"]
    archived.policies.jobs["rds_main"] = replace(instance, databases=(f"{place.database}*",))  # type: ignore[index]
    yield names
    with place.server.connect() as connection:
        for name in names:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def test_a_database_that_cannot_be_looked_into_is_told_and_keeps_no_other_one_out(
    archived: Archived, others: list[str]
) -> None:
    with archived.place.server.connect(others[1]) as connection:
        connection.execute("CREATE SCHEMA archiver")
        connection.execute("CREATE VIEW archiver.windows AS SELECT 1 AS x")
    with pytest.raises(Unfinished, match=rf"client rds_main\.{others[1]}: .*does not belong to this program"):
        archived.verify()
    told = {name for report in archived.pushed for name in report}
    assert f"{archived.client}, analytics.events" in told


def test_a_database_to_which_the_login_may_not_connect_is_passed_over(
    archived: Archived, others: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its jobs archive by the same login, so there is nothing."""
    place = archived.place
    rights = ["USAGE ON SCHEMA archiver", "SELECT ON ALL TABLES IN SCHEMA archiver", "USAGE ON SCHEMA analytics"]
    role = place.as_role("looks", *(f"{right}" for right in rights)).role
    with place.server.connect() as connection:
        for name in others:
            connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    server = {"conn_type": "postgres", "host": place.server.host, "port": place.server.port}
    login = {"login": role, "password": place.server.password}
    monkeypatch.setenv("AIRFLOW_CONN_RDS_MAIN", json.dumps(server | login))
    assert f"{archived.client}, analytics.events" in archived.verify()


def test_a_job_of_the_file_is_restored_from_where_it_put_its_rows(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_airflow(place, monkeypatch)
    found = Archived.by(
        place, "acme", table="analytics.events", keep_days=2, prefix="of/the/job", timestamp_column="triggered_at"
    )
    place.sql("DROP SCHEMA archiver CASCADE")
    assert found.restore() == DUE


def test_a_name_that_is_neither_a_client_nor_a_database_is_refused(archived: Archived) -> None:
    for name in ("nobody", "rds_other.app", "rds_main"):
        with pytest.raises(SettingError, match=f"client is '{name}': the test has no such client"):
            replace(archived, client=name).restore()
        with pytest.raises(SettingError, match=f"client is '{name}': the test has no such client"):
            archived.verify(client=name)
    with pytest.raises(DatabaseRefused, match="no_such_database"):
        replace(archived, client="rds_main.no_such_database").restore()
