"""The example of docs/events.md: a function and its test, as a plain pytest runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from psycopg.conninfo import make_conninfo

from tests.support.place import Place

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "events.md"


def test_the_function_of_the_page_passes_the_test_of_the_page(place: Place, tmp_path: Path) -> None:
    found = re.findall(r"<!-- example: (\S+) -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert [name for name, _ in found] == ["include/functions/copy_input.py", "tests/test_copy_input.py"]
    for name, text in found:
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": f"{tmp_path / 'include'}:{ROOT / 'include'}",
        "TEST_DSN": make_conninfo(**place.server.dsn(place.database)),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_copy_input.py"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout
