"""Virtual environments for peers whose packages are none of the project's, made once under `.state/bench`."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from dev.stack import PROJECT_ROOT

REQUIREMENTS = Path(__file__).parent / "peers"
# The release before the data path was made anew. Its own requirements are in `peers/before.txt`.
BEFORE = "07502060"
_EXPORT = ["/usr/bin/env", "git", "archive", BEFORE]


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


def release_before(folder: Path) -> Path:
    """The files of the release before, taken from this repository's history once.

    Raises:
        CalledProcessError: the history does not reach back so far, as in a shallow clone; git's message is on standard
            error.
    """
    place, note = folder / "before-release", folder / "before-release" / "exported"
    if note.exists() and note.read_text(encoding="utf-8") == BEFORE:
        return place
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    files = subprocess.run(_EXPORT, cwd=PROJECT_ROOT, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(files)) as packed:
        packed.extractall(place, filter="data")
    note.write_text(BEFORE, encoding="utf-8")
    return place
