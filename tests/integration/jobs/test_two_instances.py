"""Jobs of two instances: one works, one fails, one is missing, and what others read of them (seed 002)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.postgres import PostgresServer
from tests.support.job_place import JobPlace

pytestmark = pytest.mark.more

STATS = "SELECT job_name, last_run_status, job_status, total_runs, total_failures FROM archiver.job_stats ORDER BY 1"


@pytest.fixture
def two(jobs: JobPlace, tmp_path: Path) -> Iterator[tuple[JobPlace, JobPlace]]:
    """Places on two servers."""
    with PostgresServer(tmp_path / "second") as second, JobPlace.made(second, "other_server") as other:
        yield jobs, other


def test_one_that_fails_and_one_that_is_missing_keep_the_third_from_nothing(
    two: tuple[JobPlace, JobPlace], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    first, second = two
    hourly = {"schedule_interval": "1 hour", "fixed_schedule": False}
    for place in two:
        place.define("INSERT INTO app.done VALUES (job_id, config);")
        place.define("RAISE NOTICE 'card 4711'; PERFORM 4711 / (config ->> 'of Jane')::int;", name="app.failing")
    first.job("works", config='{"of Jane": 1}', **hourly)
    first.job("missing", proc_name="missing", **hourly)
    second.job("fails", proc_name="failing", config='{"of Jane": 0}', **hourly)
    told = ""
    for place in two:
        plan = place.plan()
        told += str(plan.as_dict())
        for claim in plan.claims:
            told += str(place.run(claim).as_dict())
    stats = [row for place in two for row in place.sql(place.control, STATS)]
    assert stats == [
        ("missing", None, "Refused", 0, 0),
        ("works", "Success", "Scheduled", 1, 0),
        ("fails", "Failed", "Scheduled", 1, 1),
    ]
    assert len(first.done()) == 1
    ((code, message, output),) = second.sql(
        second.target, "SELECT sqlerrcode, err_message, output FROM archiver.job_errors"
    )
    assert (code, output) == ("22012", "NOTICE: card 4711")
    assert message.startswith("division by zero\nCONTEXT:  ")
    for content in ("4711", "Jane"):
        assert content not in caplog.text + told
    # Nothing of it is anywhere but in the database that was worked on.
    assert second.sql(second.control, "SELECT count(*) FROM archiver.job_errors") == [(0,)]
