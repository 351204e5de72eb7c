"""After everything else has run: what was written down anywhere, searched for known secrets and for rows' content."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from dev.airflow_environment import METADATA_DATABASE
from dev.stack import BUCKET, DATABASE_CONNECTION, Stack
from tests.acceptance.conftest import RUN_SECONDS, Servers, Tenant, Tenants, utc_now
from tests.acceptance.settings import CONFIDED, SECRET, WITH_DATABASE

KEY, CONTENT = "key-of-a-row-5519", "content-of-a-row-8264"
# Postgres quotes keys and rows in the details of its errors; here a delete meets such an error.
CONFIDENTIAL = f"""
    DROP TABLE analytics.events;
    CREATE TABLE analytics.events (id text PRIMARY KEY, triggered_at timestamp NOT NULL, name text NOT NULL);
    CREATE INDEX ON analytics.events (triggered_at);
    INSERT INTO analytics.events
    SELECT '{KEY}-' || hour, now() AT TIME ZONE 'UTC' - make_interval(hours => hour), '{CONTENT}'
    FROM generate_series(52, 55) AS hour
"""
LATE = f"""
    INSERT INTO analytics.events VALUES ('{KEY}-late', (now() AT TIME ZONE 'UTC') - interval '53 hours', '{CONTENT}');
    CREATE TABLE public.audit (id text PRIMARY KEY, name text);
    INSERT INTO public.audit VALUES ('{KEY}-late', '{CONTENT}');
    CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.audit VALUES (OLD.id, OLD.name); RETURN OLD; END $$;
    CREATE TRIGGER noting BEFORE DELETE ON analytics.events FOR EACH ROW EXECUTE FUNCTION public.note()
"""
BACK = f"""
    DROP TRIGGER noting ON analytics.events;
    INSERT INTO analytics.events VALUES ('{KEY}-54', now() AT TIME ZONE 'UTC', '{CONTENT}')
