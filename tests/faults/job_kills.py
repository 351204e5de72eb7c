"""SIGKILL at named points and at random instants of a job's run, and what everybody counts and sees afterwards."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from tests.faults.chance import seeded
from tests.faults.job_worker import CALLING, order_of
from tests.faults.kills import Kill, Worker, refuse_survivor
from tests.support.concurrency import until
from tests.support.job_place import JobPlace

# A procedure that notes its begin and its end, each in a transaction of its own, and that it met another one at work.
TABLES = """
    CREATE TABLE app.noted (job_id int, what text, at timestamptz DEFAULT clock_timestamp());
    GRANT SELECT, INSERT ON app.noted TO PUBLIC
"""
WORK = """
    IF NOT pg_try_advisory_lock(4711, job_id) THEN INSERT INTO app.noted VALUES (job_id, 'overlap'); END IF;
    INSERT INTO app.noted VALUES (job_id, 'begin'); COMMIT;
    PERFORM pg_sleep((config ->> 'seconds')::double precision);
    IF config ? 'fails' THEN PERFORM 1 / 0; END IF;
    INSERT INTO app.noted VALUES (job_id, 'end'); COMMIT;
    PERFORM pg_advisory_unlock(4711, job_id);
"""
_SECONDS = 0.3
_PATIENCE_SECONDS = 60.0
COUNTED = """
    SELECT total_runs, total_successes, total_failures, total_crashes, last_folded
    FROM archiver.job_state WHERE job_id = %s
"""
# Its runs as their rows have them. The last one that was counted may not be marked as such yet.
RECORDED = """
    SELECT count(*), count(*) FILTER (WHERE succeeded), count(*) FILTER (WHERE NOT succeeded AND NOT crashed),
        count(*) FILTER (WHERE crashed), count(*) FILTER (WHERE finished_at IS NULL OR (folded_at IS NULL AND id <> %s))
    FROM archiver.job_runs WHERE job_id = %s
"""


@dataclass(frozen=True)
class JobVerdict:
    """What was counted: all of it agrees, or an assertion had failed."""

    runs: int
    crashes: int


def prepared(place: JobPlace) -> JobPlace:
    """The place with the procedure, in each of its databases, and after a first run."""
    for database in (place.control, *place.targets):
        place.sql(database, TABLES)
        place.define(WORK, database=database)
    place.job("first", schedule_interval="1 year", config='{"seconds": 0}')
    assert not place.run_once("first").failed
    return place


def points(worker: Worker, place: JobPlace) -> list[str]:
    """Every point that planning and running a job comes by, in order."""
    number = due(place, "recorded", fails=False, far=True)
    answer = worker.send({**order_of(place), "run_id": "recorded"})
    assert answer["status"] == 0, answer
    place.sql(place.control, "DELETE FROM archiver.jobs WHERE job_id = %s", number)
    met: list[str] = answer["points"]
    return met


def choices(met: list[str], number: int | None = None) -> list[Kill]:
    """Each point at its first occurrence, and at a later one if there is one; or so many of them."""
    found = []
    for point in dict.fromkeys(met):
        times = met.count(point)
        found.append(Kill(point, 1))
        if times > 1 and point != CALLING:
            found.append(Kill(point, seeded(point).randint(2, times)))
    return found if number is None else seeded("jobs").sample(found, number)


def due(place: JobPlace, name: str, seconds: float = _SECONDS, *, fails: bool, far: bool = True) -> int:
    """A job that is due, which acts in another database or in that of its own row."""
    text = json.dumps({"seconds": seconds} | ({"fails": True} if fails else {}))
    number = place.job(
        name, schedule_interval="1 year", config=text, database_name=place.target if far else place.control
    )
    place.make_due(name)
    return number


def tried(
    worker: Worker, place: JobPlace, name: str, kill: Kill | None = None, instant: float | None = None
) -> JobVerdict:
    """Kills a process that plans and runs a job, goes on as the next runs of Airflow would, and checks everything.

    Raises:
        NotReached: the process ended before it was to be killed.
    """
    choice = seeded(name)
    # At a point what is run is what was recorded.
    number = due(place, name, fails=not kill and choice.random() < 0.3, far=bool(kill) or choice.random() < 0.7)
    try:
        refuse_survivor(worker.send({**order_of(place), "run_id": name}, kill, instant), kill)
        settle(place, name)
        return check(place, number)
    finally:
        place.sql(place.control, "DELETE FROM archiver.jobs WHERE job_id = %s", number)


def settle(place: JobPlace, name: str, who: str = "again", *, alone: bool = True) -> None:
    """Looks and runs as later Airflow runs do, until the job has run to an end once more; time is moved on by hand."""
    place.ended.add(name)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for number in range(1000):
        run_id = f"{name}, {who} {number}"
        for claim in place.plan(run_id).claims:
            place.run(claim)
        place.ended.add(run_id)
        state, successes, failures, crashes, wait = place.state(
            name,
            "state, total_successes, total_failures, total_crashes,"
            " extract(epoch FROM next_start - coalesce(last_finish, clock_timestamp()))",
        )
        assert crashes <= 1
        if state == "idle" and successes + failures:
            return
        if state == "idle" and crashes and alone:
            assert wait >= 299.9, "a job that has crashed waits five minutes at least"
        if state == "idle":
            place.sql(
                place.control,
                "UPDATE archiver.job_state SET next_start = clock_timestamp() FROM archiver.jobs"
                " WHERE jobs.job_id = job_state.job_id AND job_name = %s",
                name,
            )
        assert time.monotonic() < deadline, f"{name} does not come to an end: {state}"
        time.sleep(0.05)


def check(place: JobPlace, number: int) -> JobVerdict:
    """Compares what was counted, what was recorded, and what the procedure itself did."""
    ((*counted, last),) = place.sql(place.control, COUNTED, number)
    recorded = [0] * 5
    noted: dict[str, int] = {}
    for database in (place.control, *place.targets):
        if place.sql(database, "SELECT to_regclass('archiver.job_runs') IS NOT NULL")[0][0]:
            ((*found,),) = place.sql(database, RECORDED, last, number)
            recorded = [one + other for one, other in zip(recorded, found, strict=True)]
        for what, times in place.sql(
            database, "SELECT what, count(*) FROM app.noted WHERE job_id = %s GROUP BY what", number
        ):
            noted[what] = noted.get(what, 0) + times
    runs, successes, failures, crashes = counted
    assert recorded == [*counted, 0], f"counted {counted}, recorded {recorded}"
    assert runs == successes + failures + crashes
    assert "overlap" not in noted
    begun, ended = noted.get("begin", 0), noted.get("end", 0)
    # One that died may have begun or not, and may have come to its end without anybody's knowing.
    assert successes + failures <= begun <= runs
    assert successes <= ended <= successes + crashes
    return JobVerdict(runs, crashes)


def await_backends(place: JobPlace) -> None:
    """Waits until no session of either login is left on the server."""
    until(
        lambda: (
            not place.sql(
                place.control,
                "SELECT pid FROM pg_stat_activity WHERE usename IN (%s, %s)",
                place.archive,
                place.login,
            )
        )
    )
