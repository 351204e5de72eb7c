"""A TCP proxy in front of Postgres that cuts the connection around one message of the client's."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.faults.place import Place

_CHUNK = 1 << 16
_SECONDS = 20.0


@dataclass
class Cut:
    """Where to cut: at the n-th message that holds these bytes, before or after the server has done it.

    `met` counts those messages up to the cut.
    """

    words: bytes
    occurrence: int
    delivered: bool
    made: bool = False
    met: int = 0

    def __str__(self) -> str:
        words = f" with {self.words.decode()}" if self.words else ""
        return f"connection cut {'after' if self.delivered else 'before'} message {self.occurrence}{words}"

    def meets(self, data: bytes) -> bool:
        if self.made or self.words not in data:
            return False
        self.met += 1
        self.made = self.met == self.occurrence
        return self.made


class PostgresProxy:
    """Listens on a port of its own; every connection through it is watched for the cut."""

    def __init__(self, place: Place, cut: Cut) -> None:
        self._server = (place.server.host, place.server.port)
        self._cut = cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._place = place
        self._threads: list[threading.Thread] = []

    @classmethod
    @contextmanager
    def started(cls, place: Place, cut: Cut) -> Iterator[PostgresProxy]:
        proxy = cls(place, cut)
        accepting = threading.Thread(target=proxy._accept)
        accepting.start()
        try:
            yield proxy
        finally:
            # close() alone would not wake the thread that waits in accept().
            with contextlib.suppress(OSError):
                proxy._listener.shutdown(socket.SHUT_RDWR)
            proxy._listener.close()
            accepting.join(_SECONDS)
            for thread in proxy._threads:
                thread.join(_SECONDS)

    def connect(self) -> psycopg.Connection[Any]:
        """A connection through the proxy."""
        return psycopg.connect(
            **self._place.server.dsn(self._place.database) | {"port": self._listener.getsockname()[1]}
        )

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            answering = threading.Thread(target=_pass_on, args=(server, client))
            answering.start()
            with contextlib.suppress(OSError):
                while data := client.recv(_CHUNK):
                    if self._cut.meets(data):
                        # From here on the client hears nothing more.
                        self._break(client, server, data)
                        break
                    server.sendall(data)
            for side in (server, client):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            answering.join(_SECONDS)

    def _break(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        client.shutdown(socket.SHUT_RDWR)
        if self._cut.delivered:
            server.sendall(data)
            # A second session sees when the first is done with it.
            self._await_idle(server.getsockname()[1])

    def _await_idle(self, port: int) -> None:
        statement = "SELECT state FROM pg_stat_activity WHERE client_port = %s"
        with self._place.server.connect(self._place.database) as watcher:
            for _ in range(1000):
                found = watcher.execute(statement, [port]).fetchone()
                if found is None or found[0] in {"idle", "idle in transaction"}:
                    return
                threading.Event().wait(0.01)


def _pass_on(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := server.recv(_CHUNK):
            client.sendall(data)
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
