"""The DAG `verify`: which tables it chooses, and that one's trouble is not another's."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from pg_archiver.airflow import connections
from pg_archiver.airflow import verify as verify_tasks
from pg_archiver.airflow.verify import OTHERS, choose_tables, run_verify
from pg_archiver.errors import CheckFailed, SettingError, StorageInterrupted, Unfinished
from pg_archiver.policies.yaml_file import Policies, load
from pg_archiver.verify.rebuild_ledger import Rebuilt
from pg_archiver.verify.result import Verified

DAGS = Path(__file__).parents[2] / "dags"
POLICIES = {
    "defaults": {"bucket": "archive"},
    "instances": [
        {
            "conn_id": "rds_main",
            "clients": [{"name": "a", "tables": [{"table": "s.one"}, {"table": "s.two"}]}, {"name": "b"}],
        }
    ],
}
FORM = {"client": None, "table": None, "rebuild_ledger": False}
ALL = [["a", "s.one"], ["a", "s.two"], ["b", "analytics.events"]]


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policies:
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(POLICIES), encoding="utf-8")
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    return load(path)


def filled(**fields: object) -> dict[str, Any]:
    return {
        "params": FORM | fields,
        "dag_run": SimpleNamespace(run_id="run 1", conf=fields),
        "dag": SimpleNamespace(dag_id="verify", params=FORM),
        "ti": SimpleNamespace(xcom_push=lambda **_: None),
    }


def test_the_dag(policies: Policies) -> None:
    bag = DagBag(str(DAGS), bundle_name="dags-folder")
    assert bag.import_errors == {}
    dag = bag.dags["verify"]
    assert {name: dag.params[name] for name in dag.params} == FORM
    assert [task.task_id for task in dag.tasks] == ["choose", "verify"]
    DagSerialization.to_dict(dag)


def test_the_form_chooses_the_tables(policies: Policies) -> None:
    of_a = [[["a", "s.one"]], [["a", "s.two"], ["a", OTHERS]]]
    assert choose_tables(policies, filled()) == [*of_a, [["b", "analytics.events"], ["b", OTHERS]]]
    assert choose_tables(policies, filled(client="a")) == of_a
    assert choose_tables(policies, filled(client="a", table="s.two")) == [[["a", "s.two"]]]
    assert choose_tables(policies, filled(table="s.two")) == [[["a", "s.two"]]]
    # Whether it was archived once is for its database to tell.
    assert choose_tables(policies, filled(client="b", table="s.one")) == [[["b", "s.one"]]]
    with pytest.raises(SettingError, match=r"parameter table names 's.three'"):
        choose_tables(policies, filled(table="s.three"))
    with pytest.raises(SettingError, match=r"parameter table: 'three' is not schema.table. .*Nothing was read"):
        choose_tables(policies, filled(client="a", table="three"))
    with pytest.raises(SettingError, match=r"client is 'c': .* has no such client \(a, b\)"):
        choose_tables(policies, filled(client="c"))
    with pytest.raises(
        SettingError, match="names 'tabel', which is not a parameter of DAG verify; did you mean 'table'"
    ):
        choose_tables(policies, filled(tabel="s.one"))


def test_more_tables_than_airflow_maps_share_tasks(policies: Policies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_tasks, "MOST_MAPPED_WINDOWS", 2)
    assert choose_tables(policies, filled()) == [[*ALL[:2], ["a", OTHERS]], [*ALL[2:], ["b", OTHERS]]]


def test_databases_that_no_client_stands_for_have_a_task_for_each_instance(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    instance = {"conn_id": "rds.main", "jobs": {"database": "postgres"}, "clients": [{"name": "b"}]}
    path.write_text(yaml.safe_dump({"defaults": {"bucket": "archive"}, "instances": [instance]}), encoding="utf-8")
    policies = load(path)
    every = ["rds%2Emain.*", OTHERS]
    assert choose_tables(policies, filled()) == [[["b", "analytics.events"], ["b", OTHERS]], [every]]
    assert choose_tables(policies, filled(client=every[0])) == [[every]]
    assert choose_tables(policies, filled(client="rds%2Emain.app")) == [[["rds%2Emain.app", OTHERS]]]
    assert choose_tables(policies, filled(client="rds%2Emain.app", table="a.b")) == [[["rds%2Emain.app", "a.b"]]]
    assert choose_tables(policies, filled(client="b")) == [[["b", "analytics.events"], ["b", OTHERS]]]
    for name, table in ((every[0], "a.b"), ("rds_other.app", None)):
        with pytest.raises(SettingError, match="has no such client"):
            choose_tables(policies, filled(client=name, table=table))


def test_one_table_s_trouble_does_not_keep_the_next_from_its_turn(
    policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    troubles = {"s.one": CheckFailed("it is gone"), "s.two": StorageInterrupted("busy")}

    def verify(_database: object, _bucket: object, order: Any) -> Verified:
        seen.append(str(order.table))
        if trouble := troubles.get(seen[-1]):
            raise trouble
        return Verified(problems=["a hole"])

    monkeypatch.setattr(verify_tasks, "verify", verify)
    monkeypatch.setattr(connections, "open_session", lambda *_, **__: nullcontext())
    monkeypatch.setattr(connections, "open_bucket", lambda _: None)
    with pytest.raises(Unfinished, match=r"client a, s.one: it is gone; client b, analytics.events: .*a hole"):
        run_verify(policies, ALL, filled())
    assert seen == ["s.one", "s.two", "analytics.events"]
    with pytest.raises(StorageInterrupted):
        run_verify(policies, [["a", "s.two"]], filled())


def test_what_cannot_be_put_into_the_ledger_keeps_nothing_from_being_read_back(
    policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_tasks, "rebuild", lambda *_: Rebuilt(problems=["a damaged manifest"]))
    monkeypatch.setattr(verify_tasks, "verify", lambda *_: Verified(problems=["a hole"]))
    monkeypatch.setattr(connections, "open_session", lambda *_, **__: nullcontext())
    monkeypatch.setattr(connections, "open_bucket", lambda _: None)
    pushed: list[Any] = []
    context = filled(rebuild_ledger=True)
    context["ti"] = SimpleNamespace(xcom_push=lambda value, **_: pushed.append(value))
    with pytest.raises(Unfinished, match=r"a damaged manifest; client a, s.one: .*a hole"):
        run_verify(policies, ALL[:1], context)
    assert pushed[0]["a, s.one"]["rebuilt"]["problems"] == ["a damaged manifest"]
