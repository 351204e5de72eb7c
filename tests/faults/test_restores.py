"""A restore may be killed, cut off or given broken objects: run again, it brings back just what had left.

Every trial ends with a comparison of all rows with what their writers wrote down.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from tests.faults import restore_faults, restore_rounds
from tests.faults.account import Verdict
from tests.faults.archiving import Run
from tests.faults.comparing import compared, difference, restored
from tests.faults.kills import Kill, Worker
from tests.faults.place import Place
from tests.faults.postgres_proxy import Cut
from tests.faults.recorder import Recorder
from tests.faults.restores import (
    COPY,
    INTO_COPY,
    INTO_ITSELF,
    STRICTER_WAYS,
    WAYS,
    Way,
    archives,
    choices,
    cloned,
    killed,
    points,
)
from tests.faults.s3_proxy import S3Proxy

FEWEST_POINTS = 30
# Those that no way of restoring goes without, each in the middle of the restore.
POINTS = ("before commit", "after commit", "after S3 GetObject")
# One of each kind, tried on the way into a copy or into the table itself; all of them in `python -m tests.faults`.
TRIALS = {
    "LIST denied": INTO_COPY,
    "manifest 6 shortened": INTO_ITSELF,
    "object 2 with a bit flipped": INTO_COPY,
    "object stalled in the middle": INTO_ITSELF,
    "object failed by an internal error": INTO_COPY,
    "read reset for a moment": INTO_ITSELF,
}
# Rows without a key are told apart by nothing but their place in the archive; of those with one some rounds are enough.
ROUNDS = [
    *((name, False) for name in restore_rounds.ROUNDS),
    *((name, True) for name in list(restore_rounds.ROUNDS)[1:4]),
]


@pytest.fixture(scope="module")
def made(server: PostgresServer, rclone: RcloneS3) -> Iterator[dict[bool, Place]]:
    with archives(server, rclone) as made:
        yield made


@pytest.fixture(scope="module", params=[True, False], ids=["primary key", "no key"])
def archive(request: pytest.FixtureRequest, made: dict[bool, Place]) -> Place:
    return made[request.param]


@pytest.fixture(scope="module")
def proxy(rclone: RcloneS3) -> Iterator[S3Proxy]:
    with S3Proxy.started(rclone.endpoint_url) as proxy:
        yield proxy


def test_a_comparison_sees_what_is_missing_and_what_is_wrong(made: dict[bool, Place]) -> None:
    with cloned(made[False], "compared") as place:
        left = len(difference(place, COPY).missing)
        assert left > 10
        assert restored(Run.of(place), COPY) == ()
        for change, missing, wrong in (
            ("", 0, 0),
            ("UPDATE {copy} SET name = 'another' WHERE id = 4", 1, 1),
            ("INSERT INTO {copy} SELECT * FROM {copy} WHERE id = 5", 1, 2),
            ("DELETE FROM {copy} WHERE id = 5", 2, 1),
            ("INSERT INTO {copy} SELECT * FROM analytics.things", 2, 1 + place.rows()),
            ("DROP TABLE {copy}", left, 0),
        ):
            place.sql(change.format(copy=f"analytics.{COPY}") or "SELECT")
            verdict = difference(place, COPY)
            assert (len(verdict.missing), len(verdict.wrong)) == (missing, wrong), change


def test_a_row_that_a_user_deleted_is_not_expected(made: dict[bool, Place]) -> None:
    with cloned(made[True], "forgotten") as place:
        assert compared(place).good
        with place.server.connect(place.database) as connection:
            Recorder(connection, place).delete([4])
        assert difference(place).good


@pytest.mark.more
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_nothing_is_missing_or_doubled_after_a_kill_at_any_point_of_a_sample(
    archive: Place, worker: Worker, way: Way
) -> None:
    met = points(worker, archive, way)
    assert len(choices(met, archive, way)) >= FEWEST_POINTS
    for number, point in enumerate(POINTS):
        kill = Kill(point, met.count(point) * 2 // 3 + 1)
        assert_good(killed(worker, archive, f"kill{number}", way, kill), f"killed at {kill}")


@pytest.mark.more
@pytest.mark.parametrize("way", STRICTER_WAYS, ids=str)
def test_a_retry_does_not_meet_the_rows_of_its_own_first_try(made: dict[bool, Place], worker: Worker, way: Way) -> None:
    last = Kill("before commit", points(worker, made[True], way).count("before commit"))
    assert_good(killed(worker, made[True], "stricter", way, last), f"killed at {last}")


@pytest.mark.more
@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("delivered", [False, True], ids=["before", "after"])
def test_nothing_is_missing_or_doubled_after_a_cut_at_a_commit(archive: Place, way: Way, delivered: bool) -> None:
    commits = restore_faults.counted(archive, way, b"COMMIT")
    cut = Cut(b"COMMIT", commits * 2 // 3 + 1, delivered)
    assert_good(restore_faults.tried_cut(archive, "cut", way, cut), str(cut))


@pytest.mark.more
@pytest.mark.parametrize(("name", "way"), TRIALS.items())
def test_nothing_is_missing_or_doubled_when_s3_fails(
    made: dict[bool, Place], proxy: S3Proxy, name: str, way: Way
) -> None:
    outcome = restore_faults.tried_s3(made[True], proxy, "s3", way, restore_faults.TRIALS[name])
    assert outcome.met, "the fault never came about"
    assert_good(outcome.verdict, name)


@pytest.mark.more
@pytest.mark.parametrize(("name", "keyed"), ROUNDS)
def test_rows_come_back_once_while_the_archive_goes_on(place: Place, worker: Worker, name: str, keyed: bool) -> None:
    tried = partial(restore_rounds.tried, worker, place, f"{name} {keyed}".lower().replace(" ", "_"))
    assert_good(tried(restore_rounds.ROUNDS[name], keyed=keyed), name)


def assert_good(verdict: Verdict, what: str) -> None:
    assert verdict.good, f"{what}: {verdict}"
    assert verdict.restores
