"""An archive may be killed at any instruction: a plain rerun finishes it and no row is lost."""

from __future__ import annotations

from tests.faults.account import Verdict
from tests.faults.kills import Worker, choices, points, tried
from tests.faults.place import Place

FEWEST_POINTS = 80
# Around all that writes, and some that does not; `python -m tests.faults` tries every point, early and late.
SAMPLE = (
    *(
        f"{when} {what}"
        for when in ("before", "after")
        for what in (
            "ledger/migration_lock",
            "ledger/begin",
            "ledger/exported",
            "ledger/stored",
            "ledger/progress",
            "ledger/deleted",
            "delete/batch",
            "commit",
            "S3 PutObject",
            "S3 UploadPart",
            "S3 CompleteMultipartUpload",
        )
    ),
    "before copy export/rows",
    "at the end of copy export/rows",
    "during copy delete/load_keys",
    "after session/lock",
    "before session/unlock",
)


def test_no_row_is_lost_by_a_kill_at_any_point_of_a_sample(place: Place, worker: Worker) -> None:
    met = points(worker, place)
    kills = choices(met)
    assert len({kill.point for kill in kills}) >= FEWEST_POINTS
    sample = [later for later in {kill.point: kill for kill in kills}.values() if later.point in SAMPLE]
    assert len(sample) == len(SAMPLE)
    total = Verdict()
    for number, kill in enumerate(sample):
        verdict = tried(worker, place, f"killed{number}", kill)
        assert verdict.good, f"killed {kill}: {verdict}"
        total += verdict
    assert total.rows
