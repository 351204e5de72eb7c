"""Whatever others do to the table meanwhile, and whatever is lost on the way: no row is lost.

One of each kind; all of them are tried by `python -m tests.faults`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.s3 import RcloneS3
from tests.faults import clocks, commits, copied, s3_answers, s3_faults, table_changes, variables
from tests.faults.account import Verdict
from tests.faults.kills import SHAPES, Shape
from tests.faults.meanwhile import (
    AFTER_CHECK,
    AFTER_EXPORT,
    BEFORE_LOCK,
    BETWEEN_BATCHES,
    IN_BATCH,
    IN_COMPARISON,
    LAST_WORD,
)
from tests.faults.place import Place
from tests.faults.s3_proxy import S3Proxy

pytestmark = pytest.mark.more

CHANGES = {
    ("a column dropped and added again", AFTER_CHECK, "plain"),
    ("two columns swap their names", BETWEEN_BATCHES, "plain"),
    ("deleted, and other values in the same places", AFTER_CHECK, "plain"),
    ("another table under its name", BEFORE_LOCK, "plain"),
    ("children that would go with it", BETWEEN_BATCHES, "plain"),
    ("VACUUM FULL", AFTER_EXPORT, "plain"),
    ("detached, changed and attached", AFTER_CHECK, "whole partitions"),
    ("detached, and another attached in its place", BETWEEN_BATCHES, "rows of partitions"),
    ("one with older rows attached and rewritten", IN_BATCH, "rows of partitions"),
    ("one with older rows attached", LAST_WORD, "whole partitions"),
    ("detached, and attached before the next run", IN_COMPARISON, "beside a default one"),
}
ANSWERS = (
    "answer to PutObject lost once",
    "answer to CompleteMultipartUpload lost to a gateway once",
    "answer to the manifest lost for ever",
    "GetObject of the list for the delete broken off once",
    "SlowDown (503) to uploads, a burst",
    "KMS.ThrottlingException (400) to reads, from then on",
)
JUMPS = {
    ("worker", "a year ahead", clocks.BEFORE_PLAN),
    ("server", "a day ahead", clocks.BEFORE_PLAN),
    ("server", "a day back", AFTER_EXPORT),
}
VARIABLES = {
    ("N, which keeps everything,", "get answers API_SERVER_ERROR", "plan"),
    ("N, which keeps everything,", "is listed and has no value", "plan"),
    (variables.ENABLED, "raises OSError", "delete"),
    (variables.ENABLED, "is 'false'", "delete"),
}


def assert_good(verdict: Verdict, what: object) -> None:
    assert verdict.good, f"{what}: {verdict}"
    assert verdict.rows


@pytest.fixture(scope="module")
def proxy(rclone: RcloneS3) -> Iterator[S3Proxy]:
    with S3Proxy.started(rclone.endpoint_url) as proxy:
        yield proxy


@pytest.mark.parametrize(
    "trial",
    [one for one in table_changes.trials() if (one.what, one.moment, one.shape) in CHANGES],
    ids=str,
)
def test_no_row_is_lost_when_the_table_is_changed_in_the_midst_of_a_run(
    place: Place, trial: table_changes.Trial, request: pytest.FixtureRequest
) -> None:
    number = list(table_changes.trials()).index(trial)
    assert_good(table_changes.tried(place, f"changed_{number}", trial), trial)


def test_the_sample_of_changes_is_there() -> None:
    every = {(one.what, one.moment, one.shape) for one in table_changes.trials()}
    assert every >= CHANGES


@pytest.mark.parametrize("name", ANSWERS)
def test_no_row_is_lost_when_answers_of_s3_are(place: Place, proxy: S3Proxy, name: str) -> None:
    every = s3_answers.LOST | s3_answers.THROTTLED
    outcome = s3_faults.tried(place, proxy, f"answers_{list(every).index(name)}", every[name])
    assert outcome.met, "the fault never came about"
    assert_good(outcome.verdict, name)


@pytest.mark.parametrize("jump", [one for one in clocks.trials() if (one.of, one.words, one.moment) in JUMPS], ids=str)
def test_no_row_leaves_before_its_time_when_a_clock_jumps(place: Place, jump: clocks.Jump) -> None:
    assert_good(clocks.tried(place, f"clock_{list(clocks.trials()).index(jump)}", jump), jump)


@pytest.mark.parametrize(
    "trial", [one for one in variables.trials() if (one.what, one.how, one.since) in VARIABLES], ids=str
)
def test_no_row_leaves_while_a_variable_cannot_be_read(place: Place, trial: variables.Failing) -> None:
    number = list(variables.trials()).index(trial)
    assert_good(variables.tried(place, f"variable_{number}", trial), trial)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_row_is_lost_when_the_answer_to_a_commit_is(place: Place, shape: Shape) -> None:
    last = list(commits.trials(place, (shape,)))[-1]
    assert_good(commits.tried(place, f"commit_{shape}", last), last)


@pytest.mark.parametrize("moment", ["after the check", "in mid-delete"])
def test_no_row_is_lost_when_a_copy_acts_beside_its_original(place: Place, moment: str) -> None:
    trial = next(one for one in copied.trials() if one.moment == moment and one.copy_first)
    assert_good(copied.tried(place, f"copied_{moment}".replace(" ", "_"), trial), trial)
