"""Bad input through Airflow: one clear error that names the setting and the fix, nothing written, others go on."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import HOURS, Finished, Tenants
from tests.acceptance.settings import BAD_DAYS, BROKEN, NO_CONNECTION, NO_DATABASE

EXPECTED = {
    **{
        name: (f"Airflow Variable archive_keep_days__{name} is {value!r}", "set it to -1")
        for name, value in BAD_DAYS.items()
    },
    "misspelt": ("archive_keep_days__Misspelt names no client", "rename it"),
    "no-bucket": ("bucket no-such-bucket does not exist", "'bucket' in the policy file"),
    NO_DATABASE: (f'database "{NO_DATABASE}" does not exist', "check the Airflow connection"),
    "locked-out": ("password authentication failed", "check the Airflow connection"),
    "unconnected": (f"no Airflow connection '{NO_CONNECTION}'", "Admin > Connections"),
}


@pytest.fixture(scope="module")
def refused(tenants: Tenants) -> dict[str, Finished]:
    """One run of every client that must be refused, all at once."""
    return tenants.run_all([*EXPECTED, BROKEN])


@pytest.mark.parametrize("name", EXPECTED)
def test_the_run_fails_at_once_and_says_why(refused: dict[str, Finished], name: str) -> None:
    run = refused[name]
    assert run.state == "failed"
    (plan,) = run.tasks("plan")
    assert (plan["state"], plan["try_number"]) == ("failed", 1), "a person is needed, so nothing is tried again"
    assert not [task for task in run.tasks("window.export") if task["state"] not in {"upstream_failed", None}]
    log = run.log("plan")
    for words in EXPECTED[name]:
        assert words in log


@pytest.mark.parametrize("name", [*BAD_DAYS, "misspelt", "no-bucket"])
def test_nothing_was_written(refused: dict[str, Finished], name: str) -> None:
    tenant = refused[name].tenant
    assert tenant.count() == HOURS
    assert tenant.objects() == {}
    assert not tenant.has_ledger()


def test_a_client_whose_policy_is_wrong_says_so(refused: dict[str, Finished]) -> None:
    run = refused[BROKEN]
    assert run.state == "failed"
    assert "keep_dayz: no such setting" in run.log("policy")


@pytest.mark.parametrize("value", ["abc", "", 1.5, -2])
def test_a_bad_parameter_is_refused(tenants: Tenants, value: object) -> None:
    run = tenants["rehearsed"].run(keep_days=value)
    assert run.state == "failed"
    assert f"the run's parameter keep_days is {value!r}" in run.log("plan")
    assert tenants["rehearsed"].count() == HOURS


def test_a_variable_for_nobody_is_named_in_the_log_of_those_who_go_on(tenants: Tenants) -> None:
    run = tenants["kept"].run()
    assert run.state == "success"
    assert "archive_keep_days__nobody-at-all names no client" in run.log("plan")
