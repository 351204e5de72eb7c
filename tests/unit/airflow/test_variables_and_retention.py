"""N, the days to keep: the first source that is set decides, and a bad value fails with the name of its source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.airflow.variables import choose_keep_days, find_misspelt_variables
from pg_archiver.errors import SettingError
from pg_archiver.policies.retention import KEEP_EVERYTHING, MOST_KEEP_DAYS, KeepDays, parse_keep_days
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client, Policies, load

COMMON = "archive_keep_days"
OF_CLIENT = "archive_keep_days__acme"
BAD = [
    "abc",
    "",
    " ",
    "1.5",
    1.5,
    2.0,
    "-2",
    -2,
    "-0",
    "-00",
    "-01",
    "+3",
    "1e3",
    10**12,
    "1000000000000",
    True,
    False,
    "null",
    "None",
    [2],
    "٣",
]


def chosen(
    parameter: object = None, policy: int | None = None, variables: Mapping[str, str | None] | None = None
) -> KeepDays:
    table = TablePolicy(bucket="archive", keep_days=policy) if policy is not None else TablePolicy(bucket="archive")
    client = Client("acme", "postgres", "acme", (table,))
    return choose_keep_days(parameter, client, table, variables or {}, "policies.yaml")


def test_the_runs_parameter_comes_first() -> None:
    assert chosen(5, 4, {OF_CLIENT: "3", COMMON: "6"}) == KeepDays(5, "the run's parameter keep_days")


def test_then_the_clients_variable() -> None:
    assert chosen(None, 4, {OF_CLIENT: "3", COMMON: "6"}) == KeepDays(3, f"Airflow Variable {OF_CLIENT}")


def test_then_the_policy() -> None:
    assert chosen(None, 4, {OF_CLIENT: None, COMMON: "6"}) == KeepDays(
        4, "keep_days of analytics.events in policies.yaml"
    )


def test_then_the_common_variable() -> None:
    assert chosen(None, None, {OF_CLIENT: None, COMMON: "6"}) == KeepDays(6, f"Airflow Variable {COMMON}")


def test_then_two() -> None:
    assert chosen() == KeepDays(2, "the default")
    assert chosen(None, None, {OF_CLIENT: None, COMMON: None}) == KeepDays(2, "the default")


@pytest.mark.parametrize("source", ["parameter", "client", "policy", "common"])
def test_nought_counts_as_set_wherever_it_stands(source: str) -> None:
    found = {
        "parameter": lambda: chosen(0, 4, {OF_CLIENT: "3", COMMON: "6"}),
        "client": lambda: chosen(None, 4, {OF_CLIENT: "0", COMMON: "6"}),
        "policy": lambda: chosen(None, 0, {COMMON: "6"}),
        "common": lambda: chosen(None, None, {COMMON: "0"}),
    }[source]()
    assert found.days == 0
    assert not found.everything


def test_a_policy_that_wants_the_clients_own_variable_takes_no_other_and_no_default() -> None:
    table = TablePolicy(bucket="archive", keep_days="variable")
    client = Client("acme", "postgres", "acme", (table,))
    for variables in ({}, {OF_CLIENT: None, COMMON: "6"}):
        with pytest.raises(SettingError, match=f"is 'variable', and there is no Airflow Variable {OF_CLIENT}"):
            choose_keep_days(None, client, table, variables, "policies.yaml")
    assert choose_keep_days(None, client, table, {OF_CLIENT: "3"}, "policies.yaml").days == 3
    assert choose_keep_days(5, client, table, {}, "policies.yaml").days == 5


def test_minus_one_keeps_everything() -> None:
    assert chosen(-1, 4).everything
    assert chosen("-1", 4).everything
    assert chosen(None, 4, {OF_CLIENT: "-1"}).everything
    assert chosen(None, KEEP_EVERYTHING).everything


@pytest.mark.parametrize("value", BAD, ids=repr)
def test_a_bad_parameter_fails_and_nothing_after_it_is_taken_instead(value: object) -> None:
    with pytest.raises(SettingError, match=r"the run's parameter keep_days is .*Nothing was archived"):
        chosen(value, 4, {OF_CLIENT: "3", COMMON: "6"})


@pytest.mark.parametrize("value", [value for value in BAD if isinstance(value, str)], ids=repr)
@pytest.mark.parametrize("variable", [OF_CLIENT, COMMON])
def test_a_bad_variable_fails_and_names_itself(variable: str, value: str) -> None:
    with pytest.raises(SettingError) as caught:
        chosen(None, None, {variable: value})
    message = str(caught.value)
    assert message.startswith(f"Airflow Variable {variable} is {value!r}")
    assert "-1 to keep everything" in message
    assert f"0 to {MOST_KEEP_DAYS}" in message


def test_a_bad_value_that_is_not_reached_does_no_harm() -> None:
    assert chosen(5, 4, {OF_CLIENT: "abc", COMMON: ""}).days == 5
    assert chosen(None, 4, {OF_CLIENT: None, COMMON: "abc"}).days == 4


def test_the_variable_of_a_client_with_an_odd_name_is_found_by_its_id() -> None:
    table = TablePolicy(bucket="archive")
    client = Client("a/b c", "postgres", "a", (table,))
    variables = {"archive_keep_days__a.x2Fb.x20c": "9"}
    assert choose_keep_days(None, client, table, variables, "policies.yaml").days == 9


@given(st.integers(-(10**20), 10**20))
def test_a_whole_number_is_taken_if_it_is_in_range_as_number_and_as_text(number: int) -> None:
    for value in (number, str(number), f" {number}\n"):
        if number == KEEP_EVERYTHING or 0 <= number <= MOST_KEEP_DAYS:
            assert parse_keep_days(value, "the test") == number
        else:
            with pytest.raises(SettingError, match=r"^the test is"):
                parse_keep_days(value, "the test")


@given(st.integers(-5, MOST_KEEP_DAYS + 5))
def test_numbers_near_the_limits_are_told_apart(number: int) -> None:
    allowed = number == KEEP_EVERYTHING or 0 <= number <= MOST_KEEP_DAYS
    try:
        assert parse_keep_days(number, "the test") == number
    except SettingError:
        assert not allowed
    else:
        assert allowed


@given(st.one_of(st.text(), st.floats(), st.none(), st.booleans(), st.lists(st.integers()), st.binary()))
def test_anything_else_is_refused_or_a_plain_whole_number(value: object) -> None:
    try:
        days = parse_keep_days(value, "the test")
    except SettingError:
        return
    assert isinstance(value, str)
    assert int(value) == days


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    path = tmp_path / "policies.yaml"
    clients = "[{name: acme, bucket: abc}, {name: a b, bucket: abc}, {name: broken, colour: red}]"
    path.write_text(f"instances: [{{conn_id: postgres, clients: {clients}}}]")
    return load(path)


def test_variables_of_clients_broken_ones_too_are_not_misspelt(policies: Policies) -> None:
    keys = ["archive_keep_days__acme", "archive_keep_days__a.x20b", "archive_keep_days__broken"]
    assert find_misspelt_variables(keys, policies) == {}


def test_a_misspelt_variable_is_told_with_the_client_it_may_mean(policies: Policies) -> None:
    keys = ["archive_keep_days__Acme", "archive_keep_days_acme_", "archive_keep_days__globex"]
    assert find_misspelt_variables(keys, policies) == {
        "archive_keep_days__Acme": "acme",
        "archive_keep_days_acme_": "acme",
        "archive_keep_days__globex": None,
    }
