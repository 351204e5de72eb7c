"""reclaim: VACUUM FULL only within hours and disk, and only where it pays."""

from __future__ import annotations

from datetime import datetime

import pytest

from pg_archiver.errors import DatabaseRefused, MaintenanceRefused, SettingError
from pg_archiver.maintenance.disk_room import UNKNOWN_SPACE, FreeSpace
from pg_archiver.policies.maintenance_settings import Strategy
from tests.support.maintenance_steps import PLENTY, bloated, file_node, filled, more, transaction, upkeep
from tests.support.place import Place
from tests.support.reclaims import NIGHT, NOON, Helpers, content, reclaimed

pytestmark = pytest.mark.more


def test_space_is_given_back_and_noted(place: Place) -> None:
    bloated(place)
    before = content(place)
    done = reclaimed(place)
    assert content(place) == before
    assert done.choice.strategy is Strategy.VACUUM_FULL
    assert done.given_back > 1_000_000
    place.sql("CREATE TABLE fresh (LIKE analytics.events INCLUDING ALL)")
    place.sql("INSERT INTO fresh OVERRIDING SYSTEM VALUE SELECT * FROM analytics.events")
    place.sql("VACUUM fresh")
    ((live, fresh),) = place.sql("SELECT pg_total_relation_size('analytics.events'), pg_total_relation_size('fresh')")
    assert live <= 1.1 * fresh
    ((action, strategy, state, back),) = upkeep(
        place,
        "action, strategy, state,"
        " heap_before + indexes_before + toast_before - heap_after - indexes_after - toast_after",
    )
    assert (action, strategy, state, back) == ("reclaim", "vacuum_full", "done", done.given_back)
    assert place.sql("SELECT relallvisible = relpages FROM pg_class WHERE relname = 'events'") == [(True,)]


def test_a_table_without_dead_space_is_left_alone(place: Place) -> None:
    filled(place)
    place.sql("VACUUM (ANALYZE) analytics.events")
    node = file_node(place)
    for strategy in (Strategy.AUTO, Strategy.VACUUM_FULL, Strategy.COMPACT):
        helpers = Helpers(place)
        done = reclaimed(place, helpers=helpers, strategy=strategy)
        assert done.choice.strategy is Strategy.NONE
        assert "only" in done.choice.why
        assert helpers.compacted == 0
    assert file_node(place) == node
    assert upkeep(place) == [("reclaim", "none", "skipped")] * 3


@pytest.mark.parametrize(
    ("now", "space", "words"),
    [
        (NOON, PLENTY, ["not within maintenance_window, 01:00-05:00 UTC"]),
        (
            NIGHT,
            FreeSpace(lambda: 1000, "figure"),
            ["new heap", "+ indexes", "+ TOAST", "as much WAL", "1.0 kB are free (figure)"],
        ),
        (NIGHT, UNKNOWN_SPACE, ["how much is free is not known", "disk is not set for this instance"]),
    ],
)
def test_the_hour_and_the_disk_refuse_with_their_reasons(
    place: Place, now: datetime, space: FreeSpace, words: list[str]
) -> None:
    bloated(place)
    node = file_node(place)
    with pytest.raises(MaintenanceRefused) as caught:
        reclaimed(place, helpers=Helpers(place, now, space))
    assert [word for word in words if word not in str(caught.value)] == []
    assert file_node(place) == node
    assert upkeep(place) == [("reclaim", "vacuum_full", "failed")]


def test_a_person_may_force_the_hour_and_the_threshold_but_not_the_disk(place: Place) -> None:
    bloated(place)
    node = file_node(place)
    with pytest.raises(SettingError, match="force is set without a reason"):
        reclaimed(place, force="  ")
    for space in (UNKNOWN_SPACE, FreeSpace(lambda: 0, "figure")):
        with pytest.raises(MaintenanceRefused, match="the disk does not suffice or is not known"):
            reclaimed(place, helpers=Helpers(place, NIGHT, space), force="disk is at 99%")
    assert file_node(place) == node
    reclaimed(place, helpers=Helpers(place, NOON), force="disk is at 99%", min_percent=99)
    assert file_node(place) != node
    assert "forced: disk is at 99%" in upkeep(place, "note")[-1][0]


