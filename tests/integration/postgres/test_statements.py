"""Every statement file is one that a real server takes, and the loader lets nothing wrong into it.

The scripts in `roles/` are not for the loader: people run them with psql, and test_roles.py does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pg_archiver.domain.tables import ForeignKey, KeyPair, TableName
from pg_archiver.ledger.migrations import JOBS, LEDGER, JobTables, list_migrations
from pg_archiver.postgres.statements import (
    FOLDER,
    Converted,
    Inexact,
    Literal,
    Name,
    Names,
    NotReferenced,
    QualifiedColumn,
    SameValues,
    StatementError,
    Typed,
    TypeName,
    compose,
    read_statement,
)
from tests.support.place import EVENTS, NOW, Place, hours_ago

EVERY = sorted(
    name
    for name in (path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.sql"))
    if not name.startswith("roles/") and "/fragments/" not in name
)
MIGRATIONS = [name for name in EVERY if "migrations/" in name]
TABLE = TableName('odd "schema%s"', "odd {table}")
PARENT = TableName(TABLE.schema, "odd {parent} %s")
PARTITION = TableName(TABLE.schema, "odd {partition} %s")
APART = TableName(TABLE.schema, "apart")
COLUMN = 'at "100%" {x}'
# A row that points to itself, by a key of two columns.
POINTING = ForeignKey(
    "key",
    TABLE,
    (TABLE,),
    "CASCADE",
    (
        KeyPair("id", "id", ("pg_catalog", "=")),
        KeyPair("label", "label", ("pg_catalog", "="), ("pg_catalog", "C")),
    ),
    indexed=True,
    may_read=True,
)
KEYS = ("version", "key_0", "key_1", "key_2")
MAKE_KEYS = ["archive/delete/drop_keys", "archive/delete/create_keys", "archive/delete/number_keys"]
MAKE_STAGED = ["restore/drop_staged", "restore/create_staged"]
MAKE_SEEN = ["restore/drop_seen", "restore/create_seen", "restore/index_seen"]
MAKE_TARGET = ["restore/create_table"]
MAKE_OBJECTS = ["restore/drop_objects", "restore/create_objects", "restore/create_shapes"]
CONVERTED = Converted("at", TypeName("timestamp without time zone"), TypeName("date"), "Europe/Berlin")
NAMES: Mapping[str, Name | Sequence[Name]] = {
    "table": TABLE,
    "column": COLUMN,
    "columns": ["xmin", "tableoid", "ctid", "id"],
    "identity": ["xmin", "tableoid", "ctid"],
    "names": list(KEYS),
    "target_place": [QualifiedColumn("target", name) for name in ("tableoid", "ctid")],
    "exported_place": [QualifiedColumn("exported", name) for name in KEYS[1:3]],
    "same_key": SameValues("target", "exported", (("id", "key_2", True), ("id", "key_2", False))),
    "place": "key_0",
    "position": "position",
    "key": ["id"],
    "changed": [COLUMN],
    "excluded": [QualifiedColumn("excluded", COLUMN)],
    "excluded_column": QualifiedColumn("excluded", COLUMN),
    "live_column": QualifiedColumn("live", COLUMN),
    "staged_column": QualifiedColumn("staged", COLUMN),
    "staged_key": [QualifiedColumn("staged", "id")],
    "seen_key": [QualifiedColumn("seen", "id")],
    "live_key": [QualifiedColumn("live", "id")],
    "target": TableName(TABLE.schema, "a new {table}"),
    "unreferenced": NotReferenced("target", (POINTING, POINTING)),
    "unreferenced_by_lasting": NotReferenced("target", (POINTING,)),
    "type": TypeName("timestamp(3) with time zone"),
    "parent": PARENT,
    "partition": PARTITION,
    "every": ["id", "at"],
    "lower": Literal("2024-01-02"),
    "upper": Literal("2024-01-03 %s {x}"),
    "own": QualifiedColumn("moved", COLUMN),
    "role": "pg_monitor",
    "index": TableName(TABLE.schema, "an index %s"),
    "leftover": TableName("repack", "log_1259"),
    "staged_columns": [QualifiedColumn("staged", COLUMN)],
    "live_columns": [QualifiedColumn("live", COLUMN)],
    "inexact": Inexact(replace(CONVERTED, column=COLUMN)),
    "routine": TableName(TABLE.schema, "a {routine} %s"),
    "id_type": TypeName("bigint"),
    "converted": replace(CONVERTED, column=COLUMN),
}
ROUTINES = {
    "jobs/call/procedure": "PROCEDURE {} (bigint, jsonb) LANGUAGE sql AS ''",
    "jobs/call/function": "FUNCTION {} (bigint, jsonb) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1'",
    "jobs/call/check_procedure": "PROCEDURE {} (jsonb) LANGUAGE sql AS ''",
    "jobs/call/check_function": "FUNCTION {} (jsonb) RETURNS void LANGUAGE sql AS ''",
}
# The restore's temporary table holds the columns of the table, the sidecar's its identities.
NAMES_OF: Mapping[str, Mapping[str, Name | Sequence[Name]]] = {
    "restore": {"columns": ["id", COLUMN]},
    "restore/create_staged": {
        "columns": [Typed("id", TypeName("integer")), Typed(COLUMN, TypeName("timestamp without time zone"))]
    },
    "restore/create_seen": {"key": [Typed("id", TypeName("integer"))]},
    "restore/create_table": {"columns": [Typed("id", TypeName("integer")), Typed(COLUMN, TypeName("date"))]},
    "restore/convert": {"type": TypeName("date")},
    "restore/farthest_value": {"column": "id"},
    "archive/drop_partition/move": {
        "columns": ["id", "at"],
        "table": APART,
        "same_key": SameValues("target", "exported", ()),
    },
    "archive/drop_partition/move_all": {
        "columns": ["id", "at"],
        "table": APART,
        "same_key": SameValues("target", "exported", ()),
    },
    "archive/drop_partition/attach": {"partition": TableName(TABLE.schema, "apart"), "upper": Literal("2024-01-03")},
    "maintenance/inspect/measured": {"function": TableName("public", "pgstattuple_approx")},
    "maintenance/inspect/free_space": {"function": TableName("public", "pg_freespace")},
    "maintenance/inspect/index_density": {"function": TableName("public", "pgstatindex")},
    "maintenance/validate/check": {"function": TableName("public", "bt_index_check")},
    "maintenance/index/create": {"index": "a new index"},
    "maintenance/index/create_on_parent": {"index": "a frame", "table": PARENT, "column": "at"},
    "maintenance/index/attach": {
        "index": TableName(PARENT.schema, "old frame"),
        "part": TableName(PARENT.schema, "a part's"),
    },
}
OIDS = {
    "maintenance/inspect/measured": "pg_class",
    "maintenance/inspect/free_space": "pg_class",
    "maintenance/inspect/index_density": "pg_class_oid_index",
    "maintenance/validate/check": "pg_class_oid_index",
    "restore/sequence_value": "analytics.events_id_seq",
    "restore/set_sequence": "analytics.events_id_seq",
}
VALUES: Mapping[str, object] = {
    "after": 0,
    "kept": "{[1,2)}",
    "kept_rows": 1,
    "noted": True,
    "kept_positions": [1],
    "most_listed": 5,
    "after_start": hours_ago(2),
    "after_end": hours_ago(1),
    "after_generation": 0,
    "upto": 10,
    "start": hours_ago(2),
    "end": hours_ago(1),
    "earliest": hours_ago(2),
    "latest": hours_ago(1),
    "step": timedelta(hours=1),
    "origin": hours_ago(100),
    "limit": 5,
    "oid": 1259,
    "schema": "s",
    "table": "t",
    "column": "c",
    "client": "c",
    "name": "n",
    "number": 1,
    "id": 1,
    "generation": 1,
    "rows": 10,
    "csv_bytes": 1,
    "object_bytes": 1,
    "deleted": 1,
    "sha256": "x",
    "etag": "x",
    "manifest": "{}",
    "note": None,
    "cause": "given up",
    "run_id": "r",
    "bucket": "b",
    "object_key": "k",
    "cell_start": hours_ago(2),
    "cell_end": hours_ago(1),
    "span_start": hours_ago(2),
    "span_end": hours_ago(1),
    "application": "test",
    "lock_timeout": "1s",
    "statement_timeout": "1s",
    "idle_timeout": "1s",
    "state": "void",
    "target_schema": "s",
    "target_table": "t",
    "target_oid": 1259,
    "hold_days": 7,
    "partition_schema": "s",
    "partition_name": "p",
    "parent_schema": "s",
    "parent_name": "t",
    "lower": "2024-01-01",
    "upper": "2024-01-02",
    "bytes": 1,
    "path": "pg_catalog",
    "local": True,
    "read_only": "off",
    "ledger_version": "2",
    "encoding": "UTF8",
    "action": "index",
    "strategy": None,
    "ending": "done",
    "heap": 1,
    "indexes": 1,
    "toast": None,
    "longest_wait": 0.5,
    "older_than": timedelta(minutes=1),
    "within": timedelta(minutes=1),
    "oids": [1259],
    "process": 1,
    "everything": True,
    "cost_limit": "200",
    "check_interval": "1s",
    "names": ["tcp_keepalives_idle"],
    "settings": ["60"],
    "first": "(0,0)",
    "beyond": "(1,0)",
    "places": ["(0,1)"],
    "told": NOW,
    "most": 10,
    "mark": "800",
    "cost_delay": "0ms",
    "prefix": "",
    "token": "x",
    "host": "h",
    "port": "5432",
    "system_identifier": None,
    "database_oid": 1,
    "adopted": None,
    "folder": "client=c/schema=s/table=t/",
    "tail": "client=c/schema=s/table=t/k",
    "tails": ["client=c/schema=s/table=t/k"],
    "listed_key": "k",
    "starts": [hours_ago(2)],
    "ends": [hours_ago(1)],
    "generations": [1],
    "wall_start": hours_ago(2),
    "wall_end": hours_ago(1),
    "positions": "{[1,2)}",
    "own": ["{[1,2)}"],
    "key": ["id"],
    "type": "timestamp(3) with time zone",
    "value": 5,
    "part": 1259,
    "stream": "ledger",
    "job_id": 1,
    "job_name": "j",
    "source": "table",
    "source_database": "d",
    "database": "d",
    "subject": "s",
    "caused_by": "schedule",
    "dry_run": False,
    "worker": None,
    "dag_id": "d",
    "succeeded": True,
    "crashed": False,
    "counts": True,
    "sqlerrcode": None,
    "err_message": None,
    "output": None,
    "ids": [1],
    "keep": timedelta(days=1),
    "started_at": hours_ago(2),
    "finished_at": hours_ago(1),
    "next_start": hours_ago(1),
    "definition": "d",
    "reason": None,
    "run": 1,
    "run_ids": ["r"],
    "run_now": False,
    "jobs": ["j"],
    "databases": ["d"],
    "job_ids": [1],
    "definitions": ["d"],
    "states": ["idle"],
    "reasons": [None],
    "next_starts": [hours_ago(1)],
    "config": "{}",
    "whole": True,
    "for_check": False,
}
# Where a value of the same name is another one.
VALUES_OF: Mapping[str, Mapping[str, object]] = {
    "ledger/jobs/mirror": {"jobs": "[]"},
    "restore/drop_before": {"positions": ["{[1,2)}"]},
    "archive/export/middle_place": {"after": "(0,0)", "upto": "(9,9)"},
    "archive/export/rows_between": {"after": "(0,0)", "upto": "(9,9)"},
    "restore/drop_positions": {"positions": [1]},
    "restore/keep_positions": {"positions": [1]},
    "restore/add_found": {
        "manifest": '{"columns": [], "cell_start": "2024-01-01", "cell_end": "2024-01-02", "span_start": "2024-01-01",'
        ' "span_end": "2024-01-02", "generation": 1, "timestamp_kind": "date", "server": {"read_at": "2024-01-01"}}'
    },
}


# What the server takes only outside of a transaction, and how it answers here: done, or not called for.
ALONE = {
    "archive/drop_partition/detach_concurrently": None,
    "archive/drop_partition/detach_finalize": "55000",
    "maintenance/index/create": None,
    "maintenance/index/drop": None,
    "maintenance/reclaim/vacuum_full": None,
    "maintenance/vacuum/vacuum": None,
    "maintenance/validate/reindex": None,
    "maintenance/compact/vacuum": None,
    "maintenance/compact/truncate_end": None,
    "maintenance/compact/drop_index": None,
    "maintenance/compact/reindex": None,
}

LOADED = {
    "archive/delete/load_keys": b'version,key_0,key_1,key_2\n1,2,"(0,1)",4\n',
    "restore/load_staged": b"id,at\n1,2024-01-01\n",
    "restore/load_numbered": b"1,1,2024-01-01\n",
    "restore/load_seen": b"1\n",
}


def text_of(statement: str) -> str:
    return read_statement(statement)


def composed(statement: str) -> sql.Composed:
    wanted = re.findall(r"(?<!%)\{(\w+)\}", text_of(statement))
    names = {**NAMES, **NAMES_OF.get(statement.split("/", maxsplit=1)[0], {}), **NAMES_OF.get(statement, {})}
    return compose(statement, {name: names[name] for name in wanted})


@pytest.fixture
def furnished(place: Place) -> Place:
    """A database in which every statement finds what it speaks of."""
    identifier = named(TABLE)
    place.sql(EVENTS)
    place.sql(f"CREATE SCHEMA {sql.Identifier(TABLE.schema).as_string()}")
    place.sql(
        f"CREATE TABLE {identifier} (id int PRIMARY KEY, {sql.Identifier(COLUMN).as_string()} timestamp, label text)"
    )
    place.sql(f"INSERT INTO {identifier} VALUES (1, '{hours_ago(1.5)}', 'x')")
    parent, partition, apart = (
        sql.Identifier(TABLE.schema, name).as_string() for name in (PARENT.name, PARTITION.name, "apart")
    )
    place.sql(f"CREATE TABLE {parent} (id int, at timestamp) PARTITION BY RANGE (at)")
    place.sql(f"CREATE TABLE {partition} PARTITION OF {parent} FOR VALUES FROM ('2024-01-01') TO ('2024-01-02')")
    place.sql(f"CREATE TABLE {apart} (id int, at timestamp)")
    for extension in ("pgstattuple", "pg_freespacemap", "amcheck"):
        place.sql(f"CREATE EXTENSION {extension}")
    # As far as sets go, of pglogical.
    place.sql(
        "CREATE SCHEMA pglogical;"
        "CREATE TABLE pglogical.replication_set (set_id oid, set_name name, replicate_delete boolean);"
        "CREATE TABLE pglogical.replication_set_table (set_id oid, set_reloid regclass)"
    )
    place.sql(f"CREATE INDEX {sql.Identifier('an index %s').as_string()} ON {identifier} (id)")
    place.sql(f'CREATE INDEX "a part\'s" ON {partition} (at)')
    place.sql(f'CREATE INDEX "old frame" ON ONLY {parent} (at)')
    place.windows()
    with place.session() as session:
        JobTables(session).migrate()
    return place


def preparations(statement: str) -> list[str]:
    """The statements that make the temporary table as this one wants to find it."""
    for makers in (MAKE_KEYS, MAKE_STAGED, MAKE_SEEN, MAKE_OBJECTS):
        if statement in makers:
            return makers[: makers.index(statement)]
    needed = {
        "archiver_keys": MAKE_KEYS,
        "archiver_staged": MAKE_STAGED,
        "archiver_seen": MAKE_SEEN,
        "{target} ADD": MAKE_TARGET,
        "archiver_objects": MAKE_OBJECTS,
    }
    found = [makers for mark, makers in needed.items() if mark in text_of(statement)]
    return [maker for makers in found for maker in makers if maker != statement]


def test_every_statement_runs_on_a_real_server(furnished: Place) -> None:
    """In one transaction each, rolled back; those on the temporary table after those that make it."""
    with furnished.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET archiver.ledger_version = '2'")
        connection.commit()
        for statement in (name for name in EVERY if name not in MIGRATIONS and name not in ALONE):
            for preparation in preparations(statement):
                cursor.execute(composed(preparation), {})
            wanted = re.findall(r"%\((\w+)\)s", text_of(statement))
            values: dict[str, Any] = {name: {**VALUES, **VALUES_OF.get(statement, {})}[name] for name in wanted}
            if statement in OIDS:
                values["oid"] = furnished.sql("SELECT %s::regclass::oid", OIDS[statement])[0][0]
            if "part" in values:
                values["part"] = furnished.sql("SELECT %s::regclass::oid", named(TABLE))[0][0]
            if statement in ROUTINES:
                made = ROUTINES[statement].format(sql.Identifier(TABLE.schema, "a {routine} %s").as_string())
                cursor.execute(f"CREATE {made}".encode())
            if statement in LOADED:
                with cursor.copy(composed(statement), {"none": None}) as copy:
                    copy.write(LOADED[statement])
            elif re.search(r"\bCOPY \(", text_of(statement)):
                with cursor.copy(composed(statement), values) as copy:
                    assert b"".join(map(bytes, copy)).count(b"\n") == 2
            else:
                cursor.execute(composed(statement), values)
            connection.rollback()


@pytest.mark.parametrize("statement", sorted(ALONE))
def test_statements_that_take_no_transaction_run_on_a_real_server(furnished: Place, statement: str) -> None:
    with furnished.connect() as connection:
        connection.autocommit = True
        try:
            connection.execute(composed(statement), {"none": None})
            answer = None
        except psycopg.Error as error:
            answer = error.sqlstate
        assert answer == ALONE[statement]


def named(table: TableName) -> str:
    return sql.Identifier(table.schema, table.name).as_string()


@pytest.mark.parametrize("statement", [name for name in EVERY if name not in MIGRATIONS])
def test_every_statement_file_says_one_thing(statement: str) -> None:
    code = "\n".join(line for line in text_of(statement).splitlines() if not line.startswith("--"))
    assert ";" not in code
    assert code == code.strip() + ("\n" if code.endswith("\n") else "")


@pytest.mark.parametrize("stream", [LEDGER, JOBS])
def test_migrations_are_numbered_without_gaps(stream: str) -> None:
    assert [number for number, _ in list_migrations(stream)] == list(range(1, len(list_migrations(stream)) + 1))


def test_migrations_run_once(place: Place) -> None:
    place.sql(EVENTS)
    place.windows()
    first = place.sql("SELECT * FROM archiver.migrations ORDER BY number")
    place.windows()
    assert place.sql("SELECT * FROM archiver.migrations ORDER BY number") == first


def test_names_that_are_missing_unknown_or_too_many_are_refused() -> None:
    with pytest.raises(StatementError, match="wants"):
        compose("archive/delete/lock_table", {})
    with pytest.raises(StatementError, match="wants"):
        compose("archive/delete/lock_table", {"table": TABLE, "column": "x"})
    with pytest.raises(StatementError, match="wants"):
        compose("archive/plan/clock", {"table": TABLE})
    with pytest.raises(StatementError, match="no statement"):
        compose("delete/everything", {})


@pytest.mark.parametrize(
    "name",
    [
        '"',
        '""',
        '"; DROP TABLE x; --',
        "{table}",
        "{}",
        "%s",
        "%(start)s",
        "100%",
        "%%",
        "a.b",
        "'",
        "\\",
        "select",
        "É",
    ],
)
def test_no_name_can_break_out_of_its_quotes(place: Place, name: str) -> None:
    table = TableName(name, name)
    place.sql(f"CREATE SCHEMA {sql.Identifier(name).as_string()}")
    place.sql(f"CREATE TABLE {sql.Identifier(name, name).as_string()} ({sql.Identifier(name).as_string()} timestamp)")
    with place.session() as session:
        odd = session.fetch_one(
            "archive/plan/odd_timestamps", {"table": table, "column": name}, earliest=hours_ago(2), latest=hours_ago(1)
        )
        assert (odd.missing, odd.too_old, odd.in_the_future) == (0, 0, 0)
        session.execute("archive/delete/create_keys", {"names": ["version"], "columns": [name], "table": table})


@pytest.mark.parametrize(
    "name",
    [
        "integer",
        "character varying(20)",
        "numeric(10,-2)",
        "timestamp(3) without time zone[]",
        "interval day to second(3)",
        'public."Odd ""type"" %s {x}"',
        "bit varying(9)[]",
        '"char"',
        "public.geometry(Point,4326)",
    ],
)
def test_types_as_the_server_writes_them_are_taken_as_they_are(place: Place, name: str) -> None:
    assert TypeName(name).text == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "int; DROP TABLE x",
        "int) AS SELECT 1 --",
        "int -- x",
        "int/* x */",
        '"open',
        "int DEFAULT random()",
        "a.b.c",
        "x'y'",
    ],
)
def test_nothing_else_passes_as_a_type(place: Place, name: str) -> None:
    with pytest.raises(StatementError, match="is not a type"):
        TypeName(name)


@pytest.mark.parametrize("name", ["", "= 1 OR", "a", "--", "=--", "/*", "=)", ";", "'", '"'])
def test_nothing_else_passes_as_an_operator(name: str) -> None:
    key = replace(POINTING, pairs=(KeyPair("id", "id", ("pg_catalog", name)),))
    with pytest.raises(StatementError, match="is not an operator"):
        compose(
            "archive/export/has_rows",
            {"table": TABLE, "column": COLUMN, "unreferenced": NotReferenced("target", (key,))},
        ).as_string()


def test_an_operator_may_hold_what_drivers_read_for_a_value(furnished: Place) -> None:
    furnished.sql("CREATE FUNCTION public.same(int, int) RETURNS bool LANGUAGE sql AS 'SELECT $1 = $2'")
    furnished.sql("CREATE OPERATOR public.=% (FUNCTION = public.same, LEFTARG = int, RIGHTARG = int)")
    key = replace(POINTING, pairs=(KeyPair("id", "id", ("public", "=%")),))
    names: Names = {"table": TABLE, "column": COLUMN, "unreferenced": NotReferenced("target", (key,))}
    with furnished.session() as session:
        assert session.fetch_one("archive/export/has_rows", names, start=hours_ago(3), end=hours_ago(1)).found
