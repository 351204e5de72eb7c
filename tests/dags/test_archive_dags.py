"""The house rules of the DAGs, held over everything that the factory builds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, get_parsing_context
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.serialization.serialized_objects import DagSerialization

from pg_archiver.airflow import connections

DAGS = Path(__file__).parents[2] / "dags"
Load = Callable[[dict[str, object]], DagBag]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Parses the DAG folder with these policies."""

    def parse(policies: dict[str, object]) -> DagBag:
        path = tmp_path / "policies.yaml"
        path.write_text(yaml.safe_dump(policies, allow_unicode=True), encoding="utf-8")
        monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
        return DagBag(str(DAGS), bundle_name="dags-folder")

    return parse


def policies_of(*clients: object) -> dict[str, object]:
    return {"defaults": {"bucket": "archive"}, "instances": [{"conn_id": "rds_main", "clients": list(clients)}]}


def archives(bag: DagBag) -> list[str]:
    return [dag_id for dag_id in bag.dags if dag_id.startswith("archive__")]


def test_every_client_of_the_shipped_policies_has_one_dag() -> None:
    bag = DagBag(str(DAGS), bundle_name="dags-folder")
    assert bag.import_errors == {}
    expected = {"acme", "globex", "initech", "umbrella", "bank"}
    assert {dag_id for dag_id in bag.dags if dag_id.startswith("archive__")} == {
        f"archive__{name}" for name in expected
    }


def test_every_dag_says_what_it_does_and_whose_it_is(load: Load) -> None:
    bag = load(policies_of({"name": "acme"}, {"name": "broken", "keep_days": "abc"}))
    assert bag.import_errors == {}
    for dag in bag.dags.values():
        assert "archiver" in dag.tags
        assert dag.doc_md
        assert dag.description
        assert all(task.owner == "archiver" for task in dag.tasks)
        assert dag.max_active_runs == 1
        assert not dag.catchup
        assert all(task.retries == 3 or task.task_id == "policy" for task in dag.tasks)


def test_the_chain_of_a_table(load: Load) -> None:
    dag = load(policies_of({"name": "acme", "tables": [{"table": "analytics.events"}, {"table": "a.b"}]})).dags[
        "archive__acme"
    ]
    chain = ["plan", "window.export", "window.store", "window.delete", "report"]
    assert [task.task_id for task in dag.tasks] == [
        f"{group}.{task}" for group in ("analytics-events", "a-b") for task in chain
    ]
    weights = [task.priority_weight for task in dag.tasks[:5]]
    assert weights == sorted(set(weights)), "each step outranks the one before, so space is freed early"
    assert {task.weight_rule for task in dag.tasks} == {"absolute"}
    assert {task.pool for task in dag.tasks} == {"archive_rds_main"}
    assert all(task.retries == 3 for task in dag.tasks)
    for task in dag.tasks[1:4]:
        assert isinstance(task, MappedOperator) or task.get_closest_mapped_task_group() is not None
        assert task.map_index_template


def test_a_table_is_planned_when_its_children_are_done_whatever_came_of_them(load: Load) -> None:
    tables = [
        {"table": "a.events", "children": ["a.clicks", "a.events"]},
        {"table": "a.clicks", "children": ["a.marks"]},
        {"table": "a.marks"},
        {"table": "a.other"},
    ]
    dag = load(policies_of({"name": "acme", "tables": tables})).dags["archive__acme"]
    for parent, child in (("a-events", "a-clicks"), ("a-clicks", "a-marks")):
        plan = dag.get_task(f"{parent}.plan")
        assert plan.upstream_task_ids == dag.get_task(f"{child}.report").upstream_task_ids
        assert f"{child}.window.delete" in plan.upstream_task_ids
        assert plan.trigger_rule == "all_done"
    for alone in ("a-marks", "a-other"):
        assert not dag.get_task(f"{alone}.plan").upstream_task_ids
    assert "a-marks.plan" in {task.task_id for task in dag.get_task("a-events.plan").get_flat_relatives(upstream=True)}