@pytest.mark.parametrize(("now", "space"), [(NOON, PLENTY), (NIGHT, UNKNOWN_SPACE)])
def test_auto_goes_the_online_way_where_a_rewrite_is_out_of_the_question(
    place: Place, now: datetime, space: FreeSpace
) -> None:
    bloated(place)
    node = file_node(place)
    helpers = Helpers(place, now, space)
    done = reclaimed(place, helpers=helpers, strategy=Strategy.AUTO)
    assert (done.choice.strategy, done.notes, helpers.compacted) == (Strategy.COMPACT, ("compacted",), 1)
    assert file_node(place) == node


def test_auto_rewrites_at_night_with_room(place: Place) -> None:
    bloated(place)
    node = file_node(place)
    assert reclaimed(place, strategy=Strategy.AUTO).choice.strategy is Strategy.VACUUM_FULL
    assert file_node(place) != node


def test_pg_repack_is_refused_with_what_is_missing(place: Place) -> None:
    bloated(place)
    with pytest.raises(
        MaintenanceRefused, match=r"install the package postgresql-\d+-repack on the server, then a super"
    ):
        reclaimed(place, strategy=Strategy.PG_REPACK)


def test_without_a_wanted_approval_nothing_is_rewritten(place: Place) -> None:
    bloated(place)
    node = file_node(place)
    with pytest.raises(MaintenanceRefused, match="nobody has approved it"):
        reclaimed(place, approved=False)
    assert file_node(place) == node
    helpers = Helpers(place, NOON)
    assert reclaimed(place, helpers=helpers, strategy=Strategy.AUTO, approved=False).choice.strategy is Strategy.COMPACT


def test_dead_rows_that_a_snapshot_holds_are_explained(place: Place) -> None:
    filled(place)
    with transaction(place, "SELECT pg_current_xact_id()") as user:
        place.sql("DELETE FROM analytics.events WHERE id % 20 <> 0")
        place.sql("ANALYZE analytics.events")
        done = reclaimed(place)
        assert any(f"pid {user.info.backend_pid}" in note and "copied along" in note for note in done.notes)


def test_a_role_that_may_not_is_refused_before(place: Place) -> None:
    bloated(place)
    role = place.as_role("clerk")
    role.sql(f"GRANT USAGE ON SCHEMA analytics TO {role.role}; GRANT SELECT, DELETE ON analytics.events TO {role.role}")
    with pytest.raises(
        DatabaseRefused, match=r"may not maintain analytics\.events. Fix: grant it the role .* postgres"
    ):
        reclaimed(role)
    assert not place.has_ledger()
    role.sql(f"GRANT MAINTAIN ON analytics.events TO {role.role}")
    role.sql(f"GRANT CREATE ON DATABASE {place.database} TO {role.role}")
    assert reclaimed(role).given_back > 1_000_000


def test_a_dry_run_chooses_and_touches_nothing(place: Place) -> None:
    bloated(place)
    node = file_node(place)
    done = reclaimed(place.ordered(dry_run=True), helpers=Helpers(place, NOON))
    assert done.choice.strategy is Strategy.VACUUM_FULL
    assert "not within maintenance_window" in done.notes[0]
    assert "; would be refused now: it is not within maintenance_window" in str(done)
    assert "given back (" not in str(done)
    allowed = reclaimed(place.ordered(dry_run=True))
    assert "; would give back about 1." in str(allowed)
    assert not str(allowed).endswith("given back")
    assert allowed.prospect
    assert allowed.prospect.room.enough
    assert allowed.prospect.seconds > 0
    assert file_node(place) == node
    assert not place.has_ledger()


def test_partitions_are_rewritten_one_by_one_where_it_pays(place: Place) -> None:
    place.sql("CREATE TABLE public.log (id bigint, at timestamp NOT NULL, name text) PARTITION BY RANGE (at)")
    log = place.on("public.log", "at")
    for year in (2024, 2025):
        log.sql(
            f"CREATE TABLE public.log_{year} PARTITION OF public.log FOR VALUES FROM ('{year}-01-01') TO"
            f" ('{year + 1}-01-01')"
        )
    more(log, 4000)
    log.sql("INSERT INTO public.log SELECT id, at + interval '1 year', name FROM public.log")
    log.sql("DELETE FROM public.log_2024 WHERE at < '2024-01-03'")
    log.sql("VACUUM (ANALYZE) public.log")
    nodes = "SELECT relname, pg_relation_filenode(oid) FROM pg_class WHERE relname ~ '^log_20..$' ORDER BY 1"
    before = dict(log.sql(nodes))
    assert reclaimed(log).given_back > 500_000
    after = dict(log.sql(nodes))
    assert [name for name in before if before[name] != after[name]] == ["log_2024"]
