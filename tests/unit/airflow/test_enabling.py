"""Whether rows of a client may leave: where a person may say so, what beats what, and what holds if nobody does."""

from __future__ import annotations

from itertools import product

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.airflow.enabling import decide_by_ledger, decide_enabled, parse_flag
from pg_archiver.errors import PolicyError, SettingError
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client, load

SAID = (None, True, False)
WORDS = {None: None, True: "true", False: "false"}


def client(said: bool | None, table: bool | None) -> Client:
    return Client("acme", "rds_main", "acme", (TablePolicy(bucket="archive", enabled=table),), enabled=said)


@pytest.mark.parametrize(("variable", "of_client", "of_table"), list(product(SAID, repeat=3)))
def test_false_beats_true_wherever_it_stands(
    variable: bool | None, of_client: bool | None, of_table: bool | None
) -> None:
    one = client(of_client, of_table)
    found = decide_enabled(one, one.tables[0], WORDS[variable], "policies.yaml")
    said = [word for word in (variable, of_client, of_table) if word is not None]
    if not said:
        assert found is None
        return
    assert found is not None
    assert found.yes is all(said)
    assert found.why.endswith(f" is {str(all(said)).lower()}")


def test_what_said_so_is_named() -> None:
    one = client(True, False)
    found = decide_enabled(one, one.tables[0], "true", "policies.yaml")
    assert found is not None
    assert found.why == "enabled of analytics.events of client 'acme' in policies.yaml is false"


@given(st.text().filter(lambda text: text not in {"true", "false"}))
def test_a_variable_that_is_neither_word_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match="which is neither true nor false"):
        parse_flag(value, "Airflow Variable archive_enabled__acme")


@pytest.mark.parametrize("value", ["True", "TRUE", "1", "yes", "on", "", " true", "null", "False"])
def test_words_that_a_person_might_write_are_refused_too(value: str) -> None:
    one = client(None, None)
    with pytest.raises(SettingError, match="Airflow Variable archive_enabled__acme is"):
        decide_enabled(one, one.tables[0], value, "policies.yaml")


def test_where_nobody_has_said_anything_only_those_who_had_deleted_before_go_on() -> None:
    one = client(None, None)
    before, never = (decide_by_ledger(one, deleted_before=known) for known in (True, False))
    assert before.yes
    assert "Set enabled: true in the policy file" in before.why
    assert not never.yes
    assert "Variable archive_enabled__acme to true" in never.why


def policies_of(tmp_path_factory: pytest.TempPathFactory, **parts: object) -> Client:
    path = tmp_path_factory.mktemp("policies") / "policies.yaml"
    entry = {"name": "acme", **parts}
    instances = [{"conn_id": "rds_main", "clients": [entry]}]
    path.write_text(yaml.safe_dump({"defaults": {"bucket": "archive"}, "instances": instances}))
    found = load(path)
    if found.broken:
        raise PolicyError(found.broken["acme"])
    return found.clients[0]


def test_the_policy_file_says_it_of_a_client_and_of_a_table(tmp_path_factory: pytest.TempPathFactory) -> None:
    one = policies_of(tmp_path_factory, enabled=False, tables=[{"enabled": True}, {"table": "a.b"}])
    assert one.enabled is False
    assert [table.enabled for table in one.tables] == [True, None]


@pytest.mark.parametrize("value", ["true", 1, "yes", [True]])
def test_it_says_it_in_no_other_way(value: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(PolicyError, match="enabled: Input should be a valid boolean"):
        policies_of(tmp_path_factory, enabled=value)


def test_it_may_not_stand_under_defaults(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("policies") / "policies.yaml"
    path.write_text("defaults: {bucket: archive, enabled: true}\ninstances: [{conn_id: a, clients: [{name: acme}]}]")
    with pytest.raises(PolicyError, match="defaults: enabled may not stand there"):
        load(path)
