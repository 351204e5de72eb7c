"""The pools are those that the policies ask for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from dev.stack import PROJECT_ROOT
from pg_archiver.airflow.airflow_ids import events_pool_name, jobs_pool_name, maintenance_pool_name, pool_name
from pg_archiver.airflow.pools import DEFAULT_POLICIES, list_pools
from pg_archiver.policies.yaml_file import load
from tests.unit.policies.test_policy_cases import CASES


def test_each_instance_has_a_pool_of_the_size_that_its_entry_says() -> None:
    made = {name: pool["slots"] for name, pool in list_pools(load(CASES / "pool_slots" / "policies.yaml")).items()}
    assert made == {
        pool_name("small"): 2,
        pool_name("usual"): 6,
        maintenance_pool_name("small"): 1,
        maintenance_pool_name("usual"): 1,
    }


def test_the_clients_of_an_instance_share_a_pool_with_a_slot_for_each_of_their_lanes() -> None:
    made = {name: pool["slots"] for name, pool in list_pools(load(CASES / "events" / "policies.yaml")).items()}
    assert made[events_pool_name("rds_main")] == 3
    plain = list_pools(load(CASES / "pool_slots" / "policies.yaml"))
    assert not [name for name in plain if name.startswith("events_")]


def test_the_shipped_policies_have_pools_for_all_their_connections() -> None:
    policies = load(DEFAULT_POLICIES)
    assert {pool_name(conn_id) for conn_id in policies.conn_ids} <= list_pools(policies).keys()


def run_module(path: Path, module: str = "pg_archiver.airflow.pools") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module]
    environment = {"ARCHIVER_POLICIES": str(path), "PATH": "", "PYTHONPATH": "include"}
    return subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_broken_entry_is_named_and_keeps_no_other_client_from_its_pool(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(
        "defaults: {bucket: archive}\n"
        "instances: [{conn_id: main, clients: [{name: acme}, {name: globex, keep_day: 3}, {name: two, keep_days: x}]}]"
    )
    ended = run_module(path)
    assert ended.returncode == 1
    assert set(json.loads(ended.stdout)) == {pool_name("main"), maintenance_pool_name("main")}
    first, second = ended.stderr.splitlines()
    assert first.startswith("client globex is not archived: ")
    assert first.endswith("keep_day: no such setting. Check its spelling")
    assert second.startswith("client two is not archived: ")


def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text("instances: 3")
    ended = run_module(path)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert str(path) in line


def test_a_sound_file_ends_with_nothing_to_say() -> None:
    ended = run_module(DEFAULT_POLICIES)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == list_pools(load(DEFAULT_POLICIES))


def test_the_former_name_of_the_command_says_the_same() -> None:
    now, before = (run_module(DEFAULT_POLICIES, name) for name in ("pg_archiver.airflow.pools", "include.pools"))
    assert now.stdout
    assert (before.returncode, before.stdout) == (now.returncode, now.stdout)


def test_an_instance_with_jobs_has_a_pool_for_them_of_the_size_that_its_section_says() -> None:
    pools = list_pools(load(CASES / "jobs" / "policies.yaml"))
    assert pools[jobs_pool_name("rds_main")]["slots"] == 3
    made = list_pools(load(CASES / "jobs_by_default" / "policies.yaml"))
    assert made[jobs_pool_name("rds_main")]["slots"] == 1
    assert jobs_pool_name("rds_other") not in made
