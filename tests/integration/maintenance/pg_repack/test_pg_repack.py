"""reclaim by pg_repack: on a server that has it, with its real client."""

from __future__ import annotations

from collections import Counter

import pytest

from pg_archiver.errors import DatabaseRefused, LockWait
from pg_archiver.maintenance import pg_repack
from pg_archiver.maintenance.disk_room import UNKNOWN_SPACE
from pg_archiver.maintenance.pg_repack import Repacker
from pg_archiver.policies.maintenance_settings import Strategy
from tests.support.maintenance_steps import bloated, file_node, filled, transaction, upkeep
from tests.support.place import Place
from tests.support.repacks import LEFT, clients, in_the_middle, reclaimed

pytestmark = pytest.mark.more


def test_space_is_given_back_at_any_hour_while_a_writer_goes_on(place: Place, client: Repacker) -> None:
    bloated(place, 40_000)
    place.sql("CREATE TABLE wanted (LIKE analytics.events INCLUDING ALL)")
    place.sql("INSERT INTO wanted OVERRIDING SYSTEM VALUE SELECT * FROM analytics.events")
    node = file_node(place)
    with in_the_middle(place, lambda: reclaimed(place, client)) as (running, user):
        for table in ("analytics.events", "wanted"):
            place.sql(
                f"INSERT INTO {table} OVERRIDING SYSTEM VALUE"
                f" SELECT 50000 + n, '2026-01-01', 'new', '{{\"a\": 1.00}}' FROM generate_series(1, 20) AS n"
            )
            place.sql(f"UPDATE {table} SET name = NULL, data = 'null' WHERE id % 1000 = 0")
            place.sql(f"DELETE FROM {table} WHERE id % 3000 = 0 OR id = 50001")
        assert file_node(place) == node
        user.rollback()
        done = running.result()
    assert done.choice.strategy is Strategy.PG_REPACK
    assert file_node(place) != node
    rows = [Counter(place.sql(f"SELECT t::text FROM {table} AS t")) for table in ("analytics.events", "wanted")]
    assert rows[0] == rows[1]
    place.sql("VACUUM FULL wanted")
    place.sql("VACUUM wanted")
    ((live, fresh),) = place.sql("SELECT pg_total_relation_size('analytics.events'), pg_total_relation_size('wanted')")
    assert live <= 1.1 * fresh
    assert done.given_back > 1_000_000
    assert upkeep(place) == [("reclaim", "pg_repack", "done")]
    assert place.sql(LEFT) == []
    assert place.sql("SELECT relallvisible = relpages FROM pg_class WHERE relname = 'events'") == [(True,)]


def test_the_password_is_in_no_process_list_and_no_log(
    place: Place, client: Repacker, caplog: pytest.LogCaptureFixture
) -> None:
    bloated(place)
    secret = place.server.password
    with (
        caplog.at_level("DEBUG"),
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://airflow:hidden@metadata")
        with in_the_middle(place, lambda: reclaimed(place, client)) as (running, user):
            (program,) = clients()
            assert secret not in " ".join(program.cmdline())
            assert program.environ()["PGPASSWORD"] == secret
            assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in program.environ()
            user.rollback()
            running.result()
    assert 'INFO: repacking table "analytics.events"' in caplog.text
    assert secret not in caplog.text
    assert secret not in str(upkeep(place, "note"))


_LONG = "(SELECT string_agg(md5(n::text || i::text), '') FROM generate_series(1, 100) AS i)"


def test_a_row_that_no_page_can_hold_is_told_and_not_tried_again(place: Place, client: Repacker) -> None:
    wide = place.on("public.wide", "at")
    place.sql(
        f"""
        CREATE TABLE public.wide (id int PRIMARY KEY, at timestamp, {", ".join(f"c{n} text" for n in range(12))});
        INSERT INTO public.wide SELECT n, now(), {", ".join([_LONG] * 12)}
            FROM generate_series(1, 300) AS n;
        DELETE FROM public.wide WHERE id % 3 <> 0
        """
    )
    for number in range(12):
        place.sql(f"ALTER TABLE public.wide ALTER c{number} SET STORAGE PLAIN")
    # Else the server may tell its statistics of the deleted rows only a second later.
    place.sql("SELECT pg_stat_force_next_flush()")
    with pytest.raises(DatabaseRefused, match=r"row is too big: size \d+, maximum size \d+.* so it is not tried"):
        reclaimed(wide, client, min_percent=1)


def test_below_the_threshold_it_does_nothing(place: Place, client: Repacker) -> None:
    filled(place)
    place.sql("VACUUM (ANALYZE) analytics.events")
    assert reclaimed(place, client).choice.strategy is Strategy.NONE


def test_auto_takes_it_by_day_where_toast_holds_the_space(place: Place, client: Repacker) -> None:
    place.sql('CREATE SCHEMA odd; CREATE TABLE odd."a ""b"" \'c\' %s" (id int PRIMARY KEY, at timestamp, doc text)')
    odd = place.on('odd."a ""b"" \'c\' %s"', "at")
    odd.sql(f"ALTER TABLE {odd.relation} ALTER doc SET STORAGE EXTERNAL")
    odd.sql(f"INSERT INTO {odd.relation} SELECT n, '2024-01-01', repeat('x', 9000) FROM generate_series(1, 400) AS n")
    odd.sql(f"DELETE FROM {odd.relation} WHERE id % 20 <> 0")
    odd.sql(f"VACUUM (ANALYZE) {odd.relation}")
    assert reclaimed(odd, Repacker(None), strategy=Strategy.AUTO).choice.strategy is Strategy.NONE
    assert reclaimed(odd, client, UNKNOWN_SPACE, strategy=Strategy.AUTO).choice.strategy is Strategy.NONE
    done = reclaimed(odd, client, strategy=Strategy.AUTO)
    assert done.choice.strategy is Strategy.PG_REPACK
    assert "are in TOAST, which compact cannot free; it is not within maintenance_window" in done.choice.why
    assert done.given_back > 2_000_000


def test_nobody_who_holds_the_table_is_cut_off(place: Place, client: Repacker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_repack, "LOCK_SECONDS", 1)
    bloated(place)
    node = file_node(place)
    with transaction(place, "SELECT count(*) FROM analytics.events") as user:
        with pytest.raises(LockWait, match="did not get its lock in 1 seconds"):
            reclaimed(place, client)
        assert user.execute("SELECT count(*) FROM analytics.events").fetchone() == (300,)
    assert file_node(place) == node
    assert place.sql(LEFT) == []
