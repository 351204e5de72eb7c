"""A Postgres server that has pg_repack: the extension on the server, and its client program beside it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.debian import Package, unpack
from dev.postgres import PostgresServer
from dev.processes import ProcessError

# Of Debian 12. The server also loads libicu72, libxml2 and libldap-2.5-0, which have to be installed.
POSTGRES_15 = Package(
    "postgresql-15",
    "15.18-0+deb12u1",
    {"amd64": "6974c43ddec4f383d099e7d642cd59d0af83c2c90c0fb153a4179aa1bb4d73c1"},
)
LIBPQ_5 = Package(
    "libpq5",
    "15.18-0+deb12u1",
    {"amd64": "baef57c288d7d8c09c84cd461da35d28f981aa71c60448c1d95b52110cc9faf9"},
)
PACKAGES = (
    POSTGRES_15,
    Package(
        "postgresql-15-repack",
        "1.4.8-1+b1",
        {"amd64": "f5d13c365c9cd96a63492f1ecacb86fb126ceeed488b8f8e2ce538889a25f698"},
    ),
    LIBPQ_5,
)
_CACHE = Path(__file__).absolute().parent.parent / ".state" / "debian"
# Without the compiler's library, which nothing here needs.
_SETTINGS = {"jit": "off"}


@dataclass(frozen=True)
class RepackServer:
    """A running server, the client program, and the folder of the client's libraries, if that is not the system's."""

    server: PostgresServer
    program: Path
    libraries: Path | None


@contextmanager
def repack_server(directory: Path) -> Iterator[RepackServer]:
    """Start a server that keeps its data in `directory`; raises ProcessError when it cannot be had or does not start.

    ARCHIVER_REPACK_BIN names the folder of another one's programs, `postgres` and `pg_repack` among them.
    """
    # Not below our own folder, which the server's account may not be able to enter.
    unpacked = Path(tempfile.mkdtemp(prefix="postgres-repack-"))
    try:
        binaries, libraries = _programs(unpacked)
        with PostgresServer(directory, _SETTINGS, binaries, libraries) as server:
            yield RepackServer(server, binaries / "pg_repack", libraries)
    finally:
        shutil.rmtree(unpacked)


def _programs(unpacked: Path) -> tuple[Path, Path | None]:
    if chosen := os.environ.get("ARCHIVER_REPACK_BIN"):
        return Path(chosen), None
    try:
        unpack(PACKAGES, _CACHE, unpacked)
    except ProcessError as reason:
        raise ProcessError(
            f"no Postgres with pg_repack to test with: set ARCHIVER_REPACK_BIN to the folder of its programs; "
            f"Debian's packages cannot be had, because {reason}"
        ) from reason
    unpacked.chmod(0o755)
    (libraries,) = (unpacked / "usr" / "lib").glob("*-linux-gnu*")
    return unpacked / "usr" / "lib" / "postgresql" / "15" / "bin", libraries
