"""Whatever happens to Postgres in mid-run: a plain rerun finishes the work and no row is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from pg_archiver.errors import DatabaseInterrupted
from pg_archiver.postgres.base_session import SessionLimits
from tests.faults.account import Account
from tests.faults.archiving import Run
from tests.faults.place import Place
from tests.faults.postgres_faults import (
    FAULTS,
    RESTARTS,
    ROWS,
    cancel,
    checked,
    holding,
    restart,
    table_of,
    tried,
    waiting,
)
from tests.faults.recorder import opened
from tests.faults.standby import standby_of
from tests.faults.storm import Storm
from tests.support.concurrency import until

# One of each kind of fault; all of them are tried by `python -m tests.faults`.
SAMPLE = (
    "session ended in mid-COPY",
    "session ended in mid-delete without a key",
    "transaction idle for too long",
    "connection cut before the second batch's COMMIT",
    "connection cut after the first batch's COMMIT",
    "connection cut after the last batch's COMMIT",
    "connection cut after the creation of the ledger",
    "connection cut after the begin of a generation",
    "connection cut after the note of the export",
    "connection cut after the note of the check",
    "connection cut after the end of a generation",
)
DURABLE = {"fsync": "on", "deadlock_timeout": "50ms"}


@pytest.fixture(scope="module")
def durable_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("durable"), DURABLE) as server:
        yield server


@pytest.fixture(scope="module")
def durable_place(durable_server: PostgresServer, rclone: RcloneS3) -> Iterator[Place]:
    """A place on a server that keeps what it has promised."""
    with Place.made(durable_server, rclone, "durable") as made:
        yield opened(made)


@pytest.mark.more
@pytest.mark.parametrize("name", SAMPLE)
def test_no_row_is_lost_when_postgres_breaks_a_run_off(place: Place, name: str) -> None:
    verdict = tried(place, f"broken{list(FAULTS).index(name)}", FAULTS[name])
    assert verdict.good, str(verdict)


@pytest.mark.more
def test_no_row_is_lost_when_the_server_is_stopped_at_once_in_mid_run(durable_place: Place) -> None:
    for number, (name, broken) in enumerate(RESTARTS.items()):
        verdict = tried(durable_place, f"stopped{number}", broken)
        assert verdict.good, f"{name}: {verdict}"


@pytest.mark.more
def test_no_row_is_lost_when_the_server_dies_under_writers_and_archives(durable_place: Place) -> None:
    def dying() -> None:
        time.sleep(0.7)
        restart(durable_place)

    storm = Storm(durable_place, "dying", "restarts", 400, keyed=False, during=dying)
    verdict = storm.run()
    assert verdict.good, f"{verdict} ({dict(storm.events)})"


@pytest.mark.parametrize("step", ["plan", "export", "delete"])
def test_a_step_waits_briefly_for_a_locked_table_and_then_says_so(place: Place, step: str) -> None:
    table = table_of(place, f"locked_{step}")
    run, windows = checked(table) if step == "delete" else (Run.of(table), Run.of(table).plan())
    run = replace(run, limits=SessionLimits(lock=timedelta(milliseconds=300)))
    steps: dict[str, Callable[[], object]] = {
        "plan": run.plan,
        "export": lambda: run.export(windows),
        "delete": lambda: run.delete(windows),
    }
    started = time.monotonic()
    with (
        holding(table, f"LOCK TABLE {table.relation} IN ACCESS EXCLUSIVE MODE"),
        pytest.raises(DatabaseInterrupted, match=r"lock timeout.*Another session holds a lock"),
    ):
        steps[step]()
    assert time.monotonic() - started < 5
    assert table.rows() == ROWS
    Run.of(table).settle()
    Account(table).assert_good()


def test_a_statement_that_takes_too_long_ends_with_the_limit_in_its_message(place: Place) -> None:
    table = table_of(place, "slow")
    run, windows = checked(table)
    run = replace(run, limits=SessionLimits(timedelta(milliseconds=300), "what this test sets"))
    with (
        holding(table, f"SELECT FROM {table.relation} WHERE id = 1 FOR UPDATE"),
        pytest.raises(
            DatabaseInterrupted, match=r"statement timeout.*limit is 0\.3 seconds a statement, by what this test sets"
        ),
    ):
        run.delete(windows)
    assert table.rows() == ROWS
    Run.of(table).settle()
    Account(table).assert_good()


def test_a_statement_that_someone_cancels_is_not_said_to_have_met_the_limit(place: Place) -> None:
    table = table_of(place, "unwanted")
    run, windows = checked(table)
    lock = f"SELECT FROM {table.relation} WHERE id = 1 FOR UPDATE"
    with ThreadPoolExecutor(max_workers=1) as pool, holding(table, lock):
        deleting = pool.submit(run.delete, windows)
        until(lambda: waiting(table))
        cancel(table)
        with pytest.raises(DatabaseInterrupted, match="Someone cancelled it, after") as caught:
            deleting.result()
    assert "The limit is" not in str(caught.value)
    assert table.rows() == ROWS
    Run.of(table).settle()
    Account(table).assert_good()


def test_a_standby_is_an_interruption_of_every_step_that_writes(place: Place, tmp_path: Path) -> None:
    table = table_of(place, "copied")
    run, windows = checked(table)
    with standby_of(place.server, tmp_path / "standby") as standby:
        followed = Run(
            lambda: psycopg.connect(**standby.dsn(place.database)), run.database, run.store, run.order, run.policy
        )
        steps: list[Callable[[], object]] = [
            followed.plan,
            lambda: followed.export(windows),
            lambda: followed.check(windows),
            lambda: followed.delete(windows),
        ]
        for step in steps:
            # Retried: right after a failover the writer's address may lead to one.
            where = rf"at {standby.host}:{standby.port} is on a standby.*point the Airflow connection at the primary"
            with pytest.raises(DatabaseInterrupted, match=where):
                step()
    assert table.rows() == ROWS
    run.settle()
    Account(table).assert_good()
