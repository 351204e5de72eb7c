"""Airflow's settings for all tests, and how the tests are divided between processes."""

from __future__ import annotations

import gc
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support import airflow_home

airflow_home.settle()


class ByServers(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types of its schedulers
    """Keeps tests that share servers in one of the processes between which the tests are divided.

    Those of one Airflow stay together, which is idle for much of its time, and the others of each file.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        return path.parent.name if path.parent.name in {"acceptance", "distributed"} else str(path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """How the tests are divided when they are (`--numprocesses`)."""
    return ByServers(config, log)


def pytest_collection_finish() -> None:
    """What was imported and collected lives as long as the process; nothing is gained by looking through it again."""
    gc.collect()
    gc.freeze()
