"""The DAGs of events: which there are, what wakes them, and what each run may do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from tests.dags.test_jobs_dags import DAGS, bag_of, watchers

OURS = {"events__acme", "events__globex.x20.x26.x20co"}
FUNCTIONS = {"actions": ["function"]}
EVENTS = {"conn_id": "rds_events", "lanes": 3}
POLICIES: dict[str, Any] = {
    "defaults": {"bucket": "archive"},
    "instances": [
        {
            "conn_id": "rds_main",
            "jobs": FUNCTIONS,
            "clients": [
                {"name": "acme", "own_jobs": True, "events": EVENTS},
                {"name": "globex & co", "own_jobs": True, "events": {**EVENTS, "lanes": 1}, "database": "globex"},
                {"name": "initech", "own_jobs": True, "events": None},
            ],
        },
        {"conn_id": "rds_plain", "clients": [{"name": "umbrella"}]},
    ],
}


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagBag]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield bag_of(POLICIES, tmp_path_factory.mktemp("bag"), monkeypatch)


def test_there_is_one_for_each_client_with_events_and_none_for_others(bag: DagBag) -> None:
    assert {dag_id for dag_id in bag.dags if dag_id.startswith("events__")} == OURS


def test_the_client_s_database_is_watched_by_the_connection_that_jobs_are_watched_by(bag: DagBag) -> None:
    (watcher,) = watchers(bag.dags["events__acme"])
    path, arguments = watcher.trigger.serialize()
    assert path == "pg_archiver.airflow.due_trigger.Due"
    assert arguments == {"conn_id": "rds_main", "database": "acme", "what": "events"}
    of_jobs = {one.trigger.shared_stream_key() for one in watchers(bag.dags["jobs__rds_main"])}
    assert watcher.trigger.shared_stream_key() in of_jobs


def test_work_is_mapped_by_lane_in_the_instance_s_own_pool_and_not_tried_again_by_airflow(bag: DagBag) -> None:
    tasks = {task.task_id: task for task in bag.dags["events__acme"].tasks}
    assert set(tasks) == {"survey", "work"}
    assert (tasks["work"].pool, tasks["work"].retries) == ("events_rds_main", 0)
    assert tasks["survey"].pool == "default_pool"
    dag = bag.dags["events__acme"]
    ready = SimpleNamespace(op_kwargs={"lane": 0, "lanes": 2})
    label = dag.get_template_env().from_string(tasks["work"].map_index_template).render(task=ready)
    assert label == "lane 1 of 2"


def test_it_is_paused_when_it_is_new_takes_no_backfill_and_four_runs_at_once(bag: DagBag) -> None:
    for dag_id in OURS:
        dag = bag.dags[dag_id]
        assert (dag.is_paused_upon_creation, dag.max_active_runs, dag.catchup) == (True, 4, False)
        assert "backfill" not in {kind.value for kind in dag.allowed_run_types or ()}
        assert dag.allowed_run_types


def test_the_form_has_what_a_person_may_ask_for(bag: DagBag) -> None:
    params = bag.dags["events__acme"].params
    assert dict(params.dump()) == {"bindings": [], "retry_dead": False, "max_seconds": None}


def test_the_dag_says_which_pool_connection_and_variable_it_needs(bag: DagBag) -> None:
    text = bag.dags["events__acme"].doc_md or ""
    for word in ("`events_rds_main`", "Without that pool no function ever runs", "`rds_events`", "`jobs__rds_main`"):
        assert word in text
    assert "`archive_events_paused__acme`" in text


def test_where_no_client_has_events_there_are_none_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"defaults": {"bucket": "archive"}, "instances": POLICIES["instances"][1:]}
    found = bag_of(plain, tmp_path, monkeypatch).dags
    assert not [dag_id for dag_id in found if dag_id.startswith("events__")]


def test_what_is_serialised_does_not_change_from_parse_to_parse(bag: DagBag) -> None:
    again = DagBag(str(DAGS), bundle_name="dags-folder")
    for dag_id in OURS:
        one, other = (DagSerialization.to_dict(found.dags[dag_id]) for found in (bag, again))
        assert one == other
