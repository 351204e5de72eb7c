"""Names that mean harm do none, clients do not reach each other, and no secret is in anything that is written."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from functools import partial

import pytest
from psycopg import sql

from pg_archiver.airflow import connections
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import ArchiverError, SettingError, StorageRefused
from pg_archiver.objects.object_keys import manifest_key, object_key
from pg_archiver.policies.retention import parse_keep_days
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.verify.rebuild_ledger import rebuild
from pg_archiver.verify.verify_archive import verify
from tests.support.place import Place, hours_ago
from tests.support.restores import LONG_AGO, differences, remembered, restored

THINGS = "CREATE TABLE public.things (id serial PRIMARY KEY, at timestamp, name text)"
ALIKE = [
    *("a/b", "a%2Fb", "a%252Fb", "..", ".", "...", "a b", "a+b", "a%20b", "a=b", "a/schema=public", "client=a"),
    *("a", "A", "\u0430", "a.", "a ", " a", "a\n", "a\nb", "a\u200b", "\u00e9", "e\u0301", "_a", "\\", "*", "?"),
    *("x" * 62, "x" * 63),
]


@pytest.mark.more
def test_clients_of_names_alike_keep_their_rows_apart(place: Place) -> None:
    place.sql(THINGS)
    place = place.on("public.things", "at")
    for name in ALIKE:
        place.sql("INSERT INTO public.things (at, name) VALUES (%s, %s)", hours_ago(60), name)
        assert [deleted.rows for deleted in place.ordered(client=name).archive()] == [1]
    assert {key.count("/") for key in place.keys()} == {5}  # noqa: SIM118 (no dictionary)
    for number, name in enumerate(ALIKE):
        of_client = place.ordered(client=name)
        assert restored(of_client, into=f"public.copy_{number}").restored == 1
        assert place.sql(f"SELECT name FROM public.copy_{number}") == [(name,)]
        with of_client.session() as session:
            assert verify(session, place.store, of_client.order).problems == []


@pytest.mark.parametrize("forged", ["as they are", "under the other's name"])
def test_objects_of_another_client_in_a_clients_folder_are_refused(place: Place, forged: str) -> None:
    place.sql(THINGS)
    place.sql("INSERT INTO public.things (at, name) VALUES (%s, 'secret of b')", hours_ago(60))
    place = place.on("public.things", "at")
    of_a, of_b = place.ordered(client="a"), place.ordered(client="b")
    of_b.archive()
    (manifest,) = place.manifests()
    for key in place.keys():  # noqa: SIM118 (no dictionary)
        content = place.read(key)
        if forged != "as they are" and key.endswith(".json"):
            content = content.replace(b'"client": "b"', b'"client": "a"').replace(b'"client":"b"', b'"client":"a"')
        place.write(key.replace("client=b/", "client=a/"), content)
    key = object_key("", "a", TableName("public", "things"), manifest.cell, 1, "gzip")
    assert place.store.head(manifest_key(key)) is not None
    for into in (None, "public.copy"):
        try:
            failures = restored(of_a, into=into).failures
        except ArchiverError as error:
            failures = [str(error)]
        assert failures
        assert any(words in failures[0] for words in ("not of public.things of 'a'", "not where it should lie"))
    assert place.sql("SELECT count(*) FROM public.things") == [(0,)]


HARMFUL = [
    'x"; DROP TABLE public.canary; --',
    "x'; DROP TABLE public.canary; --",
    "x'); DELETE FROM public.canary; --",
    "$$; DROP TABLE public.canary; $$",
    "%s",
    "%(a)s",
    "%(start)s",
    "%%",
    "{0}",
    "{table}",
    "{}",
    "\\'; DROP TABLE public.canary; --",
    "/* x */",
    "\n-- x",
    "\\copy",
]


def relations(place: Place) -> set[tuple[str, str]]:
    """All tables and views of the users."""
    return set(
        place.sql(
            "SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            " WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^(pg_.*|information_schema|archiver)$'"
        )
    )


@pytest.mark.parametrize("name", HARMFUL)
def test_no_name_and_no_parameter_becomes_a_statement(place: Place, name: str) -> None:
    place.sql("CREATE TABLE public.canary AS SELECT 1 AS alive")
    identifier, quoted = sql.Identifier(name).as_string(), '"' + name.replace('"', '""') + '"'
    other, kind = (sql.Identifier(f"{name}{number}").as_string() for number in (2, 3))
    place.sql(f"CREATE SCHEMA {identifier}")
    place.sql(f"CREATE TYPE {identifier}.{kind} AS ENUM ({sql.Literal(name).as_string()})")
    place.sql(
        f"CREATE TABLE {identifier}.{identifier} ({identifier} timestamp, {other} text PRIMARY KEY,"
        f" kind {identifier}.{kind})"
    )
    value = sql.Literal(name).as_string()
    for number in range(2):
        place.sql(f"INSERT INTO {identifier}.{identifier} VALUES ('{hours_ago(60)}', {value} || '{number}', {value})")
    place = place.on(f"{quoted}.{quoted}", name, client=name, run_id=name, prefix=name.strip().replace("/", ""))
    remembered(place)
    assert [deleted.rows for deleted in place.archive()] == [2]
    for on_conflict in ("newest", "skip"):
        assert not restored(place, on_conflict=on_conflict).failures
    assert differences(place) == []
    assert restored(place, into=f"{quoted}.{other}").restored == 2
    assert differences(place, f"{identifier}.{other}") == []
    place.sql(f"DROP TABLE {identifier}.{identifier}")
    assert restored(place, into=f"public.{other}").restored == 2
    with place.session() as session:
        rebuild(session, place.store, place.order)
        verify(session, place.store, place.order)
    assert place.sql("TABLE public.canary") == [(1,)]
    copies = {("public", f"{name}2"), (name, f"{name}2")}
    assert relations(place) == {("public", "canary"), ("public", "before"), *copies}


@pytest.mark.parametrize("text", HARMFUL)
def test_no_setting_takes_what_is_no_value_of_its_kind(place: Place, text: str) -> None:
    for setting in ("timezone", "schedule", "keep_days", "batch_size", "compression", "bucket_owner"):
        with pytest.raises(ValueError, match=setting):
            TablePolicy.model_validate({setting: text})
    with pytest.raises(SettingError):
        parse_keep_days(text, "the run's parameter keep_days")
    with pytest.raises(SettingError):
        connections.read_moment({"params": {"start": text}}, "start")
    with pytest.raises(ValueError, match="not a valid OnConflict"):
        restored(place, on_conflict=text)
    with pytest.raises(StorageRefused):
        type(place.store)(place.client, text).check("", writing=True)


SECRET = "s3cr3t-of-a-row"
RAISING = (
    "CREATE FUNCTION public.telling() RETURNS trigger LANGUAGE plpgsql AS"
    " $$BEGIN RAISE EXCEPTION 'not %%', coalesce(OLD.name, NEW.name) USING ERRCODE = '{code}'; END$$;"
    "CREATE TRIGGER telling BEFORE {event} ON public.things FOR EACH ROW EXECUTE FUNCTION public.telling()"
)
FAILING = {
    "unique": "CREATE UNIQUE INDEX ON public.things (name);"
    f"INSERT INTO public.things (id, at, name) VALUES (99, now(), '{SECRET}')",
    "check": "ALTER TABLE public.things ADD CHECK (name NOT LIKE 's3cr%%')",
    "type": "ALTER TABLE public.things ALTER name TYPE int USING 1",
    "length": "ALTER TABLE public.things ALTER name TYPE varchar(3)",
    "enum": "CREATE TYPE public.mood AS ENUM ('good');"
    "ALTER TABLE public.things ALTER name TYPE public.mood USING 'good'",
    "json": "ALTER TABLE public.things ALTER name TYPE jsonb USING 'null'",
    "not null": "ALTER TABLE public.things ADD other int; ALTER TABLE public.things ALTER other SET NOT NULL",
    "domain": "CREATE DOMAIN public.short AS text CHECK (length(VALUE) < 5);"
    "ALTER TABLE public.things ALTER name TYPE public.short",
    "foreign key": "CREATE TABLE public.names (name text PRIMARY KEY);"
    "ALTER TABLE public.things ADD FOREIGN KEY (name) REFERENCES public.names",
    "exclusion": "ALTER TABLE public.things ADD EXCLUDE USING btree (name WITH =);"
    f"INSERT INTO public.things (id, at, name) VALUES (99, now(), '{SECRET}')",
    "trigger": RAISING.format(event="INSERT", code="P0001"),
    "trigger that poses as a constraint": RAISING.format(event="INSERT", code="23505"),
}


def told(action: Callable[[], object]) -> str:
    """What an action says when it fails, as Airflow prints it: the whole chain of its error."""
    try:
        return str(action())
    except ArchiverError as error:
        return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("failing", FAILING)
def test_no_row_content_and_no_password_is_in_anything_that_is_told(
    place: Place, failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place.sql(THINGS)
    place.sql("INSERT INTO public.things (at, name) VALUES (%s, %s)", hours_ago(60), SECRET)
    place = place.on("public.things", "at")
    place.archive()
    place.sql(FAILING[failing].replace("%%", "%"))
    for on_conflict in ("newest", "fail"):
        said = told(partial(restored, place, LONG_AGO, on_conflict=on_conflict))
        assert "failures=['" in said or "Error" in said or "Refused" in said, said
        assert_nothing_told(place, said, caplog)
    assert place.sql("SELECT count(*) FROM public.things WHERE id <> 99") == [(0,)]


@pytest.mark.parametrize("code", ["P0001", "23503", "22000"])
def test_a_trigger_that_refuses_a_delete_is_named_and_its_words_are_not_repeated(
    place: Place, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place.sql(THINGS)
    place.sql("INSERT INTO public.things (at, name) VALUES (%s, %s)", hours_ago(60), SECRET)
    place.sql(RAISING.format(event="DELETE", code=code).replace("%%", "%"))
    place = place.on("public.things", "at")
    said = told(place.archive)
    assert "function telling() raised an error of its own making, in line 1" in said
    assert_nothing_told(place, said, caplog)
    assert place.sql("SELECT count(*) FROM public.things") == [(1,)]


def assert_nothing_told(place: Place, said: str, caplog: pytest.LogCaptureFixture) -> None:
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("boto", "urllib3"))]
    ledger = str(place.sql("SELECT t::text FROM archiver.windows AS t"))
    restores = str(place.sql("SELECT t::text FROM archiver.restores AS t"))
    manifests = [place.read(key).decode() for key in place.keys() if key.endswith(".json")]  # noqa: SIM118
    for secret in (SECRET, place.server.password, place.s3.secret_key):
        assert secret not in "\n".join([said, ledger, restores, *ours, *manifests])
