"""index of a partitioned table: each partition by itself, then the frame, which gives way to writers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pg_archiver.errors import DatabaseInterrupted, LockWait
from pg_archiver.postgres import activity
from tests.support.concurrency import in_background, until
from tests.support.indexes import indexes, used_by_the_plan
from tests.support.maintenance_steps import BUILD, indexed, more, transaction
from tests.support.place import Place

_BUILDING = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()"


@pytest.fixture(autouse=True)
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "POLL_SECONDS", 0.02)


def partitioned(place: Place) -> Place:
    """Years, of which one is cut into halves and one has an index already."""
    place.sql("CREATE TABLE public.log (id bigint, at timestamp NOT NULL, name text) PARTITION BY RANGE (at)")
    place.sql("CREATE TABLE public.log_2023 PARTITION OF public.log FOR VALUES FROM ('2023-01-01') TO ('2024-01-01')")
    place.sql("CREATE TABLE public.log_2025 PARTITION OF public.log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
    place.sql(
        "CREATE TABLE public.log_2024 PARTITION OF public.log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')"
        " PARTITION BY RANGE (at)"
    )
    place.sql(
        "CREATE TABLE public.log_2024_a PARTITION OF public.log_2024 FOR VALUES FROM ('2024-01-01') TO ('2024-07-01')"
    )
    place.sql(
        "CREATE TABLE public.log_2024_b PARTITION OF public.log_2024 FOR VALUES FROM ('2024-07-01') TO ('2025-01-01')"
    )
    place.sql("CREATE INDEX theirs ON public.log_2025 (at)")
    place.sql("CREATE INDEX wide ON public.log_2023 (at, id)")
    log = place.on("public.log", "at")
    more(log, 100)
    return log


BUILT = {"log_at_archiver", "log_2023_at_archiver", "log_2024_at_archiver", "log_2024_a_at_archiver"}


def test_each_partition_is_indexed_by_itself_and_attached(place: Place) -> None:
    log = partitioned(place)
    done = indexed(log)
    assert set(done.built) == {*BUILT, "log_2024_b_at_archiver"}
    assert done.name == used_by_the_plan(log) == "log_at_archiver"
    attached = log.sql("SELECT count(*) FROM pg_partition_tree('log_at_archiver') WHERE parentrelid IS NOT NULL")
    assert attached == [(5,)]
    assert str(indexed(log)) == "index log_at_archiver is valid"


def test_an_interrupted_build_of_partitions_goes_on(place: Place) -> None:
    log = partitioned(place)
    # The build of the second half of 2024 waits for this transaction until it is ended.
    held = ("LOCK TABLE public.log_2024_b IN ROW EXCLUSIVE MODE", "SELECT pg_current_xact_id()")
    with transaction(log, *held), in_background(lambda: indexed(log)) as build:
        on_last = f"{_BUILDING} AND relid = 'public.log_2024_b'::regclass"
        until(lambda: bool(log.sql(on_last)))
        log.sql(f"SELECT pg_terminate_backend(pid) FROM ({on_last}) AS building")
        assert isinstance(build.exception(), DatabaseInterrupted)
    assert used_by_the_plan(log) is None
    assert indexes(log, valid=False) == ["log_2024_at_archiver", "log_2024_b_at_archiver", "log_at_archiver"]
    done = indexed(log)
    assert (done.dropped, done.built) == (("log_2024_b_at_archiver",), ("log_2024_b_at_archiver",))
    assert used_by_the_plan(log) == "log_at_archiver"


def test_a_frame_gives_way_to_writers(place: Place) -> None:
    """Only the frame of a partitioned table takes a lock that writers wait for: for a moment, and it tries again."""
    log = partitioned(place)
    held = "LOCK TABLE public.log IN ROW EXCLUSIVE MODE"
    with transaction(log, held), pytest.raises(LockWait):
        indexed(log)
    patient = replace(BUILD, patience=replace(BUILD.patience, tries=200))
    with transaction(log, held) as user, in_background(lambda: indexed(log, patient)) as build:
        until(lambda: bool(log.sql("SELECT 1 FROM pg_locks WHERE mode = 'ShareLock' AND NOT granted")))
        user.rollback()
        assert build.result().name == "log_at_archiver"
