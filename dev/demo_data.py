"""The demo's databases, made anew: the same rows each time, with times counted back from now."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from dev.demo_clients import BANK, CLIENTS, EVENT_CLIENTS, DemoClient, Events
from dev.demo_functions import set_up_functions
from dev.demo_jobs import set_up_procedure
from dev.demo_pgbench import Pgbench
from dev.demo_policies import set_up_tables
from dev.postgres import PostgresServer
from dev.stack import BUCKET, Stack

SEED = 0.42
_ROWS_A_STATEMENT = 50_000
_FOLDER = Path(__file__).parent
_WORDS = (
    "amber anchor apple arrow autumn basket beacon birch blossom border bridge bright button candle canvas carbon "
    "castle cedar chapter cherry circle cliff cloud clover coast copper coral corner cotton cradle crystal curtain "
    "dawn delta desert dragon early eagle echo ember falcon feather fern field flame forest garden gentle glacier "
    "golden granite harbor hazel hollow honey horizon island ivory jasmine juniper kernel lagoon lantern laurel "
    "lemon linen lotus lunar maple marble meadow mellow meteor mint mirror morning nectar nimble ocean olive orbit "
    "orchid otter paper pebble pepper pine planet plum pocket polar prairie quartz quiet rapid raven ribbon ridge "
    "river rocket saffron sail"
)


def is_loaded(stack: Stack) -> bool:
    """Say whether the demo data were loaded to the end into this stack's state."""
    return _note(stack).exists() and all(stack.postgres.has_database(client.database) for client in CLIENTS)


def load(stack: Stack) -> datetime:
    """Drop what an earlier demo left, rows and objects, and load the data.

    Returns the moment that the events count back from, UTC without an offset, as the tables write it.
    """
    _note(stack).unlink(missing_ok=True)
    if removed := stack.s3.empty_bucket(BUCKET):
        print(f"removed {removed:,} objects of an earlier demo", flush=True)
    for client in CLIENTS:
        _create_database(stack.postgres, client.database)
    pgbench = Pgbench(stack)
    try:
        pgbench.start_filling()  # fills the bank while we load the others
        now = datetime.now(UTC).replace(tzinfo=None)
        for client in EVENT_CLIENTS:
            if client.events:
                _load_events(stack.postgres, client, client.events, now)
        set_up_procedure(stack.postgres)
        set_up_tables(stack.postgres)
        set_up_functions(stack.postgres)
        pgbench.finish()
    finally:
        pgbench.stop()
    with stack.postgres.connect(BANK.database) as connection:
        _tell(connection, BANK)
    _note(stack).write_text(now.isoformat())
    return now


def _note(stack: Stack) -> Path:
    return stack.state_directory / "demo-loaded-at"


def _create_database(postgres: PostgresServer, name: str) -> None:
    with postgres.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    postgres.create_database(name)


def _load_events(postgres: PostgresServer, client: DemoClient, events: Events, now: datetime) -> None:
    words = _WORDS.split()
    random.Random(SEED).shuffle(words)  # noqa: S311  # the same shuffle each time is what is wanted
    statement = (_FOLDER / "demo_events.sql").read_bytes()
    with postgres.connect(client.database) as connection:
        connection.execute((_FOLDER / "demo_table.sql").read_bytes())
        connection.execute("SELECT setseed(%s)", [SEED])
        for first, last in _slices(events.count):
            values = {"first": first, "last": last, "now": now, "step": events.step, "words": " ".join(words)}
            connection.execute(statement, values)
            if last:
                print(f"  {client.name}: {events.count - last:,} of {events.count:,} rows", flush=True)
        _tell(connection, client)


def _slices(count: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last number of each statement's rows, counting down, so that ids rise with time."""
    for end in range(count, 0, -_ROWS_A_STATEMENT):
        yield end - 1, max(0, end - _ROWS_A_STATEMENT)


def _tell(connection: psycopg.Connection, client: DemoClient) -> None:
    table = sql.Identifier(client.schema, client.table)
    connection.execute(sql.SQL("ANALYZE {}").format(table))
    found = connection.execute(
        sql.SQL("SELECT count(*), pg_table_size({}::regclass) / 1e6 FROM {}").format(table.as_string(connection), table)
    ).fetchone()
    if found:
        print(f"{client.name}: {found[0]:,} rows, {found[1]:.1f} MB", flush=True)
