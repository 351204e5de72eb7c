"""Looks at very many jobs that are all new and all due, each in a process of its own that has imported nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.job_databases import CONTROL, NOOP, PROCEDURES_LOGIN, JobDatabases
from dev.airflow_environment import base_environment
from dev.stack import DATABASE_CONNECTION, PROJECT_ROOT


def looks(databases: JobDatabases, folder: Path, jobs: int, times: int) -> dict[str, list[dict[str, float]]]:
    """Returns the seconds and the peak memory of looks, by what there was to do.

    `first` and `choose`: so many new jobs are checked, planned and taken, all of them due; at the first time the tables
    for their runs are made in each of the databases. `idle`: nothing is new and nothing is due.
    """
    _look(databases, folder, 0)  # makes the tables of jobs
    found: dict[str, list[dict[str, float]]] = {"first": [], "choose": [], "idle": []}
    for key in ("first", *["choose"] * times):
        databases.delete_jobs()
        databases.insert(jobs, NOOP)
        found[key].append(_look(databases, folder, jobs))
        if key == "choose":
            found["idle"].append(_look(databases, folder, 0))
    databases.delete_jobs()
    return found


def look_at_policies(databases: JobDatabases, folder: Path, jobs: int, times: int) -> list[dict[str, float]]:
    """Returns the same of looks at so many new policies in a table, one of which is refused, and alone."""
    _look(databases, folder, 0)
    found = []
    for _ in range(times):
        databases.delete_jobs()
        databases.insert_policies(jobs)
        found.append(_look(databases, folder, jobs - 1, refused=1))
    databases.delete_jobs()
    return found


def _look(databases: JobDatabases, folder: Path, expected: int, refused: int = 0) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.choosing_once"],
        input=json.dumps(
            {
                "postgres": databases.server.dsn(),
                "policies": str(databases.write_policies(folder)),
                "instance": DATABASE_CONNECTION,
                "database": CONTROL,
                "procedures_login": PROCEDURES_LOGIN,
            }
        ),
        env=base_environment(folder / "home", PROJECT_ROOT),
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    problems = answer.pop("problems")
    assert len(problems) == refused, problems
    assert answer.pop("claims") == expected
    return dict(answer)
