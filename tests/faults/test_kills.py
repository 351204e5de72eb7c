"""An archive may be killed at any instruction: a plain rerun finishes it and no row is lost."""

from __future__ import annotations

import pytest

from tests.faults.account import Verdict
from tests.faults.kills import Kill, Shape, Worker, choices, points, tried
from tests.faults.place import Place

pytestmark = pytest.mark.more

FEWEST_POINTS = 80
CHILDREN = 4
# Around all that writes, and some that does not; `python -m tests.faults` tries every point, early and late.
SAMPLE = (
    *(
        f"{when} {what}"
        for when in ("before", "after")
        for what in (
            "ledger/schema/migration_lock",
            "ledger/windows/begin",
            "ledger/windows/mark_exported",
            "ledger/windows/mark_stored",
            "ledger/windows/note_sub_ranges",
            "ledger/windows/end_sub_ranges",
            "archive/delete/batch_by_range",
            "commit",
            "S3 PutObject",
            "S3 UploadPart",
            "S3 CompleteMultipartUpload",
        )
    ),
    "before copy archive/export/rows",
    "at the end of copy archive/export/rows",
    "after postgres/session/lock",
    "after postgres/session/lock_both",
    "before postgres/session/unlock",
    "before postgres/session/unlock_both",
    "before ledger/windows/flush",
)
BY_LIST = (
    *(
        f"{when} {what}"
        for when in ("before", "after")
        for what in ("ledger/windows/note_progress", "ledger/windows/mark_deleted", "archive/delete/batch")
    ),
    "during copy archive/delete/load_keys",
)
DROPS: dict[Shape, tuple[str, ...]] = {
    "partitioned": (
        "after ledger/partition_drops/begin",
        "after partitions/detach_concurrently",
        "after partitions/drop",
        "after ledger/partition_drops/end",
        "before ledger/windows/mark_deleted",
    ),
    "defaulted": (
        "after partitions/detach",
        "after ledger/partition_drops/end",
        "before ledger/windows/mark_deleted",
    ),
}


def test_no_row_is_lost_by_a_kill_at_any_point_of_a_sample(place: Place, worker: Worker) -> None:
    kills = choices(points(worker, place))
    assert len({kill.point for kill in kills}) >= FEWEST_POINTS
    sample = [later for later in {kill.point: kill for kill in kills}.values() if later.point in SAMPLE]
    assert len(sample) == len(SAMPLE)
    assert tried_all(worker, place, "killed", sample).rows


def test_no_row_is_lost_by_a_kill_while_rows_leave_by_the_list(place: Place, worker: Worker) -> None:
    kills = choices(points(worker, place, "unindexed"), "unindexed")
    sample = [later for later in {kill.point: kill for kill in kills}.values() if later.point in BY_LIST]
    assert len(sample) == len(BY_LIST)
    assert tried_all(worker, place, "listed", sample).rows


@pytest.mark.parametrize(("shape", "drop"), DROPS.items())
def test_no_row_is_lost_by_a_kill_while_a_partition_is_dropped(
    place: Place, worker: Worker, shape: Shape, drop: tuple[str, ...]
) -> None:
    sample = [kill for kill in choices(points(worker, place, shape), shape) if kill.point in drop]
    assert {kill.point for kill in sample} == set(drop)
    assert tried_all(worker, place, shape, sample).rows


def test_no_row_is_lost_by_a_kill_while_rows_leave_whose_children_left_before(place: Place, worker: Worker) -> None:
    kills = choices(points(worker, place, "children"), "children")
    deleting = ("archive/delete/", "ledger/windows/note_progress", "postgres/catalog/delete_triggers")
    sample = [kill for kill in kills if kill.point.partition(" ")[2].startswith(deleting)][:CHILDREN]
    assert len(sample) == CHILDREN
    assert tried_all(worker, place, "children", sample).rows


def tried_all(worker: Worker, place: Place, name: str, sample: list[Kill]) -> Verdict:
    total = Verdict()
    for number, kill in enumerate(sample):
        verdict = tried(worker, place, f"{name}{number}", kill)
        assert verdict.good, f"killed {kill}: {verdict}"
        total += verdict
    return total
