"""The figures of events in the docs are those of the last measurement."""

from __future__ import annotations

import json
from typing import Any

from bench import drawing, events

# What the last whole measurement did not have yet.
NEW = {"keep_versions_delete_locked_x"}


def made_up() -> dict[str, Any]:
    """A result in which every figure is another."""
    return {
        "events_s": 2001.0,
        "events_one_lane_s": 1303.0,
        "events_in_topics_s": 1502.0,
        "procrastinate_s": 203.0,
        "pgqueuer_s": 904.0,
        "of_procrastinate_x": 9.9,
        "of_pgqueuer_x": 2.2,
        "mapped_task_s": 2.5,
        "of_mapped_tasks_x": 800,
        "two_lanes_x": 1.75,
        "start_delay_warm_s": 0.06,
        "start_delay_cold_s": 4.4,
        "airflow_10000_s": 21.0,
        "old_snapshot_x": 1.25,
        "capture_single_x": 1.31,
        "capture_bulk_x": 2.42,
        "capture_partitioned_single_x": 1.53,
        "capture_partitioned_bulk_x": 4.64,
        "commits_8_databases_x": 0.97,
        "versions_gone_s": 0.13,
        "writers_p99_x": 1.12,
        "keep_versions_plan_x": 1.47,
        "keep_versions_delete_x": 0.37,
        "keep_versions_delete_locked_x": 0.58,
        "keep_versions_archive_x": 0.62,
        "load": {"events": 10_000, "repeats": 3, "with_snapshot": 100_000, "mapped": 200},
        "runs": {},
        "machine": {"cpu": "Some CPU", "cores": 2},
    }


def figures(result: dict[str, Any]) -> list[str]:
    return [line.split(" | ")[1].removesuffix(" |") for line in events.table(result).splitlines()[4:]]


def test_the_table_in_the_docs_is_the_measured_one() -> None:
    assert drawing.between_marks(events.PAGE, events.MARKS) == events.content()


def test_the_results_hold_every_measurement() -> None:
    if events.RESULTS.exists():
        assert set(made_up()) - NEW <= set(json.loads(events.RESULTS.read_text(encoding="utf-8")))


def test_every_figure_is_shown_in_its_own_row() -> None:
    assert figures(made_up()) == [
        "1,303 a second",
        "2,001 a second",
        "1,502 a second",
        "904 a second: ours 2.2x",
        "203 a second: ours 9.9x",
        "2.5 a second: ours 800x",
        "1.75x",
        "0.06 s",
        "4.4 s",
        "21 s",
        "1.25x",
        "1.31x",
        "2.42x",
        "1.53x",
        "4.64x",
        "0.97x",
        "0.13 s",
        "1.12x",
        "1.47x",
        "0.37x",
        "0.58x",
        "0.62x",
    ]
