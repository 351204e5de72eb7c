"""What a task reads of its run: the form's values, none of which Airflow may have changed or lost, and the run's id.

Airflow ignores the form where `[core] dag_run_conf_overrides_params` is False, and takes a misspelt name without a
word. Either would make a real run of what was asked for as a dry run, so both are refused before anything is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

from pg_archiver.errors import SettingError


def read_parameters(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the run's parameters, as the form or the API set them.

    Raises:
        SettingError: the run's conf names what is not a parameter of its DAG, or a value that Airflow does not pass.
    """
    parameters = cast("Mapping[str, Any]", context["params"])
    known = context["dag"].params
    for name, wanted in (context["dag_run"].conf or {}).items():
        if name not in known:
            raise SettingError(
                f"the run's conf names {name!r}, which is not a parameter of DAG "
                f"{context['dag'].dag_id}{_suggest(name, known)}. Airflow ignores it, so nothing was done. Fix: "
                f"trigger the run again with one of {', '.join(sorted(known))}, or without it"
            )
        if not _is_same(parameters.get(name), wanted):
            raise SettingError(
                f"the run asked for {name} = {wanted!r}, and Airflow passed {parameters.get(name)!r}: it ignores what "
                "a run asks for where [core] dag_run_conf_overrides_params is False. Nothing was done. Fix: set "
                "AIRFLOW__CORE__DAG_RUN_CONF_OVERRIDES_PARAMS to True for the workers, or trigger the run without "
                f"{name}"
            )
    return parameters


def read_run_id(context: Mapping[str, Any]) -> str:
    """Return the id of the run, by which the ledger knows it."""
    return str(context["dag_run"].run_id)


def _is_same(got: object, wanted: object) -> bool:
    """Return whether two JSON values are one; for Python 1 and True are."""
    return isinstance(got, bool) == isinstance(wanted, bool) and got == wanted


def _suggest(name: str, known: Mapping[str, Any]) -> str:
    found = get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
