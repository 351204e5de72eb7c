"""Keeps Airflow, which reads its settings when it is imported, away from the home of whoever runs the tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "AIRFLOW__", "ARCHIVER_POLICIES"))]:
    del os.environ[name]
os.environ["AIRFLOW_HOME"] = _home.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
# Nothing listens there: a DAG file that asks the metadata database for anything while it is parsed fails.
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"


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
