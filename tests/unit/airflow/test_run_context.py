"""What a run asked for is what a task gets, or the task does nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pg_archiver.airflow.run_context import read_parameters, read_run_id
from pg_archiver.errors import SettingError

FORM = {"dry_run": False, "keep_days": None, "actions": None, "start": None}


def context(conf: dict[str, Any] | None, **made: object) -> dict[str, Any]:
    """The context of a task of a run with this conf, of which Airflow made these parameters."""
    return {
        "dag": SimpleNamespace(dag_id="maintenance", params=FORM),
        "dag_run": SimpleNamespace(run_id="manual__1", conf=conf),
        "params": FORM | made,
    }


@pytest.mark.parametrize("conf", [None, {}, {"dry_run": False}, {"keep_days": None}])
def test_a_run_that_asks_for_nothing_else_gets_the_form_s_own_values(conf: dict[str, Any] | None) -> None:
    assert read_parameters(context(conf)) == FORM


def test_a_run_gets_what_it_asked_for() -> None:
    asked = {"dry_run": True, "keep_days": 1.5, "actions": ["vacuum", "index"]}
    assert read_parameters(context(asked, **asked)) == FORM | asked
    assert read_run_id(context(asked)) == "manual__1"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"dry_run": True}, r"asked for dry_run = True, and Airflow passed False"),
        ({"keep_days": -1}, r"asked for keep_days = -1, and Airflow passed None"),
        ({"actions": []}, r"asked for actions = \[\], and Airflow passed None"),
    ],
)
def test_a_form_that_airflow_ignores_is_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(
        SettingError, match=rf"{words}.*dag_run_conf_overrides_params is False\. Nothing was done\. Fix"
    ):
        read_parameters(context(asked))


def test_one_is_not_true() -> None:
    with pytest.raises(SettingError, match="keep_days = 1, and Airflow passed True"):
        read_parameters(context({"keep_days": 1}, keep_days=True))


@pytest.mark.parametrize("name", ["dryrun", "Dry_run", "dry-run", "dry_run "])
def test_a_misspelt_parameter_is_refused_though_airflow_hands_it_out(name: str) -> None:
    with pytest.raises(
        SettingError, match=r"not a parameter of DAG maintenance; did you mean 'dry_run'\?.*nothing was do"
    ):
        read_parameters(context({name: True}, **{name: True}))


def test_what_is_no_parameter_is_named_without_its_value() -> None:
    with pytest.raises(SettingError, match="one of actions, dry_run, keep_days, start, or without it") as raised:
        read_parameters(context({"password": "open-sesame"}))
    assert "'password'" in str(raised.value)
    assert "open-sesame" not in str(raised.value)
