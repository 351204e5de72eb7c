"""A real etcd of one member, on 127.0.0.1, out of Debian's package."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from dev.debian import Package, unpack
from dev.processes import LOCALHOST, Child, ProcessError, free_port
from dev.running import Running

# Of Debian 12; it needs nothing but the C library.
PACKAGES = (
    Package(
        "etcd-server",
        "3.4.23-4+b4",
        {"amd64": "3a9445d4560ad6de1c375756b2a17d97713df44cbd20a658c871fe108af7ef5d"},
    ),
)
_CACHE = Path(__file__).absolute().parent.parent / ".state" / "debian"


@dataclass(frozen=True)
class EtcdTls:
    """Files of certificates and keys, all signed by one authority: the server's, and those of a client of it."""

    ca: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]

    @property
    def options(self) -> dict[str, object]:
        """The server's options: it asks its clients for certificates too."""
        return {
            "cert-file": self.server[0],
            "key-file": self.server[1],
            "trusted-ca-file": self.ca,
            "client-cert-auth": "true",
        }

    @property
    def of_clients(self) -> dict[str, Any]:
        """What a request of such a client says to `requests`."""
        return {"verify": str(self.ca), "cert": tuple(map(str, self.client))}


class EtcdServer(Running):
    """One server that keeps its data in a folder: started again, it has them, at the same address."""

    def __init__(self, directory: Path, unpacked: Path, tls: EtcdTls | None = None) -> None:
        """Keep data and log in `directory`; the program is below `unpacked`. With `tls` its clients need that too."""
        self.directory = directory.absolute()
        self._tls = tls
        self._program = unpacked / "usr" / "bin" / "etcd"
        self._ports = (0, 0)
        self._server: Child | None = None

    @property
    def url(self) -> str:
        """Where its clients ask."""
        return f"{'https' if self._tls else 'http'}://{LOCALHOST}:{self._ports[0]}"

    def start(self) -> None:
        """Start the server and wait until it answers; raises ProcessError when it does not."""
        if not any(self._ports):
            self._ports = (free_port(), free_port())
        own = f"http://{LOCALHOST}:{self._ports[1]}"
        options = {
            "data-dir": self.directory / "data",
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": own,
            "initial-advertise-peer-urls": own,
            "initial-cluster": f"default={own}",
            **(self._tls.options if self._tls else {}),
        }
        self._server = Child(
            "etcd",
            [self._program, *(f"--{name}={value}" for name, value in options.items())],
            self.directory / "etcd.log",
            {"PATH": os.defpath},
        )
        try:
            self._server.start()
            self._server.wait_until(self._is_healthy, "its health", 60)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server; its data stay."""
        if self._server:
            self._server.stop()
        self._server = None

    def _is_healthy(self) -> bool:
        try:
            answer = requests.get(f"{self.url}/health", timeout=5, **(self._tls.of_clients if self._tls else {}))
            return bool(answer.json().get("health") == "true")
        except (requests.RequestException, ValueError):
            return False


def unpack_etcd() -> Path:
    """Return a new folder that holds the program; whoever wants it removes it.

    Raises:
        ProcessError: the package cannot be had.
    """
    unpacked = Path(tempfile.mkdtemp(prefix="etcd-"))
    try:
        unpack(PACKAGES, _CACHE, unpacked)
    except ProcessError as reason:
        shutil.rmtree(unpacked)
        raise ProcessError(f"no etcd to test with: Debian's package cannot be had, because {reason}") from reason
    return unpacked
