"""CeleryExecutor with two workers: the main job, and a worker that dies in the middle of a window."""

from __future__ import annotations

from collections import Counter

import pytest

from dev.cluster import SCHEDULER
from dev.compose import ComposeFile
from dev.stack import DATABASE_CONNECTION, PROJECT_ROOT
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import pool_name
from tests.acceptance.conftest import RUN_SECONDS
from tests.acceptance.test_stops import ALL, QUICK, archived_rows, until_deleted
from tests.distributed.conftest import CROWD, NOWHERE, SLOTS, SPREAD, STRUCK, STRUCK_COUNT, Place
from tests.distributed.conftest import QUICK as QUICK_SETTINGS
from tests.distributed.watched import LANES
from tests.many.bounds import most_at_once

pytestmark = pytest.mark.more

STEPS = ("plan", "window.export", "window.store", "window.delete", "report")


def test_a_run_is_spread_over_workers_that_share_nothing_but_the_network(place: Place) -> None:
    spread = place.tenants[SPREAD]
    run = spread.wait(place.runs[SPREAD])
    assert run.state == "success"
    assert run.report["rows"] == run.report["deleted"] == 12 * 5
    assert spread.count() == 2 * 5
    left, archived = Counter(spread.sql(ALL)), archived_rows(spread)
    assert archived.total() == 12 * 5
    assert set(archived.values()) == {1}
    assert sorted(int(row[0]) for row in left + archived) == list(range(1, 14 * 5 + 1)), "every row is in one place"
    workers = {machine.name for machine in place.cluster.workers}
    assert place.machines_of(SPREAD) == workers, "both did a part, and nobody else did any"
    windows = [place.machines_of(SPREAD, f"window.{step}") for step in ("export", "store", "delete")]
    assert all(machines <= workers for machines in windows)


def test_the_set_up_made_the_pools_and_connections(place: Place) -> None:
    api = place.tenants[SPREAD].api
    pools = {pool["name"]: pool["slots"] for pool in api.pages("/pools", "pools")}
    assert pools[pool_name(DATABASE_CONNECTION)] == SLOTS
    connections = {one["connection_id"] for one in api.pages("/connections", "connections")}
    assert {DATABASE_CONNECTION, "aws_default"} <= connections


def test_clients_of_one_server_share_its_pool_and_a_broken_one_fails_alone(place: Place) -> None:
    ended = {name: place.tenants[name].wait(place.runs[name]) for name in (SPREAD, *CROWD, NOWHERE)}
    assert {name: run.state for name, run in ended.items()} == {
        **dict.fromkeys((SPREAD, *CROWD), "success"),
        NOWHERE: "failed",
    }
    assert [place.tenants[name].count() for name in CROWD] == [1, 1, 1]
    tasks = [task for run in ended.values() for task in run.all_tasks()]
    assert 1 < most_at_once(tasks) <= SLOTS


def test_every_service_has_the_environment_of_the_compose_file_and_only_addresses_differ(place: Place) -> None:
    compose = ComposeFile(PROJECT_ROOT / "docker-compose.yaml", place.variables)
    for machine in place.cluster.machines.values():
        asked, got = compose.environment(machine.service), place.cluster.environment(machine)
        assert asked.keys() <= got.keys()
        differing = {name for name in asked if asked[name] != got[name]}
        assert differing <= {
            *("PYTHONPATH", "AIRFLOW_HOME", "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"),
            *("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"),
            *("AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CELERY__RESULT_BACKEND"),
        }
        assert not asked.keys() & QUICK_SETTINGS.keys()


def test_the_health_checks_of_scheduler_and_worker_pass(place: Place) -> None:
    for name in (SCHEDULER, place.cluster.workers[0].name):
        checked = place.cluster.check_health(place.cluster.machines[name])
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_events_are_shared_by_workers_on_both_machines_and_each_is_done_once(place: Place) -> None:
    watched = place.watched
    watched.insert(1, 400)
    watched.until_workers(LANES)
    watched.insert(401, 800)
    watched.until_drained()
    watched.check_each_once(800)
    assert watched.machines() == {machine.name for machine in place.cluster.workers}


def test_a_worker_that_is_killed_in_mid_window_is_survived(place: Place) -> None:
    struck = place.tenants[STRUCK]
    until_deleted(struck, 0)
    (name,) = place.machines_of(STRUCK, "window.delete")
    place.watched.insert(801, 1200)
    place.cluster.kill(place.cluster.machines[name])
    left, archived = struck.count(), archived_rows(struck)
    assert 0 < left < STRUCK_COUNT, "it was killed in mid-window"
    objects = struck.objects()
    struck.sql(QUICK)
    run = struck.wait(place.runs[STRUCK])
    assert run.state == "success"
    assert struck.count() == 0
    assert struck.objects() == objects, "nothing was exported again"
    assert archived.total() == len(archived) == STRUCK_COUNT
    (delete,) = run.tasks("window.delete")
    assert delete["try_number"] == 2
    other = {machine.name for machine in place.cluster.workers} - {name}
    wait_until(lambda: place.machines_of(STRUCK, "window.delete") >= other, "the log of the other worker", RUN_SECONDS)
    ledger = struck.sql("SELECT generation, state, rows, deleted_rows FROM archiver.windows")
    assert ledger == [(1, "deleted", STRUCK_COUNT, STRUCK_COUNT)]
    place.watched.until_drained()
    place.watched.check_each_once(1200)
