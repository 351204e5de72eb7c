"""inspect: sizes, what could be given back however that is known, and what holds VACUUM back."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from psycopg import pq

from pg_archiver.errors import TableRefused
from pg_archiver.maintenance.inspect import inspect
from pg_archiver.maintenance.inspection import Method
from pg_archiver.postgres import snapshot_holders
from tests.support.concurrency import until
from tests.support.maintenance_steps import filled, inspected, more, transaction
from tests.support.place import Place

_EXTENSION = {Method.MEASURED: "pgstattuple", Method.FREE_SPACE_MAP: "pg_freespacemap"}


@pytest.fixture(autouse=True)
def every_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_holders, "LONG_SNAPSHOT", timedelta(0))


def with_method(place: Place, method: Method) -> Place:
    if method in _EXTENSION:
        place.sql(f"CREATE EXTENSION {_EXTENSION[method]}")
    return place


@pytest.mark.parametrize("method", list(Method))
def test_a_table_after_an_archive_shows_what_a_rewrite_would_give_back(place: Place, method: Method) -> None:
    filled(with_method(place, method))
    place.sql("CREATE INDEX by_time ON analytics.events (triggered_at)")
    place.sql("DELETE FROM analytics.events WHERE id % 20 <> 0")
    place.sql("VACUUM (ANALYZE) analytics.events")
    found = inspected(place)
    assert found.method is method
    assert (found.live, found.dead, found.timestamp_index) == (200, 0, "by_time")
    place.sql("VACUUM (FULL, ANALYZE) analytics.events")
    left = inspected(place)
    given = found.sizes - left.sizes
    assert found.free.heap == pytest.approx(given.heap, rel=0.1)
    assert found.free.indexes == pytest.approx(given.indexes, rel=0.25)
    assert left.free_percent < 20


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("width", [60, 1700])
def test_a_table_without_dead_space_shows_none(place: Place, method: Method, width: int) -> None:
    filled(with_method(place, method), 1500, width)
    place.sql("VACUUM (ANALYZE) analytics.events")
    found = inspected(place)
    assert found.sizes.total > 0
    assert found.free_percent < 12


def test_rows_that_were_never_analyzed_are_estimated_by_their_number(place: Place) -> None:
    filled(place)
    with place.server.connect(place.database) as user:
        user.execute("DELETE FROM analytics.events WHERE id % 20 <> 0")
    until(lambda: inspected(place).dead > 0)
    found = inspected(place)
    assert found.free.heap == pytest.approx(0.95 * found.sizes.heap, rel=0.05)


@pytest.mark.parametrize("method", list(Method))
def test_space_in_toast_is_counted(place: Place, method: Method) -> None:
    filled(with_method(place, method), 0)
    place.sql("ALTER TABLE analytics.events ALTER name SET STORAGE EXTERNAL")
    more(place, 300, 20_000)
    place.sql("DELETE FROM analytics.events WHERE id % 10 <> 0")
    place.sql("VACUUM (ANALYZE) analytics.events")
    before = inspected(place)
    place.sql("VACUUM (FULL, ANALYZE) analytics.events")
    given = before.sizes - inspected(place).sizes
    assert given.toast > 4_000_000
    assert before.free.toast == pytest.approx(given.toast, rel=0.1)


def test_partitions_are_listed_and_summed(place: Place) -> None:
    partitioned = place.on("public.log", "at")
    partitioned.sql("CREATE TABLE public.log (at timestamp NOT NULL, name text) PARTITION BY RANGE (at)")
    for year in (2024, 2025):
        partitioned.sql(
            f"CREATE TABLE public.log_{year} PARTITION OF public.log FOR VALUES FROM ('{year}-01-01') TO"
            f" ('{year + 1}-01-01')"
        )
    partitioned.sql("INSERT INTO public.log SELECT '2024-05-01', repeat('x', 100) FROM generate_series(1, 500)")
    partitioned.sql("INSERT INTO public.log SELECT '2025-05-01', repeat('x', 100) FROM generate_series(1, 1000)")
    found = inspected(partitioned)
    assert found.partitioned
    assert [part.table.name for part in found.parts] == ["log_2024", "log_2025"]
    assert found.sizes.total == sum(part.sizes.total for part in found.parts) > 0
    assert partitioned.sql("SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('public.log')") == [
        (found.sizes.total,)
    ]


SHAPES = {
    "fixed": "id bigint, triggered_at timestamp",
    "odd alignment": "id int, triggered_at timestamp, kind int, seen boolean",
    "texts of one length": "id bigint, triggered_at timestamp, name text DEFAULT repeat('x', 20)",
    "texts of any length": "id bigint, triggered_at timestamp, name text DEFAULT repeat('x', (random() * 100)::int)",
    "nulls": "id bigint, triggered_at timestamp, name text DEFAULT CASE WHEN random() < 0.5 THEN repeat('x', 40) END",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_statistics_say_of_a_fresh_table_is_what_the_server_made_and_what_pgstattuple_finds(
    place: Place, shape: str
) -> None:
    place.sql(f"CREATE SCHEMA analytics; CREATE TABLE analytics.events ({SHAPES[shape]})")
    place.sql(
        "INSERT INTO analytics.events (id, triggered_at)"
        " SELECT i, timestamp '2026-01-01' + i * interval '1 s' FROM generate_series(1, 20000) AS i"
    )
    place.sql("CREATE INDEX ON analytics.events (id); CREATE INDEX ON analytics.events (id, triggered_at)")
    place.sql("DELETE FROM analytics.events WHERE id % 3 = 0")
    place.sql("VACUUM ANALYZE analytics.events")
    found = {}
    for method in (Method.STATISTICS, Method.MEASURED):
        with_method(place, method)
        inspection = inspected(place)
        assert inspection.method is method
        found[method] = inspection.parts[0]
    before = rows_bytes(place)
    place.sql("VACUUM FULL analytics.events")
    fresh = inspected(place).sizes
    for method, part in found.items():
        # pgstattuple_approx takes the line pointers of deleted rows for rows.
        assert before - part.free.heap == pytest.approx(rows_bytes(place), rel=0.05), method
        assert part.sizes.indexes - part.free.indexes == pytest.approx(fresh.indexes, rel=0.08), method


def rows_bytes(place: Place) -> int:
    return int(place.sql("SELECT pg_relation_size('analytics.events')")[0][0])


def test_an_invalid_index_does_not_count_as_the_timestamps(place: Place) -> None:
    filled(place, 10)
    place.sql("CREATE INDEX by_time ON analytics.events (triggered_at)")
    place.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'analytics.by_time'::regclass")
    found = inspected(place)
    assert found.timestamp_index is None
    assert [index.valid for index in found.parts[0].indexes if index.leads] == [False]


def test_a_table_that_is_not_there_is_refused(place: Place) -> None:
    with pytest.raises(TableRefused, match=r"no schema .analytics."):
        inspected(place)


def test_an_old_transaction_is_named_without_its_data(place: Place) -> None:
    filled(place, 10)
    with transaction(place, "SET application_name = 'billing'", "SELECT 'secret', * FROM analytics.events") as user:
        user.execute("SELECT pg_current_xact_id()")
        held = inspected(place)
        pid = user.info.backend_pid
    (holder,) = [holder for holder in held.holders if holder.pid == pid]
    assert (holder.kind, holder.user, holder.application, holder.verb) == (
        "session",
        place.server.user,
        "billing",
        "SELECT",
    )
    assert holder.age is not None
    assert "secret" not in str(holder)
    assert not [holder for holder in inspected(place).holders if holder.pid == pid]


def test_a_role_that_may_not_see_other_sessions_is_told_so(place: Place) -> None:
    filled(place, 10)
    assert inspected(place).notes == ()
    role = place.as_role("reader")
    role.sql(f"GRANT USAGE ON SCHEMA analytics TO {role.role}")
    assert "pg_read_all_stats" in inspected(role).notes[0]


@contextmanager
def standby_feedback(place: Place, slot: str) -> Iterator[None]:
    """A standby that reports through its slot that somebody still reads the rows of this moment."""
    place.sql(f"SELECT pg_create_physical_replication_slot('{slot}')")
    ((oldest, position),) = place.sql(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_wal_flush_lsn()::text"
    )
    dsn = psycopg.conninfo.make_conninfo(**place.server.dsn(place.database), replication="true")
    connection = pq.PGconn.connect(dsn.encode())
    try:
        start = connection.exec_(f"START_REPLICATION SLOT {slot} PHYSICAL {position}".encode())
        assert start.status == pq.ExecStatus.COPY_BOTH, connection.error_message
        clock = int((time.time() - 946_684_800) * 1_000_000)
        connection.put_copy_data(b"h" + struct.pack("!qIIII", clock, oldest % 2**32, oldest >> 32, 0, 0))
        connection.flush()
        yield
    finally:
        connection.finish()
        until(lambda: not place.sql(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{slot}' AND active"))
        place.sql(f"SELECT pg_drop_replication_slot('{slot}')")


def test_a_replication_slot_that_holds_rows_back_is_named(place: Place) -> None:
    filled(place, 10)
    with standby_feedback(place, "late_standby"):
        until(lambda: bool(place.sql("SELECT 1 FROM pg_replication_slots WHERE xmin IS NOT NULL")))
        held = inspected(place).holders
    assert [holder.name for holder in held if holder.kind == "replication slot"] == ["late_standby"]


def test_the_log_says_all_of_it(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    filled(place)
    place.sql("DELETE FROM analytics.events WHERE id % 2 = 0")
    with caplog.at_level("INFO"), transaction(place, "DELETE FROM analytics.events WHERE id = 1") as user:
        with place.session() as session:
            inspect(session, place.order)
        pid = user.info.backend_pid
    for words in (
        "could be given back",
        "estimated from statistics",
        "index events_pkey",
        f"pid {pid}",
        "no valid index",
    ):
        assert words in caplog.text
