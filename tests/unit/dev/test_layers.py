"""The linter's contracts, tried: an import where it does not belong is found, in whatever package it stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev.stack import PROJECT_ROOT

PACKAGES = sorted(path.parent for path in (PROJECT_ROOT / "include" / "pg_archiver").rglob("__init__.py"))
NAMES = [".".join(package.relative_to(PROJECT_ROOT / "include").parts) for package in PACKAGES]
# Where each library belongs.
EDGES = {"psycopg": "postgres", "boto3": "s3", "subprocess": "maintenance.pg_repack", "airflow": "airflow"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the linter looks at."""
    for folder in ("include/pg_archiver", "dags", "dev"):
        shutil.copytree(PROJECT_ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT_ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> tuple[int, str]:
    """How `lint-imports` ends there, and what it says."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": "include"}
    ended = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=120)
    return ended.returncode, ended.stdout


@pytest.mark.parametrize("library", EDGES)
def test_a_library_of_an_edge_is_found_in_every_other_package(tree: Path, library: str) -> None:
    for name in NAMES:
        (tree / "include" / name.replace(".", "/") / "intruder.py").write_text(f"import {library}\n")
    status, said = lint(tree)
    assert status == 1
    found = {name for name in NAMES if f"{name}.intruder -> {library}" in said}
    # What stands beside the packages is found because it has no layer.
    assert found | {"pg_archiver"} == {*NAMES} - {f"pg_archiver.{EDGES[library]}"} | {"pg_archiver"}
    assert "intruder" in said


def test_a_package_without_a_layer_is_found(tree: Path) -> None:
    package = tree / "include" / "pg_archiver" / "jumble"
    package.mkdir()
    (package / "__init__.py").write_text("")
    status, said = lint(tree)
    assert status == 1
    assert "jumble" in said


def test_an_import_that_points_up_is_found(tree: Path) -> None:
    with (tree / "include" / "pg_archiver" / "domain" / "windows.py").open("a") as file:
        file.write("\nfrom pg_archiver.policies import retention\n")
    status, said = lint(tree)
    assert status == 1
    assert "pg_archiver.domain.windows -> pg_archiver.policies.retention" in said


def test_workflows_do_not_know_each_other(tree: Path) -> None:
    with (tree / "include" / "pg_archiver" / "archive" / "report.py").open("a") as file:
        file.write("\nfrom pg_archiver.maintenance import bloat\n")
    status, said = lint(tree)
    assert status == 1
    assert "pg_archiver.archive.report -> pg_archiver.maintenance.bloat" in said
