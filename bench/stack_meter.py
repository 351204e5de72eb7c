"""How much CPU a whole stack took: Airflow's parts, the tasks, Postgres with Airflow's own database, S3."""

from __future__ import annotations

import time
from collections.abc import Mapping

import psutil

from bench.cpu_seconds import CpuMeter
from dev.airflow import API_SERVER, SCHEDULER
from dev.airflow_environment import METADATA_DATABASE
from dev.processes import ProcessError
from dev.stack import Stack
from dev.waiting import wait_until

TASKS = "tasks"
FAMILIES = (TASKS, SCHEDULER, API_SERVER, "postgres", "s3")
_UNFINISHED = "SELECT count(*) FROM dag_run WHERE state IN ('queued', 'running')"
_FAILED = "SELECT count(*) FROM dag_run WHERE state <> 'success'"


class StackMeter:
    """Adds up since it was made; the scheduler's own time apart from that of the tasks, which are its children."""

    def __init__(self, stack: Stack) -> None:
        """All of the stack must run already."""
        folder = stack.airflow.home / "processes"
        roots = {
            name: int((folder / f"{name}.pid").read_text(encoding="utf-8").split()[0])
            for name in (SCHEDULER, API_SERVER)
        }
        self._scheduler = psutil.Process(roots[SCHEDULER])
        self._own = self._read_own()
        self._meter = CpuMeter({**roots, "postgres": stack.postgres.pid, "s3": stack.s3.pid})
        self._began = time.monotonic()

    def seconds(self) -> dict[str, float]:
        """CPU seconds of each since then."""
        found = self._meter.seconds()
        own = self._read_own() - self._own
        return {**found, SCHEDULER: own, TASKS: found[SCHEDULER] - own}

    def seconds_beyond(self, rest: Mapping[str, float]) -> dict[str, float]:
        """The same less what the processes take while nothing runs, `rest` a second."""
        elapsed = time.monotonic() - self._began
        return {family: seconds - rest[family] * elapsed for family, seconds in self.seconds().items()}

    def _read_own(self) -> float:
        return sum(self._scheduler.cpu_times()[:2])


def measure_rest(stack: Stack, seconds: float) -> dict[str, float]:
    """CPU seconds a second of each, while nothing runs."""
    meter = StackMeter(stack)
    time.sleep(seconds)
    return {family: found / seconds for family, found in meter.seconds().items()}


def await_runs(stack: Stack, timeout: float) -> None:
    """Waits until no run of any DAG is unfinished.

    Airflow's database is asked, since its API would take some of the CPU that is measured.

    Raises:
        ProcessError: one of all runs so far did not succeed.
        TimeoutError: they take longer than `timeout` seconds.
    """
    with stack.postgres.connect(METADATA_DATABASE) as connection:

        def done() -> bool:
            return connection.execute(_UNFINISHED).fetchone() == (0,)

        wait_until(done, "all runs to end", timeout, interval=0.5)
        found = connection.execute(_FAILED).fetchone()
    if found != (0,):
        raise ProcessError(f"{found} runs did not succeed; their logs are in {stack.airflow.home / 'logs'}")