def test_a_table_of_one_task_has_one_and_an_end_besides_where_a_parent_waits(load: Load) -> None:
    tables = [
        {"table": "a.events", "children": ["a.clicks"]},
        {"table": "a.clicks", "tasks": "one", "children": ["a.marks"]},
        {"table": "a.marks", "tasks": "auto"},
        {"table": "a.other", "tasks": "one"},
    ]
    dag = load(policies_of({"name": "acme", "tables": tables})).dags["archive__acme"]
    assert [task.task_id for task in dag.tasks if task.task_id.startswith(("a-clicks", "a-other"))] == [
        "a-clicks.archive",
        "a-clicks.end",
        "a-other.archive",
    ]
    assert dag.get_task("a-events.plan").upstream_task_ids == {"a-clicks.archive"}
    assert dag.get_task("a-clicks.archive").upstream_task_ids == dag.get_task("a-marks.report").upstream_task_ids
    assert dag.get_task("a-clicks.archive").trigger_rule == "all_done"
    assert {task.task_id for task in dag.leaves} == {
        "a-events.report",
        "a-clicks.end",
        "a-marks.report",
        "a-other.archive",
    }
    end = dag.get_task("a-clicks.end")
    assert (end.trigger_rule, end.inherits_from_empty_operator) == ("all_success", True)
    assert [*end.outlets, *end.inlets, *end.on_success_callback, *end.on_execute_callback] == [], "it needs no process"
    one = dag.get_task("a-other.archive")
    assert (one.pool, one.retries, one.trigger_rule) == ("archive_rds_main", 3, "all_success")


def test_tasks_auto_is_the_chain_whose_plan_may_do_it_all(load: Load) -> None:
    chains = [load(policies_of({"name": "acme", "tasks": tasks})).dags["archive__acme"] for tasks in ("chain", "auto")]
    assert [task.task_id for task in chains[0].tasks] == [task.task_id for task in chains[1].tasks]
    plans = [dag.get_task("analytics-events.plan") for dag in chains]
    assert [bool(plan.outlets) for plan in plans] == [False, True]


def test_a_failed_report_fails_the_run_whatever_becomes_of_other_tables(load: Load) -> None:
    tables = [{"table": "a.events", "children": ["a.clicks"]}, {"table": "a.clicks"}]
    dag = load(policies_of({"name": "acme", "tables": tables})).dags["archive__acme"]
    assert {task.task_id for task in dag.leaves} == {"a-events.report", "a-clicks.report"}


def test_the_trigger_form(load: Load) -> None:
    dag = load(policies_of({"name": "acme"})).dags["archive__acme"]
    assert {name: dag.params[name] for name in dag.params} == {
        "keep_days": None,
        "dry_run": False,
        "start": None,
        "end": None,
        "adopt": None,
    }


@pytest.mark.parametrize(
    "name", ["o'brien", "a/b", "a.b", "100%", "{x}", "two words", "müller", 'quo"te', ".x41", "日本"]
)
def test_odd_names_make_dags(load: Load, name: str) -> None:
    bag = load(policies_of({"name": name, "database": "d"}, {"name": "acme"}))
    assert bag.import_errors == {}
    assert len(archives(bag)) == 2
    dag = next(dag for dag in bag.dags.values() if name in (dag.dag_display_name or ""))
    assert re.fullmatch(r"archive__[\w.-]+", dag.dag_id)
    DagSerialization.to_dict(dag)


def test_a_broken_client_fails_alone_and_says_why(load: Load) -> None:
    bag = load(policies_of({"name": "acme"}, {"name": "globex", "keep_dayz": 3}))
    assert bag.import_errors == {}
    assert len(bag.dags["archive__acme"].tasks) == 5
    broken: DAG = bag.dags["archive__globex"]
    (task,) = broken.tasks
    with pytest.raises(Exception, match=r"client 'globex': keep_dayz: no such setting"):
        task.python_callable()


