"""Keeps Airflow, which reads its settings when it is imported, away from the home of whoever runs the tests."""

from __future__ import annotations

import os
import sys
import tempfile

_home = tempfile.TemporaryDirectory(prefix="airflow-home-")


def settle() -> None:
    """Gives Airflow an empty home, and a metadata database where nothing listens; to be called before it is imported.

    Once it is, this does nothing. So a DAG file that asks the metadata database for anything while it is parsed fails.
    """
    if "airflow" in sys.modules:
        return
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "AIRFLOW__", "ARCHIVER_POLICIES"))]:
        del os.environ[name]
    os.environ["AIRFLOW_HOME"] = _home.name
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
