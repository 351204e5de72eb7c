"""Keeps Airflow, which reads its settings when it is imported, away from the home of whoever runs the tests."""

from __future__ import annotations

import os
import tempfile

import pytest

_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "AIRFLOW__", "ARCHIVER_POLICIES"))]:
    del os.environ[name]
os.environ["AIRFLOW_HOME"] = _home.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
# Nothing listens there: a DAG file that asks the metadata database for anything while it is parsed fails.
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says which tests share servers, and so belong into one of the processes between which the tests are divided.

    Those of one Airflow are one group, which is idle for much of its time; the others are a group for each file.
    """
    for item in items:
        folder = item.path.parent.name
        group = folder if folder in {"acceptance", "distributed"} else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