"""
SPAN = timedelta(hours=60)


@dataclass(frozen=True)
class Text:
    """Something that was written down, and where."""

    place: str
    text: str

    def holds_any(self, secrets: dict[str, str]) -> list[str]:
        """The names of the secrets in it; never the secrets themselves, since this goes into a log too."""
        return [f"{name} in {self.place}" for name, secret in secrets.items() if secret in self.text]


def tables(stack: Stack, database: str, schema: str, leave_out: tuple[str, ...] = ()) -> Iterator[Text]:
    """Every row of every table of a schema."""
    with stack.postgres.connect(database) as connection:
        found = connection.execute(
            "SELECT oid::regclass::text, relname FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace::regnamespace::text = %s AND relname <> ALL (%s)",
            [schema, list(leave_out)],
        ).fetchall()
        for relation, name in found:
            rows = connection.execute(f"SELECT t::text FROM {relation} AS t".encode()).fetchall()
            yield Text(f"table {name} of {database}", "\n".join(row for (row,) in rows))


def files(folder: Path) -> Iterator[Text]:
    for path in folder.rglob("*.log"):
        if path.is_file():
            yield Text(str(path), path.read_text(encoding="utf-8", errors="replace"))


def objects(stack: Servers) -> Iterator[tuple[str, bytes]]:
    client = stack.s3.client()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", []):
            yield entry["Key"], client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()


def ciphertexts(stack: Stack) -> dict[str, str]:
    """The connections' secrets as Airflow's database keeps them."""
    with stack.postgres.connect(METADATA_DATABASE) as connection:
        kept = connection.execute("SELECT conn_id, password, extra FROM connection").fetchall()
    return {
        f"the encrypted {name} of {conn_id}": text
        for conn_id, *texts in kept
        for name, text in zip(("password", "extra"), texts, strict=True)
        if text
    }


@pytest.fixture(scope="module")
def confided(tenants: Tenants) -> Tenant:
    """A client of whose rows not a word may get out; a run, a delete, a restore and a check that fail with them."""
    confided = tenants[CONFIDED]
    confided.sql(CONFIDENTIAL)
    assert confided.run().state == "success"
    confided.sql(LATE)
    failed = confided.run()
    assert failed.state == "failed"
    assert "SQLSTATE 23505" in failed.log("window.delete", 0)
    confided.sql(BACK)
    api = tenants.api
    tenants.stack.airflow.wait_for_dags(["restore", "verify"])
    for dag_id in ("restore", "verify"):
        api.unpause(dag_id)
    span = {"start": (utc_now() - SPAN).isoformat(), "end": utc_now().isoformat()}
    run_id = api.trigger("restore", {"client": CONFIDED, "on_conflict": "fail", **span})
    assert api.wait_for_run("restore", run_id, RUN_SECONDS) == "failed"
    assert "are in analytics.events already" in api.task_log("restore", run_id, f"restore_{DATABASE_CONNECTION}")
    for data in confided.data_objects():
        if data.endswith(".g0002.csv.gz"):
            tenants.stack.s3.client().put_object(Bucket=BUCKET, Key=data, Body=gzip.compress(CONTENT.encode()))
    run_id = api.trigger("verify", {"client": CONFIDED})
    assert api.wait_for_run("verify", run_id, RUN_SECONDS) == "failed"
    return confided


@pytest.fixture(scope="module")
def secrets(tenants: Tenants) -> dict[str, str]:
    stack = tenants.stack
    found = {
        "the password of the refused login": SECRET,
        "the database's password": stack.postgres.password,
        "the access key of S3": stack.s3.access_key,
        "the secret key of S3": stack.s3.secret_key,
        "the password of Airflow": stack.airflow.password,
        "the Fernet key": stack.airflow.environment()["AIRFLOW__CORE__FERNET_KEY"],
        "the key of Airflow's tokens": stack.airflow.environment()["AIRFLOW__API_AUTH__JWT_SECRET"],
    }
    encrypted = ciphertexts(stack)
    assert encrypted, "Airflow keeps a connection of this session"
    assert all(len(secret) > 8 for secret in found.values())
    return found | encrypted


@pytest.fixture(scope="module")
def written(tenants: Tenants, confided: Tenant) -> list[Text]:
    """Task logs, error texts, XComs, rendered fields, Asset events, notes, audit log, ledgers, manifests and keys."""
    stack = tenants.stack
    logs = list(files(stack.airflow.home / "logs"))
    airflow = list(tables(stack, METADATA_DATABASE, "public", leave_out=("connection",)))
    ledgers = [text for name in WITH_DATABASE if tenants[name].has_ledger() for text in tables(stack, name, "archiver")]
    kept = list(objects(stack))
    notes = [Text(key, content.decode()) for key, content in kept if key.endswith(".json")]
    found = [*logs, *airflow, *ledgers, *notes, Text("the keys of the bucket", "\n".join(key for key, _ in kept))]
    assert any("SQLSTATE 23505" in text.text for text in logs)
    assert any(text.place.startswith("table xcom") and "deleted" in text.text for text in airflow)
    assert any(text.place.startswith("table asset_event") and "deleted" in text.text for text in airflow)
    assert any(text.place.startswith("table rendered_task_instance_fields") and text.text for text in airflow)
    assert any(text.place == f"table windows of {confided.name}" and text.text for text in ledgers)
    assert any("/_" in text.place and "sha256" in text.text for text in notes)
    return found


def test_no_secret_is_in_anything_that_is_written_down(written: list[Text], secrets: dict[str, str]) -> None:
    assert [leak for text in written for leak in text.holds_any(secrets)] == []


def test_no_secret_is_in_an_object_or_a_process_log(tenants: Tenants, secrets: dict[str, str]) -> None:
    stack = tenants.stack
    packed = [
        Text(key, (gzip.decompress(content) if key.endswith(".gz") else content).decode())
        for key, content in objects(stack)
    ]
    processes = list(files(stack.airflow.home / "processes"))
    assert packed
    assert processes
    assert [leak for text in [*packed, *processes] for leak in text.holds_any(secrets)] == []


def test_no_row_is_in_anything_but_the_objects_that_are_made_to_hold_them(
    written: list[Text], confided: Tenant
) -> None:
    rows = {"the key of a row": KEY, "the content of a row": CONTENT}
    assert [leak for text in written for leak in text.holds_any(rows)] == []
    packed = {
        key: gzip.decompress(content).decode() for key, content in objects(confided.stack) if key.endswith(".csv.gz")
    }
    own = {key: text for key, text in packed.items() if key.startswith(f"client={CONFIDED}/")}
    assert any(KEY in text and CONTENT in text for text in own.values())
    assert not [key for key, text in packed.items() if KEY in text and key not in own]
