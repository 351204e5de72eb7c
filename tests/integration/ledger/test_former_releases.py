"""What former releases wrote is read forever: a ledger is brought up to date in place, objects are as good."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from pg_archiver.archive.drop_partition import bring_back, drop
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import Batch
from pg_archiver.ledger.removed_rows import find_removed_rows
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.compression import Compression
from pg_archiver.objects.manifest_files import list_manifests, read_manifest
from pg_archiver.verify.rebuild_ledger import rebuild
from pg_archiver.verify.verify_archive import verify
from tests.support.place import Place
from tests.support.restores import restored

CASES = Path(__file__).parents[2] / "cases"
# The format of the release's manifests, and the last migration of its ledger.
RELEASES = {"format_1": (1, 11), "format_2": (2, 20)}
CLIENT = "odd cliënt"
START, END = datetime(2024, 1, 1), datetime(2025, 1, 1)  # noqa: DTZ001 (column time)
# Table, column, how its objects are compressed, and where its rows are as they should be.
TABLES: dict[str, tuple[TableName, str, Compression, str]] = {
    "odd": (TableName("Odd schema", 'Odd "table" ä/%'), "at %", "gzip", "public.odd_before"),
    "keyless": (TableName("public", "keyless"), "at", "zstd", "public.keyless_before"),
    "days": (TableName("public", "days"), "at", "gzip", "public.days_before"),
}


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kept(place: Place, release: str) -> Place:
    """The database and the bucket as that release left them."""
    case = CASES / release
    place.sql((case / "database.sql").read_text(encoding="utf-8"))
    place.sql("RESET ALL")
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET bucket = %s", place.bucket)
    place.sql("UPDATE archiver.restores SET bucket = %s, target_oid = 'public.keyless'::regclass", place.bucket)
    place.sql("UPDATE archiver.partitions SET partition_oid = 'public.days_3'::regclass")
    for number, key in enumerate((case / "objects" / "keys.txt").read_text(encoding="utf-8").splitlines(), start=1):
        place.write(key, (case / "objects" / f"{number:03d}").read_bytes())
    assert place.sql("SELECT max(number) FROM archiver.migrations") == [(RELEASES[release][1],)]
    return place.ordered(client=CLIENT, run_id="a later run")


def table_of(place: Place, name: str) -> Place:
    table, column, compression, _ = TABLES[name]
    order = replace(place.order, table=table, timestamp_column=column, compression=compression)
    return replace(place, order=order, policy=place.policy.model_copy(update={"timestamp_column": column}))


def migrated(place: Place) -> None:
    with place.session() as session:
        WindowLedger(session, place.order).migrate()
        assert WindowLedger(session, place.order).is_current()


def removed(place: Place, batch: Batch) -> None:
    """What the delete task does."""
    with place.session() as session:
        if batch.partition and batch.partition.back:
            bring_back(session, place.order, batch.partition)
        elif batch.partition and drop(session, place.store, place.order, batch.partition):
            return
    for window in batch:
        place.delete(window)


def run_to_its_end(place: Place) -> int:
    """Runs until nothing is due any more; how many runs that took."""
    for number in range(1, 6):
        again = place.ordered(run_id=f"a later run {number}")
        batches = again.plan().batches
        if not batches:
            return number - 1
        for batch in batches:
            for window in batch:
                again.export(window)
                again.check(window)
        for batch in batches:
            removed(again, batch)
    raise AssertionError("something is due for ever")


def in_either(place: Place, name: str) -> list[object]:
    """How the rows of the table, with those that a restore brings back into it, differ from those there should be."""
    before, relation = TABLES[name][3], place.relation
    one, two = f"SELECT t::text FROM {before} AS t", f"SELECT t::text FROM {relation} AS t"
    return place.sql(f"({one} EXCEPT ALL {two}) UNION ALL ({two} EXCEPT ALL {one})")


def test_it_is_small(release: str) -> None:
    assert sum(path.stat().st_size for path in (CASES / release).rglob("*") if path.is_file()) < 200_000


@pytest.mark.parametrize("name", TABLES)
def test_every_manifest_and_note_is_read(kept: Place, release: str, name: str) -> None:
    place = table_of(kept, name)
    migrated(place)
    manifests = [read_manifest(place.store, place.order, one.key) for one in list_manifests(place.store, place.order)]
    assert [manifest.format for manifest in manifests] == [RELEASES[release][0]] * {"odd": 4, "keyless": 2, "days": 4}[
        name
    ]
    with place.session() as session:
        ledger = WindowLedger(session, place.order)
        left = [find_removed_rows(ledger, place.store, manifest) for manifest in manifests]
        rows = [ledger.find_by_object(place.bucket, manifest.data.key) for manifest in manifests]
    assert [(one.upto, one.kept) for one in left] == [(row.deleted_upto, row.kept) for row in rows if row]


@pytest.mark.parametrize("name", TABLES)
def test_verify_finds_it_whole(kept: Place, name: str) -> None:
    place = table_of(kept, name)
    migrated(place)
    with place.session() as session:
        result = verify(session, place.store, place.order)
    assert result.problems == []
    assert result.objects >= 2


@pytest.mark.parametrize("name", TABLES)
def test_a_later_version_ends_what_was_begun_and_every_row_is_in_the_table_or_comes_back(
    kept: Place, name: str
) -> None:
    place = table_of(kept, name)
    migrated(place)
    assert run_to_its_end(place) in {1, 2}
    assert place.sql(f"SELECT count(*) FROM {place.relation}") == [({"odd": 0, "keyless": 10, "days": 0}[name],)]
    states = place.sql("SELECT DISTINCT state FROM archiver.windows WHERE table_name = %s", place.order.table.name)
    assert {state for (state,) in states} <= {"deleted", "void"}
    assert place.sql("SELECT count(*) FROM archiver.partitions WHERE state = 'detaching'") == [
        (0 if name == "days" else 1,)
    ]
    with place.session() as session:
        assert verify(session, place.store, place.order).problems == []
    # A partition that was dropped whole took the room for its rows with it.
    if name == "days":
        place.sql("CREATE TABLE IF NOT EXISTS public.days_rest PARTITION OF public.days DEFAULT")
    result = restored(place, START, END)
    assert result.failures == []
    assert in_either(place, name) == []


@pytest.mark.parametrize("name", ["odd", "keyless"])
def test_what_left_by_that_release_comes_back_into_a_new_table_and_into_the_table(kept: Place, name: str) -> None:
    place = table_of(kept, name)
    into = restored(place, START, END, "public.again")
    assert (into.restored, into.failures) == ({"odd": 57, "keyless": 20}[name], [])
    assert place.sql(
        f"SELECT count(*) FROM (SELECT t::text FROM public.again AS t EXCEPT ALL SELECT t::text FROM {TABLES[name][3]}"
        " AS t) AS more"
    ) == [(0,)]
    assert restored(place, START, END).failures == []
    assert in_either(place, name) == []


def test_rows_of_a_table_without_a_key_that_came_back_then_do_not_come_twice(kept: Place) -> None:
    place = table_of(kept, "keyless")
    first = restored(place, START, END)
    assert (first.restored, first.already) == (10, 10)
    second = restored(place, START, END)
    assert (second.restored, second.already) == (0, 20)


@pytest.mark.parametrize("name", TABLES)
def test_a_lost_ledger_is_made_again_from_its_objects(kept: Place, name: str) -> None:
    place = table_of(kept, name)
    place.sql("DROP SCHEMA archiver CASCADE")
    with place.session() as session:
        found = rebuild(session, place.store, place.order)
    assert (found.manifests, found.added) == ({"odd": 4, "keyless": 2, "days": 4}[name],) * 2
    with place.session() as session:
        assert verify(session, place.store, place.order).problems == []
    if name == "odd":
        # The window with a note is the only one of which it is known without a ledger what left.
        assert ("deleted", 23, [6, 7]) in place.ledger("state, deleted_rows, kept_positions")
    if name == "odd":
        run_to_its_end(place)
        assert restored(place, START, END).failures == []
        assert in_either(place, name) == []
