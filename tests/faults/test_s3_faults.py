"""Whatever S3 or the network does to a request: the run says so, a plain rerun finishes the work, no row is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.s3 import RcloneS3
from pg_archiver.errors import CheckFailed
from tests.faults.account import Account
from tests.faults.archiving import Run
from tests.faults.place import Place, hours_ago
from tests.faults.recorder import filled, with_table
from tests.faults.s3_faults import TRIALS, tried
from tests.faults.s3_proxy import S3Proxy


@pytest.fixture(scope="module")
def proxy(rclone: RcloneS3) -> Iterator[S3Proxy]:
    with S3Proxy.started(rclone.endpoint_url) as proxy:
        yield proxy


# One of each kind of fault; all of them are tried by `python -m tests.faults`.
SAMPLE = (
    "busy for a moment",
    "busy for uploads",
    "internal error for reads",
    "internal error at the end of an upload",
    "reset in mid-upload",
    "answer lost after the last part",
    "answer lost after the manifest",
    "stalled upload",
    "stalled read",
    "read broken off in the delete",
    "read shortened",
    "bit flipped on the way back",
    "bit flipped for the delete",
    "bit flipped beside its checksum",
    "bit flipped on the way there",
    "bit flipped in every sidecar on the way there",
    "DELETE denied",
    "LIST denied",
    "ExpiredToken from request 20 on",
    "AccessDenied from request 26 on",
)


@pytest.mark.more
@pytest.mark.parametrize("name", SAMPLE)
def test_no_row_is_lost_when_s3_fails(place: Place, proxy: S3Proxy, name: str) -> None:
    trial = TRIALS[name]
    outcome = tried(place, proxy, f"faulty{list(TRIALS).index(name)}", trial)
    assert outcome.met, "the fault never came about"
    assert outcome.verdict.good, str(outcome.verdict)
    ended = type(outcome.error) if outcome.error else None
    assert ended is trial.says, f"{ended}: {outcome.error}"


def test_nothing_is_deleted_on_account_of_an_object_whose_check_was_left_out(place: Place) -> None:
    table = with_table(place, "unchecked", keyed=True)
    filled(table, [hours_ago(50 - row / 60) for row in range(5)])
    run = Run.of(table)
    windows = run.plan()
    run.export(windows)
    with pytest.raises(CheckFailed, match="is exported, not checked"):
        run.delete(windows)
    assert table.rows() == 5
    run.settle()
    Account(table).assert_good()