def test_a_client_without_a_name_gets_a_dag_that_says_where_it_stands(load: Load) -> None:
    bag = load(policies_of({"name": "acme"}, {"database": "globex"}))
    assert bag.import_errors == {}
    assert len(bag.dags["archive__acme"].tasks) == 5
    (task,) = bag.dags["archive__instances.0.clients.1"].tasks
    with pytest.raises(Exception, match=r"instances\[0\]\.clients\[1\]: name is None"):
        task.python_callable()


@pytest.mark.parametrize("text", ["{", "[]", "instances: 3", "defaults: {bucket: archive, nonsense: 1}\ninstances: []"])
def test_a_file_that_cannot_be_read_is_an_import_error_that_names_it(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(text)
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    errors = DagBag(str(DAGS), bundle_name="dags-folder").import_errors
    assert {Path(name).name for name in errors} == {path.name for path in DAGS.glob("*.py")}
    assert all(str(path) in error and "PolicyError" in error for error in errors.values())


def test_a_worker_builds_its_own_dag_only(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "archive__globex")
    assert get_parsing_context().dag_id == "archive__globex"
    assert list(load(policies_of({"name": "acme"}, {"name": "globex"})).dags) == ["archive__globex"]


def test_dags_are_the_same_at_every_parse(load: Load) -> None:
    policies = policies_of({"name": "b"}, {"name": "a"})
    first, second = (
        {dag_id: DagSerialization.to_dict(dag) for dag_id, dag in load(policies).dags.items()} for _ in range(2)
    )
    assert first == second


def test_tasks_keep_no_copies_of_the_form_which_would_slow_parsing_many_clients_down(load: Load) -> None:
    dag = load(policies_of({"name": "acme"})).dags["archive__acme"]
    assert set(dag.params) == {"keep_days", "dry_run", "start", "end", "adopt"}
    assert [task.task_id for task in dag.tasks if task.params] == []


def test_parsing_many_clients_prints_its_time(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    bag = load(policies_of(*({"name": f"client{number}"} for number in range(100))))
    seconds = time.monotonic() - started
    with capsys.disabled():
        print(f"\n100 clients parsed in {seconds:.2f} s")  # noqa: T201
    assert len(archives(bag)) == 100


def test_a_stop_before_the_step_has_its_handler_is_noted_by_airflows_own(load: Load) -> None:
    dag = load(policies_of({"name": "acme"})).dags["archive__acme"]
    with connections.watch_for_stop() as asked:
        assert not asked()
    dag.get_task("analytics-events.window.delete").prepare_for_execution().on_kill()
    with connections.watch_for_stop() as asked:
        assert asked()
    with connections.watch_for_stop() as asked:
        assert not asked()


@pytest.mark.parametrize(("tasks", "name"), [("one", "archive"), ("auto", "plan")])
def test_what_does_everything_notes_an_early_stop_too(load: Load, tasks: str, name: str) -> None:
    dag = load(policies_of({"name": "acme", "tasks": tasks})).dags["archive__acme"]
    dag.get_task(f"analytics-events.{name}").prepare_for_execution().on_kill()
    with connections.watch_for_stop() as asked:
        assert asked()


@pytest.mark.parametrize("site", ["True", "False"])
def test_what_deletes_is_created_paused_whatever_the_site_says(
    load: Load, monkeypatch: pytest.MonkeyPatch, site: str
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", site)
    bag = load(policies_of({"name": "acme"}, {"name": "broken", "keep_days": "abc"}))
    for name in ("archive__acme", "archive__broken"):
        assert bag.dags[name].is_paused_upon_creation is True


def test_a_failed_step_does_not_stop_the_next_one_of_its_batch(load: Load) -> None:
    dag = load(policies_of({"name": "acme"})).dags["archive__acme"]
    rules = {task.task_id.rpartition(".")[2]: task.trigger_rule for task in dag.tasks}
    assert rules["export"] == "all_success"
    assert rules["store"] == rules["delete"] == rules["report"] == "all_done"
