"""The figures of jobs in the docs are those of the last measurement."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import drawing, jobs
from bench.job_databases import JobRun, most_at_once

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def made_up() -> dict[str, Any]:
    """A result in which every figure is another."""
    return {
        "choose_s": 1.25,
        "choose_peak_mb": 71.0,
        "choose_first_s": 9.5,
        "choose_idle_s": 0.25,
        "jobs_500_s": 303.0,
        "bare_tasks_500_s": 202.0,
        "jobs_of_bare_tasks": 1.5,
        "start_delay_s": 6.5,
        "pg_cron_start_delay_s": 0.015,
        "pg_cron_missing": None,
        "start_delay_of_pg_cron": 433.3,
        "choose_policies_s": 0.9,
        "choose_policies_peak_mb": 72.0,
        "policies": 1000,
        "policy_databases": 50,
        "purge_rows_s": 300000,
        "loop_rows_s": 330000,
        "purge_x_loop": 0.91,
        "purge_x_seed": 3000,
        "purged_rows": 500000,
        "load": {"jobs": 1000, "databases": 50, "at_once": 500, "slots": 4, "fires": 7},
        "runs": {"looks": {"choose": [{}, {}, {}]}},
        "machine": {"cpu": "Some CPU", "cores": 2},
    }


OF_POLICIES = ["0.9 s, 72 MB", "0.91x", "3000x"]


def figures(result: dict[str, Any]) -> list[str]:
    return [line.split(" | ")[1].removesuffix(" |") for line in jobs.table(result).splitlines()[4:]]


def test_the_table_in_the_docs_is_the_measured_one() -> None:
    assert drawing.between_marks(jobs.PAGE, jobs.MARKS) == jobs.content()


def test_the_results_hold_every_measurement() -> None:
    if jobs.RESULTS.exists():
        assert set(json.loads(jobs.RESULTS.read_text(encoding="utf-8"))) == set(made_up())


def test_every_figure_is_shown_in_its_own_row() -> None:
    assert figures(made_up()) == [
        "1.2 s, 71 MB",
        "9.5 s",
        "0.25 s",
        "303 s",
        "202 s",
        "1.50x",
        "6.5 s",
        "0.015 s",
        *OF_POLICIES,
    ]


def test_a_peer_that_could_not_be_had_is_said_to_be_missing() -> None:
    assert figures({**made_up(), "pg_cron_start_delay_s": None})[7] == "not measured"


def test_runs_that_end_when_others_begin_are_not_at_work_together() -> None:
    runs = [JobRun(n, NOON + n * SECOND, NOON + (n + 1) * SECOND, True) for n in range(3)]
    assert most_at_once(runs) == 1
    assert most_at_once([*runs, JobRun(9, NOON, NOON + 9 * SECOND, True), JobRun(10, NOON, None, None)]) == 3
