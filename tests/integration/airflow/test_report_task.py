"""How the task `report` puts together what Airflow and the ledger know of a run; Airflow's side stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pg_archiver.airflow.archive_report import STEPS, report_table
from pg_archiver.airflow.batch_json import BatchJson
from pg_archiver.archive.report import Report
from pg_archiver.errors import Unfinished
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.task_context import connect_airflow, context_of, set_variables, work_on

pytestmark = pytest.mark.more

GROUP = "analytics-events"


@dataclass
class Task:
    """What Airflow tells a report of the other tasks of its run."""

    summary: Mapping[str, object] | None
    exports: Sequence[object]
    states: Mapping[str, str | None]
    try_number: int = 1
    map_index: int = -1
    asked: list[object] = field(default_factory=list)

    def xcom_pull(self, task_ids: object, key: str) -> object:
        return self.summary if key == "summary" else list(self.exports)

    def get_task_states(self, **asked: object) -> dict[str, Mapping[str, str | None]]:
        self.asked.append(asked)
        return {"run 1": self.states}


@pytest.fixture
def filled(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    place.sql(EVENTS)
    place.events(hours_ago(60.5), hours_ago(55.5), hours_ago(1))
    connect_airflow(place, monkeypatch)
    set_variables(monkeypatch)
    return place


def states(*failing: tuple[str, int], count: int = 2) -> dict[str, str | None]:
    found: dict[str, str | None] = {
        f"{GROUP}.window.{step}_{number}": "success" for step in STEPS for number in range(count)
    }
    return found | {f"{GROUP}.window.{step}_{number}": "failed" for step, number in failing}


def reported(place: Place, batches: list[BatchJson] | None, task: Task, *, enabled: bool = True) -> Report:
    context: dict[str, Any] = context_of() | {"ti": task}
    context["dag_run"].dag_id = "archive__x"
    return report_table(work_on(place, enabled=enabled), GROUP, batches, context)


def run_through(place: Place, *, enabled: bool = True) -> tuple[list[BatchJson], dict[str, object], list[object]]:
    """Plans and archives; returns what the plan and the exports returned."""
    work = work_on(place, enabled=enabled)
    batches, summary = work.plan(context_of())
    exports: list[object] = []
    for number, batch in enumerate(batches):
        context = context_of(map_index=number)
        exports.append(work.export(batch, context))
        work.store(batch, context)
        work.delete(batch, context)
    return batches, summary, exports


def test_a_run_of_which_all_went_well(filled: Place) -> None:
    batches, summary, exports = run_through(filled)
    task = Task(summary, exports, states())
    found = reported(filled, batches, task)
    assert (found.deleted, found.unfinished, found.dry_run) == (2, (), False)
    assert task.asked == [
        {"dag_id": "archive__x", "task_group_id": f"{GROUP}.window", "run_ids": ["run 1"]},
    ]


@pytest.mark.parametrize("state", ["failed", "upstream_failed", "skipped", "removed", None])
def test_a_task_in_any_other_state_than_success_is_told(filled: Place, state: str | None) -> None:
    batches, summary, exports = run_through(filled)
    found = reported(filled, batches, Task(summary, exports, states() | {f"{GROUP}.window.delete_1": state}))
    assert len(found.unfinished) == 1
    assert f"delete {state or 'never ran'}" in found.unfinished[0]


def test_an_export_that_somebody_marked_as_successful_has_exported_nothing(filled: Place) -> None:
    batches, summary = work_on(filled, enabled=True).plan(context_of())
    found = reported(filled, batches, Task(summary, [], states()))
    assert len(found.unfinished) == 2
    assert all("was not begun: its export did not report" in line for line in found.unfinished)


def test_what_exports_of_another_plan_returned_counts_for_nothing(filled: Place) -> None:
    """The plan was cleared alone: the states and XComs of its mapped tasks are those of the plan before."""
    _, _, old = run_through(filled)
    filled.events(hours_ago(70.5), hours_ago(65.5))
    batches, summary = work_on(filled, enabled=True).plan(context_of())
    found = reported(filled, batches, Task(summary, old, states(), try_number=2))
    assert len([line for line in found.unfinished if "was not begun" in line]) == 2


def test_a_run_that_was_cleared_and_has_nothing_left_to_do_keeps_its_record(filled: Place) -> None:
    run_through(filled)
    batches, summary = work_on(filled, enabled=True).plan(context_of())
    assert batches == []
    assert reported(filled, [], Task(summary, [], {}, try_number=2)).deleted == 2
    assert reported(filled, [], Task(summary, [], {})).lines()[0] == "nothing was due"


def test_a_run_that_became_a_dry_one_when_it_was_cleared_tells_what_it_had_done(filled: Place) -> None:
    run_through(filled)
    filled.events(hours_ago(70.5))
    batches, summary = work_on(filled, enabled=False).plan(context_of())
    exported = work_on(filled, enabled=False).export(batches[0], context_of())
    task = Task(summary, [exported], states(count=1), try_number=2)
    found = reported(filled, batches, task, enabled=False)
    assert found.dry_run
    assert any("this run was a real one: 2 rows of 2 windows left" in note for note in found.notes)


def test_a_dry_run_of_which_one_export_failed(filled: Place) -> None:
    work = work_on(filled, enabled=False)
    batches, summary = work.plan(context_of())
    exports = [work.export(batches[0], context_of(map_index=0))]
    found = reported(filled, batches, Task(summary, exports, states(("export", 1))), enabled=False)
    assert found.rows == 1
    assert len(found.unfinished) == 1
    assert "export failed" in found.unfinished[0]


@pytest.mark.parametrize("planned", [None, []])
def test_a_plan_that_failed_leaves_nothing_to_add_up(filled: Place, planned: list[BatchJson] | None) -> None:
    with pytest.raises(Unfinished, match="nothing was planned"):
        reported(filled, planned, Task(None, [], {}))


def test_a_plan_of_an_older_version_is_told(filled: Place) -> None:
    with pytest.raises(Unfinished, match="an older version planned this run"):
        reported(filled, [], Task({"keep_days": 2, "notes": []}, [], {}))


def test_maintenance_that_is_due_is_noted_beside_what_the_plan_said(filled: Place) -> None:
    batches, summary, exports = run_through(filled)
    assert any("N is 2, from" in note for note in reported(filled, batches, Task(summary, exports, states())).notes)
