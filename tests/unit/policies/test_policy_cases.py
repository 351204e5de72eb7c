"""Policy files, good and bad: each folder of `tests/cases/policies` is a file and what must come of it.

`expected.yaml` holds `loads` (clients and some of their settings), `pool_slots` and `jobs` (by connection), `broken`
(clients and words of their message), or `error` (words of the message that refuses the whole file).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml

from pg_archiver.errors import PolicyError
from pg_archiver.policies.jobs_settings import InstanceJobs
from pg_archiver.policies.yaml_file import Client, Policies, load

CASES = Path(__file__).parents[2] / "cases" / "policies"


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_a_policy_file_loads_as_expected(case: str) -> None:
    path = CASES / case / "policies.yaml"
    expected = yaml.safe_load((CASES / case / "expected.yaml").read_text(encoding="utf-8"))
    assert expected.keys() <= {"loads", "broken", "error", "pool_slots", "jobs"}
    if "error" in expected:
        with pytest.raises(PolicyError) as caught:
            load(path)
        holds(str(caught.value), [str(path), *expected["error"]])
        return
    policies = load(path)
    assert {client.name for client in policies.clients} == set(expected.get("loads", {}))
    assert set(policies.broken) == set(expected.get("broken", {}))
    for client in policies.clients:
        matches(client, expected["loads"][client.name])
    for name, words in expected.get("broken", {}).items():
        holds(policies.broken[name], [str(path), *words])
    assert policies.conn_ids == tuple(sorted({client.conn_id for client in policies.clients}))
    assert policies.pool_slots.keys() >= set(policies.conn_ids)
    assert policies.pool_slots == expected.get("pool_slots", policies.pool_slots)
    assert policies.jobs.keys() == expected.get("jobs", policies.jobs).keys()
    for conn_id, wanted in expected.get("jobs", {}).items():
        matches_jobs(policies.jobs[conn_id], wanted)


def holds(message: str, words: list[str]) -> None:
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"


def matches(client: Client, expected: Mapping[str, Any]) -> None:
    plain = ("conn_id", "maintenance_conn_id", "aws_conn_id", "database", "schedule", "one_session_proxy")
    assert expected.keys() <= {*plain, "tables", "names", "children", "disk", "jobs", "own_jobs", "events"}
    for field in plain:
        if field in expected:
            assert getattr(client, field) == expected[field]
    if "disk" in expected:
        wanted = expected["disk"] or {}
        assert (client.disk is None) == (not wanted)
        assert {setting: getattr(client.disk, setting) for setting in wanted} == wanted
    assert client.own_jobs is expected.get("own_jobs", client.own_jobs)
    if "events" in expected:
        assert (client.events and client.events.model_dump()) == expected["events"]
    if "jobs" in expected:
        assert [job.name for job in client.jobs] == expected["jobs"]
    if "names" in expected:
        assert [[table.name.schema, table.name.name] for table in client.tables] == expected["names"]
    if "children" in expected:
        assert [[str(child) for child in table.child_names] for table in client.tables] == expected["children"]
    for table, settings in zip(client.tables, expected.get("tables", []), strict="tables" in expected):
        for setting, value in settings.items():
            found = getattr(table, setting)
            found = found.value if isinstance(found, Enum) else found
            assert (setting, found, type(found)) == (setting, value, type(value))


def matches_jobs(found: InstanceJobs, expected: Mapping[str, Any]) -> None:
    values: dict[str, Any] = found.settings.model_dump() | {
        "databases": list(found.databases),
        "sources": list(found.sources),
        "own_jobs": sorted(found.own_jobs),
        "file_jobs": {database: [job.name for job in jobs] for database, jobs in found.file_jobs.items()},
        "is_whole": found.is_whole,
    }
    for setting in ("actions", "approve"):
        values[setting] = [action.value for action in values[setting]]
    assert {setting: values[setting] for setting in expected} == expected


def test_a_file_that_is_not_there_is_refused_with_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"cannot be read .*ARCHIVER_POLICIES"):
        load(tmp_path / "policies.yaml")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_bytes(b"instances: \xff")
    with pytest.raises(PolicyError, match="is not valid YAML"):
        load(path)


def test_clients_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    clients = "[{name: c, bucket: abc}, {name: a, bucket: abc}, {name: b, bucket: abc}]"
    path.write_text(f"instances: [{{conn_id: postgres, clients: {clients}}}]")
    policies: Policies = load(path)
    assert [client.name for client in policies.clients] == ["a", "b", "c"]
