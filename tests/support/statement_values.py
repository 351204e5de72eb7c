"""What each statement file is given where it is tried: names, values, and what must stand before it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from psycopg import sql

from pg_archiver.domain.tables import ForeignKey, KeyPair, TableName
from pg_archiver.domain.windows import TimestampKind
from pg_archiver.postgres.statements import (
    FOLDER,
    BelowFloors,
    ColumnTime,
    Converted,
    Descending,
    Inexact,
    Literal,
    Name,
    NotReferenced,
    QualifiedColumn,
    SameValues,
    Typed,
    TypeName,
    compose,
    read_statement,
)
from tests.support.place import hours_ago
from tests.support.statement_values_of_events import OF_LISTS, VALUES_OF_EVENTS
from tests.support.statement_values_of_jobs import NAMES_OF_JOBS, SCHEMA, VALUES_OF_JOBS

EVERY = sorted(
    name
    for name in (path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.sql"))
    if not name.startswith("roles/") and "/fragments/" not in name
)
MIGRATIONS = [name for name in EVERY if "migrations/" in name]
TABLE = TableName(SCHEMA, "odd {table}")
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
MAKE_SAVEPOINT = ["postgres/functions/savepoint"]
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
    "moment": ColumnTime("target", COLUMN, TimestampKind.TIMESTAMP),
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
    "converted": replace(CONVERTED, column=COLUMN),
    **NAMES_OF_JOBS,
}
VERSION_NAMES: Mapping[str, Name | Sequence[Name]] = {
    "columns": [QualifiedColumn("target", name) for name in ("id", "label", COLUMN)],
    "key": [QualifiedColumn("target", "label")],
    "usable": [QualifiedColumn("target", name) for name in ("label", "id")],
    "newest_first": [Descending("target", name) for name in ("id", "ctid")],
    "version": "id",
    "type": TypeName("bigint"),
    "below_floors": BelowFloors("target", "id", ((TABLE, "id"), (TABLE, "id"))),
}
# The restore's temporary table holds the columns of the table, the sidecar's its identities.
NAMES_OF: Mapping[str, Mapping[str, Name | Sequence[Name]]] = {
    "restore": {"columns": ["id", COLUMN]},
    "restore/create_staged": {
        "columns": [Typed("id", TypeName("integer")), Typed(COLUMN, TypeName("timestamp without time zone"))]
    },
    "postgres/listen/listen_on": {"channel": "archiver_test"},
    "restore/create_seen": {"key": [Typed("id", TypeName("integer"))]},
    "restore/create_table": {"columns": [Typed("id", TypeName("integer")), Typed(COLUMN, TypeName("date"))]},
    "restore/convert": {"type": TypeName("date")},
    "restore/farthest_value": {"column": "id"},
    "partitions/move": {
        "columns": ["id", "at"],
        "table": APART,
        "same_key": SameValues("target", "exported", ()),
    },
    "partitions/move_all": {
        "columns": ["id", "at"],
        "table": APART,
        "same_key": SameValues("target", "exported", ()),
    },
    "partitions/attach": {"partition": TableName(TABLE.schema, "apart"), "upper": Literal("2024-01-03")},
    "purge": VERSION_NAMES,
    "versions": VERSION_NAMES,
    "archive/export/rows_of_versions": {
        **VERSION_NAMES,
        "below_floors": BelowFloors("target", "id", ()),
        "identity": [QualifiedColumn("target", name) for name in ("xmin", "tableoid", "ctid")],
        "written": [QualifiedColumn("target", name) for name in ("id", COLUMN)],
    },
    "archive/delete/list_newest": VERSION_NAMES,
    "archive/delete/find_superseded": VERSION_NAMES,
    "purge/versions/list": {"key_descending": [Descending("target", "label")]},
    "purge/versions/list_of_keys": {
        "wanted": [QualifiedColumn("wanted", "label")],
        "key_types": [Typed("label", TypeName("text"))],
    },
    # A view that has their columns.
    "jobs/policy_table/rows": {"table": TableName("archiver", "data_retention_policy")},
    "postgres/functions/set": {"setting": "statement_timeout", "value": Literal("1s")},
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
    **VALUES_OF_EVENTS,
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
    "commit": "off",
    "shared": "n",
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
    "ledger_version": "3",
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
    "most": 10,
    "hours": 24,
    "rows_a_day": 5,
    "longest": timedelta(days=7),
    "mark": "800",
    "oldest": "800",
    "gone": "{[5,6)}",
    "missed": False,
    "cost_delay": "0ms",
    "prefix": "",
    "token": "x",
    "host": "h",
    "port": "5432",
    "system_identifier": None,
    "database_oid": 1,
    "adopted": None,
    "endpoint": "https://s3.eu-central-1.amazonaws.com",
    "refused": True,
    "folder": "client=c/schema=s/table=t/",
    "tail": "client=c/schema=s/table=t/k",
    "tails": ["client=c/schema=s/table=t/k"],
    "listed_key": "k",
    "starts": [hours_ago(2)],
    "ends": [hours_ago(1)],
    "cell_starts": [hours_ago(2)],
    "cell_ends": [hours_ago(1)],
    "span_starts": [hours_ago(2)],
    "span_ends": [hours_ago(1)],
    "object_keys": ["k"],
    "tokens": ["x"],
    "ids": [1],
    "manifests": ["{}"],
    "rows_of_each": [10],
    "csv_bytes_of_each": [1],
    "object_bytes_of_each": [1],
    "sha256_of_each": ["x"],
    "etags": ["x"],
    "generations": [1],
    "wall_start": hours_ago(2),
    "wall_end": hours_ago(1),
    "positions": "{[1,2)}",
    "own": ["{[1,2)}"],
    "key": ["id"],
    "type": "timestamp(3) with time zone",
    "value": 5,
    "part": 1259,
    "skip": 0,
    "batch_size": 2,
    **VALUES_OF_JOBS,
}
PLACES = {"parts": "{1259}", "places": '{"(0,1)"}', "first": hours_ago(2), "last": hours_ago(1)}
OF_VERSIONS = {
    **PLACES,
    "up_to": "5",
    "keep": 3,
    "highest": "7",
    "timed": True,
    "kept_parts": PLACES["parts"],
    "kept_places": PLACES["places"],
}
# Where a value of the same name is another one.
RECEIVED = {"source": "etcd 1 /q/", "channel": "/q", "hashes": [b"x" * 32], "revisions": [1]}
VALUES_OF: Mapping[str, Mapping[str, object]] = {
    **OF_LISTS,
    "events/received/forget": RECEIVED,
    "events/received/receive": {**RECEIVED, "keys": [b"/q/a"], "contents": [b"1"]},
    "ledger/jobs/mirror": {"jobs": "[]"},
    "ledger/jobs/count_versions": {"keys": 1},
    "postgres/functions/transaction_status": {"name": "3"},
    "purge/delete_listed": PLACES,
    "purge/delete_oldest": {**PLACES, "state": "1259"},
    "purge/list_oldest": PLACES,
    "purge/lock_listed": PLACES,
    "purge/count_due": PLACES,
    "versions/columns": {"names": ["id"]},
    "versions/survey": {**OF_VERSIONS, "held": None},
    "versions/survey_cells": {**OF_VERSIONS, "held": None, "step": timedelta(hours=8784)},
    "versions/plan_pass": {"joins": "on"},
    "archive/export/rows_of_versions": OF_VERSIONS | {"first": hours_ago(9), "keep": 0, "up_to": None},
    "archive/delete/batch": {"superseded": "{[1,2)}"},
    "archive/delete/find_superseded": OF_VERSIONS,
    "archive/delete/lock_superseded": {"superseded": "{[1,2)}"},
    "archive/delete/list_newest": OF_VERSIONS,
    "purge/versions/list": {**OF_VERSIONS, "in_parts": True},
    "purge/versions/list_of_keys": {**OF_VERSIONS, "keys": '[{"label": "x"}]', "most": 5},
    "versions/lock_kept": PLACES,
    "purge/versions/lock_superseded": OF_VERSIONS,
    "purge/versions/delete": OF_VERSIONS,
    "purge/versions/table_state": {"keys": ["id"]},
    "purge/versions/lock_settled": PLACES,
    "purge/versions/delete_settled": OF_VERSIONS,
    "versions/lowest_bound": {"bounds": ["5", None]},
    "purge/count_partition": PLACES,
    "restore/drop_before": {"positions": ["{[1,2)}"]},
    "archive/export/sub_ranges_by_rank": {"step": 5},
    "archive/export/sub_ranges_by_time": {"width": timedelta(seconds=5), "origin": "2026-01-01"},
    "verify/old_rows": {"parts": [1259]},
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
    "partitions/detach_concurrently": None,
    "partitions/detach_finalize": "55000",
    "versions/next_batch": "34000",
    "versions/close": "34000",
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
        "SAVEPOINT archiver_event": MAKE_SAVEPOINT,
    }
    found = [makers for mark, makers in needed.items() if mark in text_of(statement)]
    return [maker for makers in found for maker in makers if maker != statement]


def named(table: TableName) -> str:
    return sql.Identifier(table.schema, table.name).as_string()
