"""The benchmark's harness, on a table of two hours: it measures only runs that did all of the work and no more.

The peers that need packages of their own are left to `make bench`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench import choosing, compressions, restore, restore_memory
from bench.archive_data import DATABASE, Load, Loaded, drop, fresh_copy, load_template, refuse_other_rows
from bench.job_databases import CONTROL, TEMPLATE, JobDatabases
from bench.many_windows import ROWS_A_WINDOW, ManyWindows
from bench.peer_runs import Run, run_peer
from bench.place import BUCKET, Place, written_policies
from bench.place_by_tls import PLAIN, served_by_tls
from bench.requests_counted import counted
from bench.small_clients import ROWS_A_DAY, SmallClients
from bench.small_clients import TEMPLATE as SMALL_CLIENT
from bench.window_counts import count_windows
from dev.postgres import PostgresServer
from dev.processes import ProcessError
from dev.s3 import RcloneS3, S3Server
from pg_archiver.postgres.session import Session

pytestmark = pytest.mark.more

ROWS, HOURS = 400, 2


@pytest.fixture
def bench(server: PostgresServer, rclone: S3Server, tmp_path: Path) -> Place:
    rclone.create_bucket(BUCKET)
    return Place(server, server, rclone, written_policies(tmp_path), rclone.endpoint_url, tmp_path)


@pytest.fixture
def loaded(bench: Place) -> Iterator[Loaded]:
    yield load_template(bench.postgres, Load("bench_template", ROWS, HOURS))
    drop(bench.postgres, DATABASE)
    drop(bench.postgres, "bench_template")


def test_each_peer_archives_all_rows_but_todays_and_is_measured(bench: Place, loaded: Loaded) -> None:
    assert 1460 < loaded.csv_bytes / ROWS < 1480
    for peer in ("floor", "script", "engine"):
        run = run_peer(bench, loaded, Path(sys.executable), f"bench.peers.{peer}")
        assert run.rows == ROWS
        assert run.seconds > 0
        assert run.peak_mb > 10
        assert run.wal_bytes > ROWS * 50
        assert run.cpu_s is not None
        assert set(run.cpu_s) == {"worker", "postgres", "s3"}
        assert bench.s3.empty_bucket(BUCKET) == 0, "the next peer must begin with an empty bucket"
    # The last one is ours. The kernel counts in hundredths of a second, of which the others may not take one.
    assert run.cpu_s
    assert run.cpu_s["worker"] > 0
    assert run.cpu_s["postgres"] > 0


def test_rows_are_brought_back_in_each_way_and_compared(bench: Place) -> None:
    found = restore.measured(bench, restore.Scale(ROWS, HOURS, repeats=1))
    assert all(found["runs"][key][0]["csv_bytes"] > ROWS * 1460 for key in restore.WAYS)
    assert found["restore_of_copy_from"] == round(found["restore_mb_s"] / found["copy_from_mb_s"], 3)
    assert [line.split(" | ")[0] for line in restore.table(found).splitlines()[-3:]] == [
        f"| {name}" for name in restore.WAYS.values()
    ]
    for name in (DATABASE, restore.ARCHIVED):
        drop(bench.postgres, name)


def test_an_archive_of_many_windows_is_one_that_a_restore_reads(bench: Place, rclone: RcloneS3) -> None:
    bench.postgres.create_database("many_windows")
    # One that rclone has not looked into: it remembers for a while what it saw.
    rclone.create_bucket("many-windows")
    with bench.postgres.connect("many_windows") as connection:
        connection.execute(restore_memory.TABLE.encode())
        order = replace(restore_memory.ORDER, bucket="many-windows")
        with Session.connect(lambda: bench.postgres.connect("many_windows"), "many_windows", "bench") as session:
            ManyWindows(order, 3).make(session, rclone.bucket_folder("many-windows"))
        task = bench.task() | {
            "postgres": bench.postgres.dsn("many_windows"),
            "bucket": "many-windows",
            "dry_run": False,
        }
        figures = [restore_memory.restored_here(task | {"windows": windows}) for windows in (1, 3)]
        assert [(found["windows"], "error" in found) for found in figures] == [(1, False), (3, False)]
        assert connection.execute("SELECT count(*) FROM analytics.back_3").fetchone() == (3 * ROWS_A_WINDOW,)
    drop(bench.postgres, "many_windows")


def test_a_look_at_jobs_checks_and_takes_each_of_them(bench: Place) -> None:
    databases = JobDatabases(bench.postgres, 2)
    databases.make()
    found = choosing.looks(databases, bench.folder, 6, times=1)
    assert {key: len(looks) for key, looks in found.items()} == {"first": 1, "choose": 1, "idle": 1}
    assert all(look["peak_mb"] >= look["before_mb"] > 10 for looks in found.values() for look in looks)
    assert databases.runs() == []
    for name in (*databases.names, CONTROL, TEMPLATE):
        drop(bench.postgres, name)


def test_requests_are_counted_and_scaled_to_a_million_rows(bench: Place, loaded: Loaded) -> None:
    def script(place: Place) -> Run:
        return run_peer(place, loaded, Path(sys.executable), "bench.peers.script")

    found = counted(bench, script)
    assert found["requests"] == {"PutObject": HOURS}
    assert found["requests_per_million_rows"] == HOURS * 1_000_000 / ROWS


def test_a_run_that_left_rows_or_took_too_many_is_refused(bench: Place, loaded: Loaded) -> None:
    fresh_copy(bench.postgres, loaded)
    with pytest.raises(ProcessError, match="left other rows"):
        refuse_other_rows(bench.postgres, "nobody")
    with bench.postgres.connect(DATABASE) as connection:
        connection.execute("DELETE FROM analytics.events WHERE id > 0")
        refuse_other_rows(bench.postgres, "all that was due")
        connection.execute("DELETE FROM analytics.events")
    with pytest.raises(ProcessError, match="left other rows"):
        refuse_other_rows(bench.postgres, "too much")


def test_a_peer_that_fails_fails_the_benchmark_with_the_end_of_its_log(bench: Place, loaded: Loaded) -> None:
    elsewhere = replace(bench, s3_url="http://127.0.0.1:9")
    with pytest.raises(ProcessError, match=r"(?s)script ended before it was done.*Could not connect"):
        run_peer(elsewhere, loaded, Path(sys.executable), "bench.peers.script")


def test_small_clients_get_a_day_after_the_other_and_leftovers_are_refused(bench: Place) -> None:
    clients = SmallClients(bench.postgres, ["small_a", "small_b"], days=2)
    for day in range(1, 3):
        clients.add_day()
        with bench.postgres.connect("small_b") as connection:
            found = connection.execute("SELECT count(DISTINCT id), count(DISTINCT triggered_at) FROM analytics.events")
            assert found.fetchone() == (day * ROWS_A_DAY + 1, day * ROWS_A_DAY + 1)
    with pytest.raises(ProcessError, match="left other rows in small_a"):
        clients.refuse_leftovers("nobody")
    clients.drop()
    drop(bench.postgres, SMALL_CLIENT)


def test_what_a_small_window_asks_for_is_counted_alone_and_in_a_group(bench: Place) -> None:
    found = count_windows(bench)
    assert 1 < found["small_window_requests"] <= 8
    assert found["small_window_statements"] <= 45
    assert found["small_window_grouped_statements"] < found["small_window_statements"] / 6
    assert bench.s3.empty_bucket(BUCKET) == 0
    drop(bench.postgres, SMALL_CLIENT)


def test_events_go_with_each_compression_and_by_tls(bench: Place) -> None:
    loaded = load_template(bench.postgres, Load("bench_events", ROWS, HOURS, compressions.LOADS["events"]))
    with served_by_tls(bench) as (tls, login):
        places = {True: (tls, login), False: (bench, PLAIN)}
        runs = {}
        for way in compressions.WAYS:
            place, says = places[way.tls]
            runs[way.figure] = compressions.measure_way(place, loaded, way, says)
    assert all(0 < run["packed_bytes"] < run["csv_bytes"] / 2 for run in runs.values())
    assert runs["engine_tls"]["packed_bytes"] == runs["engine_zstd"]["packed_bytes"]
    for name in (DATABASE, "bench_events"):
        drop(bench.postgres, name)
