"""What users do to the table itself while a run is on: its columns, its files, its name, its partitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from psycopg import errors

from tests.faults.account import Account, Verdict
from tests.faults.archiving import Run
from tests.faults.comparing import compared
from tests.faults.meanwhile import (
    AFTER_CHECK,
    AFTER_EXPORT,
    BEFORE_DROP,
    BEFORE_LOCK,
    BETWEEN_BATCHES,
    IN_BATCH,
    IN_COMPARISON,
    LAST_WORD,
    MOMENTS,
    broken,
    change_as_users,
    fill,
)
from tests.faults.place import Place, hours_ago
from tests.faults.recorder import CONTENT, with_partitions, with_table

# What a user's own statement waits for a lock that the run holds; then it was kept out, and nothing happened.
_LOCK_TIMEOUT = "SET lock_timeout = '300ms'"
_NOTE = "INSERT INTO account.versions (table_name, row_id, content) SELECT %s, id, {content} FROM {table} {where}"

Shape = Literal["plain", "rows of partitions", "whole partitions", "beside a default one"]
SHAPES: tuple[Shape, ...] = ("rows of partitions", "whole partitions", "beside a default one")


@dataclass(frozen=True)
class Change:
    """Statements of a user, and those that take it back before the next run.

    `alone` are statements that take no transaction. `notes` is a condition: these rows have other contents, or are in
    the table, from now on. `keyed` is whether the table has to have a key, or must not. `keeps` tells that no row may
    leave in this run any more, since nothing of it was exported as it is now. Without `users` nobody writes rows just
    before it, and rows that had left may be there again after it.
    """

    do: str
    undo: str = ""
    alone: bool = False
    notes: str = ""
    keyed: bool | None = None
    keeps: bool = True
    users: bool = True


_SWAP = "ALTER TABLE {table} RENAME TO {name}_aside; ALTER TABLE {other} RENAME TO {name}"
_SWAP_BACK = "ALTER TABLE {table} RENAME TO {name}_other; ALTER TABLE {aside} RENAME TO {name}"
_COLUMNS_SWAP = (
    "ALTER TABLE {table} RENAME name TO spare; ALTER TABLE {table} RENAME data TO name;"
    "ALTER TABLE {table} RENAME spare TO data"
)
_EVERY = "WHERE true"
_SAME_AGAIN = "CREATE TEMP TABLE same ON COMMIT DROP AS SELECT * FROM {table}; TRUNCATE {table};"

CHANGES: dict[str, Change] = {
    "a column dropped and added again": Change(
        "ALTER TABLE {table} DROP COLUMN data, ADD COLUMN data jsonb DEFAULT '\"new\"'", notes=_EVERY
    ),
    "two columns swap their names": Change(_COLUMNS_SWAP, _COLUMNS_SWAP),
    "a column renamed": Change("ALTER TABLE {table} RENAME name TO title", "ALTER TABLE {table} RENAME title TO name"),
    "the timestamp column renamed": Change(
        "ALTER TABLE {table} RENAME triggered_at TO moment", "ALTER TABLE {table} RENAME moment TO triggered_at"
    ),
    "a column of another type, the files anew": Change("ALTER TABLE {table} ALTER weight TYPE bigint"),
    "a column of another type, the files as they were": Change("ALTER TABLE {table} ALTER name TYPE varchar"),
    "timestamps with a time zone": Change(
        "ALTER TABLE {table} ALTER triggered_at TYPE timestamptz USING triggered_at AT TIME ZONE 'UTC'",
        "ALTER TABLE {table} ALTER triggered_at TYPE timestamp USING triggered_at AT TIME ZONE 'UTC'",
    ),
    "a column added": Change(
        "ALTER TABLE {table} ADD COLUMN more text DEFAULT 'more'", "ALTER TABLE {table} DROP COLUMN more"
    ),
    "emptied, and the same rows again": Change(_SAME_AGAIN + "INSERT INTO {table} SELECT * FROM same"),
    "emptied, and other values under the same keys": Change(
        _SAME_AGAIN + "INSERT INTO {table} SELECT id, triggered_at, 'another ' || id, weight, data FROM same",
        notes=_EVERY,
    ),
    "deleted, and other values in the same places": Change(
        "CREATE TABLE {aside} AS SELECT * FROM {table}; DELETE FROM {table}; VACUUM {table};"
        "INSERT INTO {table} SELECT id, triggered_at, 'another ' || id, weight, data FROM {aside} ORDER BY id DESC;"
        "DROP TABLE {aside}",
        alone=True,
        notes=_EVERY,
    ),
    "another table under its name": Change(_SWAP, _SWAP_BACK),
    "a table made anew under its name": Change(
        "ALTER TABLE {table} RENAME TO {name}_gone; CREATE TABLE {table} (LIKE {gone} INCLUDING DEFAULTS);"
        "INSERT INTO {table} SELECT id, triggered_at, 'anew ' || id, weight, data FROM {gone}; DROP TABLE {gone};"
        "CREATE INDEX ON {table} (triggered_at)",
        notes=_EVERY,
        keyed=False,
    ),
    "a view under its name": Change(
        "ALTER TABLE {table} RENAME TO {name}_aside; CREATE VIEW {table} AS SELECT * FROM {aside}",
        "DROP VIEW {table}; ALTER TABLE {aside} RENAME TO {name}",
    ),
    "VACUUM FULL": Change("VACUUM FULL {table}", alone=True),
    "CLUSTER": Change("CLUSTER {table} USING {name}_triggered_at"),
    "SET UNLOGGED": Change("ALTER TABLE {table} SET UNLOGGED", "ALTER TABLE {table} SET LOGGED"),
    "the key dropped": Change(
        "ALTER TABLE {table} DROP CONSTRAINT {name}_pkey",
        "ALTER TABLE {table} ADD PRIMARY KEY (id)",
        keyed=True,
        # A batch compares columns, files and versions; what its rows have in their key they have without it.
        keeps=False,
    ),
    "children that would go with it": Change(
        "CREATE TABLE {child} (id bigint REFERENCES {table} (id) ON DELETE CASCADE);"
        "INSERT INTO {child} SELECT id FROM {table}",
        "DROP TABLE {child}",
        keyed=True,
    ),
    "a rule in the way of deletes": Change(
        "CREATE RULE kept AS ON DELETE TO {table} DO INSTEAD NOTHING", "DROP RULE kept ON {table}"
    ),
}
CHANGE_MOMENTS = (AFTER_EXPORT, AFTER_CHECK, BETWEEN_BATCHES, BEFORE_LOCK)

_OLD = "FOR VALUES FROM ('{first}') TO ('{due}')"
_ATTACH = "ALTER TABLE {table} ATTACH PARTITION {old} " + _OLD
_DETACH = "ALTER TABLE {table} DETACH PARTITION {old}"
_HEIR = "ALTER TABLE {table} ATTACH PARTITION {heir} FOR VALUES FROM ('{earliest}') TO ('{first}')"

PARTS: dict[str, Change] = {
    "detached, and attached before the next run": Change(_DETACH, _ATTACH),
    "detached, changed and attached": Change(
        f"{_DETACH}; UPDATE {{old}} SET name = 'changed apart ' || id; {_ATTACH}",
        notes="WHERE name LIKE 'changed apart%%'",
    ),
    "detached, rewritten and attached": Change(f"{_DETACH}; VACUUM FULL {{old}}; {_ATTACH}", alone=True),
    "detached, and another attached in its place": Change(
        f"{_DETACH}; DROP TABLE {{old}}; ALTER TABLE {{other}} RENAME TO {{name}}_old; {_ATTACH}",
        notes="WHERE name = 'another'",
        keyed=True,
        users=False,
    ),
    "a function over its row type": Change(
        "CREATE FUNCTION analytics.{name}_uses({old}) RETURNS integer LANGUAGE sql AS 'SELECT 1'", keeps=False
    ),
    "a view over it": Change("CREATE VIEW {aside} AS SELECT * FROM {old}", keeps=False),
    "another's default from its sequence": Change(
        "CREATE SEQUENCE analytics.{name}_numbers OWNED BY {old}.weight;"
        "CREATE TABLE {gone} (number bigint DEFAULT nextval('analytics.{name}_numbers'))",
        keeps=False,
    ),
    "one with older rows attached": Change(_HEIR, notes="WHERE id >= 5000", keeps=False),
    "one with older rows attached and rewritten": Change(
        f"{_HEIR}; VACUUM FULL {{heir}}", notes="WHERE id >= 5000", alone=True, keeps=False
    ),
}
PART_MOMENTS = (AFTER_EXPORT, AFTER_CHECK, BETWEEN_BATCHES, LAST_WORD, IN_BATCH, IN_COMPARISON, BEFORE_DROP)


@dataclass(frozen=True)
class Trial:
    """A change at a moment, of a table with a key or without."""

    what: str
    change: Change
    moment: str
    keyed: bool
    shape: Shape = "plain"

    def __str__(self) -> str:
        key = "" if self.keyed else ", no key"
        return f"{self.what} {self.moment} ({self.shape}{key})"


def trials() -> Iterator[Trial]:
    """Each change at each of its moments, with a key and without in turn; and each of the partitions in each shape."""
    for row, (what, change) in enumerate(CHANGES.items()):
        for column, moment in enumerate(CHANGE_MOMENTS):
            keyed = (row + column) % 2 == 0 if change.keyed is None else change.keyed
            yield Trial(what, change, moment, keyed)
    for row, (what, change) in enumerate(PARTS.items()):
        for column, moment in enumerate(PART_MOMENTS):
            for number, shape in enumerate(SHAPES):
                if _comes_by(shape, moment):
                    keyed = (row + column + number) % 2 == 0 if change.keyed is None else change.keyed
                    yield Trial(what, change, moment, keyed, shape)


def _comes_by(shape: Shape, moment: str) -> bool:
    """Whether a run on such a table has this moment."""
    of_drops = moment in {LAST_WORD, IN_COMPARISON, BEFORE_DROP}
    of_batches = moment in {BETWEEN_BATCHES, IN_BATCH}
    return not (of_drops if shape == "rows of partitions" else of_batches)


def tried(place: Place, name: str, trial: Trial) -> Verdict:
    """One run with the change in its midst, then plain runs and the full check."""
    table = _prepared(place, name, trial)
    account = Account(table, balanced=trial.change.users)
    left: list[int] = []

    def act() -> None:
        if trial.change.users:
            change_as_users(table)
        if _changed(table, trial.change):
            # The run may hold the partition that would be counted, and waits for this.
            left.append(_rows_anywhere(table) if trial.change.keeps else 0)

    found = broken(table, trial.moment, act)
    problems: tuple[str, ...] = () if found.done else ("the moment never came",)
    if left and trial.change.keeps and _rows_anywhere(table) != left[0]:
        problems = (f"{left[0] - _rows_anywhere(table)} row(s) left after the change",)
    account.witness.look(table)
    if trial.change.undo and left:
        _take_back(table, trial.change)
    Run.of(table).settle()
    verdict = Verdict(problems=problems) + account.check()
    _make_again(table)
    return verdict + compared(table)


def _prepared(place: Place, name: str, trial: Trial) -> Place:
    """The table, and beside it what a change may put into its place: other values under the same keys."""
    if trial.shape == "plain":
        table = fill(with_table(place, name, keyed=trial.keyed, batch_size=2))
    else:
        default = trial.shape == "beside a default one"
        table = fill(with_partitions(place, name, keyed=trial.keyed, default=default, batch_size=2))
        if trial.shape == "rows of partitions":
            table = replace(table, policy=table.policy.model_copy(update={"drop_partitions": False}))
    names = _names(table)
    for what in ("other", "heir"):
        table.sql(f"CREATE TABLE {names[what]} (LIKE {table.relation} INCLUDING DEFAULTS)")
    for number, moment in enumerate(MOMENTS, 1):
        table.sql(f"INSERT INTO {names['other']} VALUES (%s, %s, 'another', 0, NULL)", number, moment)
    for number in range(3):
        moment = hours_ago(150 - number / 60)
        table.sql(f"INSERT INTO {names['heir']} VALUES (%s, %s, 'an heir', 0, NULL)", 5000 + number, moment)
    return table


def _names(table: Place) -> dict[str, str]:
    name = table.order.table.name
    others = {what: f"analytics.{name}_{what}" for what in ("other", "aside", "gone", "child", "heir", "old")}
    return {
        "table": table.relation,
        "name": name,
        "due": str(hours_ago(49)),
        "first": str(hours_ago(100)),
        "earliest": str(hours_ago(200)),
        **others,
    }


def _changed(table: Place, change: Change) -> bool:
    """Makes the change and notes what the rows are then, in one transaction if it may be; false if it was kept out."""
    names = _names(table)
    with table.server.connect(table.database, autocommit=change.alone) as connection:
        connection.execute(_LOCK_TIMEOUT)
        try:
            for statement in change.do.format(**names).split(";"):
                connection.execute(statement.encode())
            if change.notes:
                note = _NOTE.format(content=CONTENT, table=table.relation, where=change.notes)
                connection.execute(note.encode(), [str(table.order.table)])
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            return False
        except (errors.UndefinedTable, errors.ObjectNotInPrerequisiteState, errors.WrongObjectType):
            # The partition that it is about has been detached or dropped by now.
            return False
    return True


def _take_back(table: Place, change: Change) -> None:
    names = _names(table)
    if change is PARTS["detached, and attached before the next run"]:
        where = "SELECT FROM pg_class WHERE oid = to_regclass(%s) AND NOT relispartition"
        with table.server.connect(table.database) as connection:
            if not connection.execute(where, [names["old"]]).rowcount:
                return
    for statement in change.undo.format(**names).split(";"):
        table.sql(statement)


def _rows_anywhere(table: Place) -> int:
    """How many rows the table holds, and what was the table or its partition before the change."""
    names = _names(table)
    kind = "SELECT relkind, relispartition FROM pg_class WHERE oid = to_regclass(%s)"
    rows = 0
    for name in (table.relation, names["aside"], names["old"]):
        for relkind, is_partition in table.sql(kind, name):
            if relkind in {"r", "p"} and not is_partition:
                rows += table.sql(f"SELECT count(*) FROM {name}")[0][0]
    return rows


def _make_again(table: Place) -> None:
    """The partition of the older rows, if it was attached and then dropped whole: they are to come back into it."""
    names = _names(table)
    partitioned = table.sql("SELECT relkind = 'p' FROM pg_class WHERE oid = %s::regclass", table.relation)[0][0]
    if partitioned and not table.sql("SELECT to_regclass(%s) IS NOT NULL", names["heir"])[0][0]:
        table.sql(
            "CREATE TABLE {heir} PARTITION OF {table} FOR VALUES FROM ('{earliest}') TO ('{first}')".format(**names)
        )
