"""A preview tells all that is missing, whatever else is, and leaves no trace."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pg_archiver.airflow.preview import run_preview
from pg_archiver.errors import Unfinished
from pg_archiver.policies.yaml_file import Client, Policies
from pg_archiver.preview.readiness import Check, check_bucket
from pg_archiver.s3.bucket import Bucket
from tests.faults.s3_proxy import Answer, Fault, Forward, Request, S3Proxy
from tests.support.place import EVENTS, NOW, Place, hours_ago
from tests.support.previews import FILL, checked, filled, looked_at, missing, through
from tests.support.roles import Owned, Right
from tests.support.task_context import connect_airflow, set_variables


def everything_in(place: Place) -> list[Any]:
    """All relations, with the sizes of their files, and the rows of the table with their versions."""
    return [
        place.sql("SELECT oid, relname, relfilenode, pg_relation_size(oid) FROM pg_class ORDER BY oid"),
        place.sql("SELECT ctid, xmin, xmax, * FROM analytics.events ORDER BY ctid"),
    ]


def test_nothing_is_written_to_database_or_bucket(place: Place) -> None:
    filled(place, 1000)
    before = everything_in(place)
    looked_at(place)
    assert not missing(place)
    assert everything_in(place) == before
    assert place.keys() == []
    assert not place.has_ledger()
    assert place.client.list_multipart_uploads(Bucket=place.bucket).get("Uploads", []) == []


@pytest.fixture
def owned(place: Place) -> Owned:
    """A database that belongs to a plain role, with events, and no rights for anybody else."""
    return Owned.made(filled(place, 200, 10))


NAMES = {"schema": "analytics", "table": "events"}
RIGHTS = {
    "GRANT SELECT ON TABLE analytics.events TO ": Right("table", "SELECT", 'TABLE :"schema".:"table"'),
    "GRANT DELETE ON TABLE analytics.events TO ": Right("table", "DELETE", 'TABLE :"schema".:"table"'),
    "GRANT TEMPORARY ON DATABASE place": Right("table", "TEMPORARY", 'DATABASE :"DBNAME"'),
    "GRANT USAGE ON SCHEMA analytics TO ": Right("table", "USAGE", 'SCHEMA :"schema"'),
}


@pytest.mark.parametrize("command", RIGHTS)
def test_a_missing_right_is_told_with_its_grant_and_all_else_is_told_too(owned: Owned, command: str) -> None:
    owned.run("role")
    owned.run("table", NAMES, RIGHTS[command])
    place, right = owned.login(), RIGHTS[command].privilege
    found = missing(place)
    assert command in found.pop(f"privilege {right}")
    needed_to_delete_only = right in {"DELETE", "TEMPORARY"}
    assert set(found) == (set() if needed_to_delete_only else {"table"})
    subjects = {check.subject for check in checked(place) if check.ok}
    assert {"connection", "ledger", "bucket", "bucket, reading", "bucket, writing"} <= subjects
    if needed_to_delete_only:
        assert looked_at(place).rows == 200


def test_the_grants_that_are_told_mend_it(owned: Owned) -> None:
    owned.run("role")
    place = owned.login()
    owned.place.sql(f'GRANT CONNECT ON DATABASE {place.database} TO "{owned.role.replace(chr(34), chr(34) * 2)}"')
    for _ in range(3):
        for subject, command in missing(place).items():
            if subject.startswith(("privilege", "ledger")):
                owned.place.sql(command[command.index("GRANT") :])
    assert missing(place) == {}
    assert [deleted.rows for deleted in place.archive()] == [20] * 10


def test_the_rights_of_the_scripts_are_enough(owned: Owned) -> None:
    owned.run("role")
    owned.run("table", NAMES)
    place = owned.login()
    assert missing(place) == {}
    assert looked_at(place).rows == 200


def test_a_ledger_that_belongs_to_another_role_is_told(owned: Owned) -> None:
    owned.run("role")
    owned.run("table", NAMES)
    owned.place.windows()
    found = missing(owned.login())
    assert set(found) == {"ledger"}
    assert "GRANT SELECT, INSERT, UPDATE ON archiver." in found["ledger"]


def test_without_an_index_and_a_bucket_both_are_told_and_the_rows_too(place: Place) -> None:
    place.sql(EVENTS.rpartition(";")[0])
    place.sql(FILL, hours_ago(49), 10, 100)
    elsewhere = replace(place, bucket="no-such-bucket")
    found = missing(elsewhere)
    assert set(found) == {"index on triggered_at", "bucket"}
    assert "CREATE INDEX CONCURRENTLY ON analytics.events (triggered_at)" in found["index on triggered_at"]
    assert "bucket no-such-bucket does not exist" in found["bucket"]
    assert looked_at(elsewhere).rows == 100


def test_a_bucket_that_may_not_be_written_to_is_told_and_reading_it_too(place: Place) -> None:
    place.sql(EVENTS)

    def forbid(request: Request, forward: Forward) -> Answer:
        body = b"<Error><Code>AccessDenied</Code></Error>"
        return Answer(403, [("Content-Length", str(len(body)))], body)

    with (
        S3Proxy.started(place.s3.endpoint_url) as proxy,
        proxy.doing(Fault(frozenset({"CreateMultipartUpload"}), forbid)),
    ):
        bucket = Bucket(through(place, proxy), place.bucket)
        found = {check.subject: check for check in check_bucket(bucket, place.order)}
    assert found["bucket"].ok
    assert found["bucket, reading"].ok
    assert "s3:PutObject" in found["bucket, writing"].told


def test_a_database_that_is_set_to_read_only_is_told_though_this_session_is_too(place: Place) -> None:
    filled(place, 10)
    assert "connection" not in missing(place)
    place.sql(f"ALTER DATABASE {place.database} SET default_transaction_read_only = on")
    assert "SET default_transaction_read_only = off" in missing(place)["connection"]


def test_a_table_that_is_not_there_ends_nothing_else(place: Place) -> None:
    found = checked(place.on("analytics.nothing"))
    assert [check.subject for check in found if not check.ok] == ["table"]
    assert {check.subject for check in found if check.ok} >= {"connection", "ledger", "bucket, writing"}


def test_no_row_is_in_what_is_told(place: Place) -> None:
    place.sql(EVENTS)
    place.sql("INSERT INTO analytics.events (triggered_at, name) VALUES (%s, 'open sesame')", hours_ago(60))
    told = looked_at(place)
    assert told.rows == 1
    assert "sesame" not in str(told.as_dict()) + "\n".join(told.lines("gzip", None)) + str(checked(place))


def test_one_table_that_is_missing_keeps_no_other_from_being_told(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    filled(place, 100, 10)
    connect_airflow(place, monkeypatch)
    set_variables(monkeypatch)
    nothing = place.policy.model_copy(update={"table": "analytics.nothing"})
    client = Client(place.database, "rds_main", place.database, (nothing, place.policy))
    pushed: dict[str, Any] = {}
    context = {
        "params": (form := {"client": client.name, "table": None, "keep_days": None, "start": None, "end": None}),
        "dag": SimpleNamespace(params=form, dag_id="preview"),
        "dag_run": SimpleNamespace(run_id="run 1", run_after=NOW, conf={}),
        "ti": SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value})),
    }
    with caplog.at_level(logging.INFO), pytest.raises(Unfinished, match=r"1 thing\(s\) that a run") as raised:
        run_preview(Policies("the test", (client,), {}), Check("pool", ok=True, told="there").as_dict(), context)
    report = json.loads(json.dumps(pushed["report"]))
    assert [table["figures"] and table["figures"]["rows"] for table in report["tables"]] == [None, 100]
    assert report["failed"] == [words for words in report["failed"] if words in str(raised.value)]
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors[0].startswith(f"client {client.name}: 1 thing(s) are missing, and what is due is not known for every")
    assert [line for line in report["lines"] if line.startswith("MISSING")] == errors[1:]
    assert not place.has_ledger()
