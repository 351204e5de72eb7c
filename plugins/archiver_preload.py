"""Loads what every task needs before Airflow forks the processes of its tasks, so that each of them finds it loaded.

A fork shares what its parent has loaded; a task that loads it itself needs some tenths of a second of CPU for it. Only
third-party packages are loaded, which change with a restart: this project's own modules are loaded by each task, so
that a deployment of DAGs takes effect with the next task. Workers of Celery fork from a process that loads no plugins,
so their tasks load them as before.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from importlib import import_module

log = logging.getLogger(__name__)

FORKING = {"scheduler", "dag-processor"}
MODULES = (
    "airflow.providers.amazon.aws.assets.s3",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.postgres.hooks.postgres",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.definitions.retry_policy",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "boto3.s3.inject",
    "isal.igzip",
    "psycopg",
    "pydantic",
    "zstandard",
)


def preload() -> None:
    """Load the modules that are installed; a task that needs one that is missing reports that itself."""
    absent = [name for name in MODULES if name not in sys.modules]
    for name in absent:
        with suppress(ImportError):
            import_module(name)
    # Nothing is absent in the processes that are forked from one that did this, and they say nothing.
    if absent:
        log.info("preload: loaded %d modules for the processes to be forked from here", len(absent))


# Of `python -m airflow scheduler`, and of `airflow scheduler` too.
if FORKING & set(sys.argv[1:2]):
    preload()
