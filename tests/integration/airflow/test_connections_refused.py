"""A wrong password, database, bucket or key: one clear error that names the setting, and nothing written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config

from dev.s3 import RcloneS3
from pg_archiver.errors import ArchiverError, DatabaseInterrupted, DatabaseRefused, StorageInterrupted, StorageRefused
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres.session import Session
from tests.support.place import EVENTS, Place, hours_ago


def filled(place: Place) -> Place:
    place.sql(EVENTS)
    place.events(hours_ago(60), hours_ago(61))
    return place


def connect(place: Place, **changes: Any) -> None:
    def opened() -> psycopg.Connection[Any]:
        return psycopg.connect(**{**place.server.dsn(place.database), **changes})

    with Session.connect(opened, changes.get("dbname", place.database), "test"):
        pass


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "hunter2"}, ["password authentication failed", "check the Airflow connection"]),
        ({"user": "nobody"}, ["authentication failed", "check the Airflow connection"]),
        ({"dbname": "nowhere"}, ["nowhere", "does not exist", "the database in the policy file"]),
    ],
    ids=["password", "user", "database"],
)
def test_a_login_that_is_refused_is_said_so_with_what_to_check(
    place: Place, change: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(DatabaseRefused) as caught:
        connect(place, **change)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_role_that_may_not_connect_to_the_database_is_refused(place: Place) -> None:
    limited = place.as_role("limited")
    place.sql(f"REVOKE CONNECT ON DATABASE {place.database} FROM PUBLIC")
    with pytest.raises(DatabaseRefused, match="permission denied for database"):
        connect(place, user=limited.role)


def test_a_server_that_is_not_there_is_worth_another_try(place: Place) -> None:
    with pytest.raises(DatabaseInterrupted):
        connect(place, port=1)


def test_a_transaction_that_holds_the_table_is_worth_another_try_and_named(place: Place) -> None:
    filled(place)
    with place.session() as session, session.timeouts(lock=timedelta(milliseconds=50)), place.connect() as user:
        user.execute("LOCK TABLE analytics.events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseInterrupted, match="Another session holds a lock"), session.transaction():
            session.execute("archive/delete/lock_table", {"table": place.order.table})


def test_a_missing_bucket_is_refused_by_its_name(place_on_both: Place) -> None:
    place = filled(place_on_both)
    missing = dataclasses.replace(place, bucket="nowhere-to-be-seen")
    with pytest.raises(
        StorageRefused, match=r"bucket nowhere-to-be-seen does not exist. Fix: .*'bucket' in the policy"
    ):
        missing.plan()
    assert not place.has_ledger()


def test_a_name_that_no_bucket_can_have_is_refused(place: Place) -> None:
    filled(place)
    impossible = dataclasses.replace(place, bucket="no such/bucket")
    with pytest.raises(StorageRefused, match="correct 'bucket' in the policy file"):
        impossible.plan()


@pytest.mark.parametrize("wrong", ["access key", "secret key", "no keys"])
def test_wrong_keys_are_refused_with_where_they_are_set(
    place: Place, wrong: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    filled(place)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    keys = {"access key": ("WRONG", place.s3.secret_key), "secret key": (place.s3.access_key, "wrong")}
    access, secret = keys.get(wrong, (None, None))
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=place.s3.endpoint_url,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        region_name=place.s3.region,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
    with pytest.raises(StorageRefused, match="aws_default") as caught:
        dataclasses.replace(place, client=client).plan()
    assert place.s3.secret_key not in str(caught.value)
    assert not place.has_ledger()
    assert place.keys() == []


def test_an_s3_that_is_not_there_is_worth_another_try(place: Place) -> None:
    filled(place)
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="key",
        aws_secret_access_key="key",
        region_name=place.s3.region,
        config=Config(proxies={}, connect_timeout=1, retries={"total_max_attempts": 1}),
    )
    with pytest.raises(StorageInterrupted):
        dataclasses.replace(place, client=client).plan()
    assert not place.has_ledger()


@pytest.fixture
def read_only(place: Place, tmp_path: Path) -> Iterator[Place]:
    """The bucket behind a server that refuses every write."""
    with RcloneS3(tmp_path) as writable:
        writable.create_bucket(place.bucket)
    with RcloneS3(tmp_path, read_only=True) as s3:
        yield dataclasses.replace(filled(place), s3=s3, client=s3.client())


def test_a_bucket_that_may_not_be_written_to_loses_nothing(read_only: Place) -> None:
    before = read_only.live()
    with pytest.raises(ArchiverError):
        read_only.archive()
    assert read_only.live() == before
    assert read_only.keys() == []


def test_a_dry_run_needs_no_right_to_write(read_only: Place) -> None:
    assert read_only.ordered(dry_run=True).plan().windows == 2
    assert not read_only.has_ledger()


FOREIGN = {
    "windows": "CREATE TABLE archiver.windows (handle int)",
    "migrations": "CREATE TABLE archiver.migrations (version text)",
    "a view": "CREATE VIEW archiver.windows AS SELECT 1 AS id",
}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_somebody_elses_tables_under_the_ledgers_names_are_refused_by_name(place: Place, foreign: str) -> None:
    filled(place)
    place.sql("CREATE SCHEMA archiver")
    place.sql(FOREIGN[foreign])
    for work in (place.windows, place.plan):
        if foreign == "migrations" and work == place.plan:
            continue
        with pytest.raises(DatabaseRefused, match=r"^archiver\.\w+ in database .* does not belong to this .*RENAME TO"):
            work()
    with place.session() as session:
        assert "does not belong to this program" in str(WindowLedger(session, place.order).find_hindrance())
    assert place.keys() == []


def test_what_was_dropped_between_two_looks_is_told_and_worth_another_try(place: Place) -> None:
    filled(place)
    with place.session() as session, pytest.raises(DatabaseInterrupted, match="what was there a moment ago is gone"):
        session.fetch_one("maintenance/compact/sizes", oid=1)
