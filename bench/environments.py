"""Virtual environments for peers whose packages are none of the project's, made once under `.state/bench`."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "peers"


def peer_python(name: str, folder: Path, *, with_project: bool = False) -> Path:
    """The interpreter of an environment that holds the pinned packages of `peers/<name>.txt`, and nothing newer.

    With `with_project` it sees the project's packages too, after its own.

    Raises:
        CalledProcessError: pip could not install them; its message is on standard error.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    place, note = folder / name, folder / name / "installed"
    python = place / "bin" / "python"
    wanted = requirements.read_text(encoding="utf-8")
    if note.exists() and note.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing {name} into {place}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--requirement", requirements], check=True)
    if with_project:
        packages = sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)})
        (Path(packages) / "project.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    note.write_text(wanted, encoding="utf-8")
    return python
