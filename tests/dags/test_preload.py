"""What Airflow's plugin loads before tasks are forked, in a process of its own each time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dev.stack import PROJECT_ROOT


def loaded_by(*command: str) -> tuple[list[str], list[str]]:
    """The modules that the plugin names, and those that are there once `airflow <command>` has loaded it."""
    plugin = PROJECT_ROOT / "plugins" / "archiver_preload.py"
    script = (
        "import json, runpy, sys\n"
        f"sys.argv = ['airflow', *{list(command)!r}]\n"
        f"named = runpy.run_path({str(plugin)!r})\n"
        "print(json.dumps([list(named['MODULES']), sorted(sys.modules)]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    named, there = json.loads(ended.stdout.splitlines()[-1])
    return named, there


@pytest.mark.parametrize("command", ["scheduler", "dag-processor"])
def test_what_forks_tasks_or_parsers_has_loaded_all_that_is_named(command: str) -> None:
    named, there = loaded_by(command, "--skip-serve-logs")
    assert set(named) - set(there) == set()


def test_this_projects_own_modules_are_left_to_the_tasks() -> None:
    _, there = loaded_by("scheduler")
    own = {path.name for path in PROJECT_ROOT.iterdir() if path.is_dir()} | {"pg_archiver"}
    assert [name for name in there if name.split(".")[0] in own] == []


@pytest.mark.parametrize("command", ["api-server", "triggerer", "celery"])
def test_other_parts_of_airflow_load_nothing(command: str) -> None:
    named, there = loaded_by(command, "scheduler")
    assert set(named) & set(there) == set()
