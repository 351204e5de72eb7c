"""A job that archives a table with partitions: those that are due as a whole are dropped, and their rows counted."""

from __future__ import annotations

import pytest

from pg_archiver.errors import LockWait, ValueRefused
from pg_archiver.postgres.session import Session
from tests.integration.archive.test_one_bad_window import UNREADABLE
from tests.support.archive_jobs import ArchiveJob
from tests.support.partitions import ROWS, day, drops, in_the_middle, name_of, partitioned, partitions
from tests.support.place import Place

OLD = (5, 4, 3)


@pytest.fixture(params=[False, True], ids=["alone", "beside a default partition"])
def table(place: Place, request: pytest.FixtureRequest) -> Place:
    """Three partitions that are due as a whole, and one that is not."""
    return partitioned(place, *OLD, 1, default=request.param).ordered(batch_size=3)


def left(place: Place) -> int:
    return int(place.sql("SELECT count(*) FROM analytics.events")[0][0])


def test_whole_partitions_are_dropped_and_counted(table: Place) -> None:
    job, before = ArchiveJob.of(table), table.csv_of_table()
    rehearsed = job.rehearse()
    assert f"3 partitions would be dropped whole: {name_of(5)}, {name_of(4)}, {name_of(3)};" in f"{rehearsed};"
    found = job.archive()
    assert (found.rows, left(table), job.counted()) == (len(OLD) * ROWS, ROWS, len(OLD) * ROWS)
    assert "3 partitions dropped whole" in found.told
    assert drops(table) == [("dropped", ROWS)] * len(OLD)
    assert not {name_of(number) for number in OLD} & partitions(table)
    assert table.csv_of_table() + table.archived() == before


@pytest.mark.parametrize("most", [1, 5, 8])
def test_a_partition_whose_windows_come_in_several_plans_is_dropped_by_the_last(table: Place, most: int) -> None:
    job = ArchiveJob.of(table, max_mapped_windows=most, windows_per_task=1)
    assert job.archive().rows == len(OLD) * ROWS
    assert (left(table), job.counted()) == (ROWS, len(OLD) * ROWS)
    assert not {name_of(number) for number in OLD} & partitions(table)


def test_of_a_partition_with_a_bad_window_the_others_go_in_batches_and_other_partitions_whole(table: Place) -> None:
    table.sql(UNREADABLE)
    job = ArchiveJob.of(table)
    with pytest.raises(ValueRefused, match="a value does not fit its column"):
        job.archive()
    assert left(table) == ROWS + 2
    assert job.counted() == len(OLD) * ROWS - 2
    assert partitions(table) & {name_of(number) for number in OLD} == {name_of(5)}


def test_a_partition_that_is_no_longer_to_go_is_in_its_table_again(place: Place) -> None:
    """The job's row goes after the detach has begun; nobody may ever come for the partition again."""
    table = partitioned(place, *OLD, 1).ordered(batch_size=3)
    job = ArchiveJob.of(table)

    def stopping() -> str | None:
        return "its row is gone" if table.has_ledger() and drops(table) else None

    found = job.archive(stopping=stopping)
    assert (found.rows, found.left, job.counted()) == (0, "its row is gone", 0)
    assert drops(table) == [("attached", None)]
    assert left(table) == (len(OLD) + 1) * ROWS
    assert job.archive().rows == len(OLD) * ROWS
    assert left(table) == ROWS


def test_a_row_that_comes_while_it_is_detached_stays_and_the_rest_goes_in_batches(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = partitioned(place, *OLD, 1).ordered(batch_size=3)
    in_the_middle(
        monkeypatch,
        lambda: table.sql(f"INSERT INTO {name_of(5)} (id, triggered_at, name) VALUES (999, '{day(5)}', 'late')"),
    )
    job = ArchiveJob.of(table)
    assert job.archive().rows == len(OLD) * ROWS
    assert (left(table), job.counted()) == (ROWS + 1, len(OLD) * ROWS)
    assert name_of(5) in partitions(table)
    monkeypatch.undo()
    assert job.archive().rows == 1
    assert (left(table), job.counted()) == (ROWS, len(OLD) * ROWS + 1)


def test_rows_of_a_drop_that_is_rolled_back_are_not_counted(table: Place) -> None:
    def count(session: Session, rows: int) -> None:
        raise LockWait("the record is locked")

    job = ArchiveJob.of(table)
    with pytest.raises(LockWait):
        job.archive(count=count)
    assert job.counted() == 0
    assert job.archive().rows == len(OLD) * ROWS
    assert job.counted() == len(OLD) * ROWS
