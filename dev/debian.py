"""Programs that no Python package carries, out of Debian's packages, without installing anything.

The packages are asked of whatever mirror this machine's apt is set to, into a folder of our own: no rights are needed,
and the machine stays as it is.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.processes import ProcessError

_PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Package:
    """One version of one package, and the SHA-256 of its file on each kind of machine."""

    name: str
    version: str
    sha256: Mapping[str, str]

    @property
    def pin(self) -> str:
        """The package as `apt-get` is asked for it."""
        return f"{self.name}={self.version}"


def unpack(packages: Sequence[Package], cache: Path, target: Path) -> None:
    """Unpack the packages below `target`; `cache` keeps their files for the next time.

    A mirror drops a version when a security update replaces it. Then the update is taken: apt has compared it with
    Debian's signatures. Raises ProcessError when a package cannot be had at all.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ProcessError("there is no apt-get on this machine")
    machine = _said("dpkg", "--print-architecture").strip()
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache):
        files = [_file_of(package, machine, cache) for package in packages]
        if any(file is None for file in files):
            fresh = cache / "fresh"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            _download(packages, fresh)
            files = [_moved(package, fresh, cache) for package in packages]
    for file in files:
        _said("dpkg-deb", "--extract", str(file), str(target))


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Two processes of the tests may want packages at the same time; the second one waits and finds them."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _moved(package: Package, fresh: Path, cache: Path) -> Path:
    """Return the package's file, which apt has just brought, in its place."""
    (file,) = fresh.glob(f"{package.name}_*.deb")
    return file.replace(cache / file.name)


def _download(packages: Sequence[Package], cache: Path) -> None:
    """Fetch the package lists and the packages; apt checks both against Debian's signatures."""
    own = cache / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (own / folder).mkdir(parents=True, exist_ok=True)
    (own / "status").touch()
    options = [
        *("-o", f"Dir::State={own}", "-o", f"Dir::State::status={own / 'status'}", "-o", f"Dir::Cache={own / 'cache'}"),
        # As root apt would become another user, who may not reach this folder.
        *("-o", "APT::Sandbox::User=root"),
    ]
    try:
        # Some other source of this machine may fail; whether Debian's did, the download tells.
        updated = _run("apt-get", *options, "--quiet", "update", folder=cache)
        _download_files(options, packages, cache, updated.stdout + updated.stderr)
    finally:
        shutil.rmtree(own)


def _download_files(options: Sequence[str], packages: Sequence[Package], cache: Path, lists: str) -> None:
    command = ("apt-get", *options, "--quiet", "download")
    for package in packages:
        if _run(*command, package.pin, folder=cache).returncode:
            try:
                _said(*command, package.name, folder=cache)
            except ProcessError as error:
                raise ProcessError(f"{error}\n{lists}") from error


def _file_of(package: Package, machine: str, cache: Path) -> Path | None:
    """Return the package's file, None if it is not there or is another one."""
    wanted = package.sha256.get(machine)
    found = cache.glob(f"{package.name}_*.deb")
    return next((file for file in found if hashlib.sha256(file.read_bytes()).hexdigest() == wanted), None)


def _said(*command: str, folder: Path | None = None) -> str:
    done = _run(*command, folder=folder)
    if done.returncode:
        raise ProcessError(f"{' '.join(command)} failed\n{done.stdout}{done.stderr}")
    return done.stdout


def _run(*command: str, folder: Path | None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"{' '.join(command)} did not end within {_PATIENCE_SECONDS} s") from error
