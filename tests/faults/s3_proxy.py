"""An HTTP proxy in front of an S3 server that breaks chosen requests.

It forwards everything unchanged, the Host header above all, which the client's signature covers.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

# How long a stalled connection stays open; clients give up long before.
STALL_SECONDS = 8.0
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """One request of the client's, whole."""

    operation: str
    method: str
    path: str
    headers: Any
    body: bytes


@dataclass
class Answer:
    """What the client is to get: at most `sent` bytes of the body, and then perhaps nothing more for a while."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    sent: int | None = None
    stalled: bool = False


class Reset(Exception):
    """The connection is to be reset instead of an answer."""


Forward = Callable[[bytes], Answer]
Deed = Callable[[Request, Forward], Answer]


@dataclass
class Fault:
    """What is done to requests of these operations: to `times` of them, after letting `after` through."""

    operations: frozenset[str]
    deed: Deed
    after: int = 0
    times: int = 1_000_000
    key: str = ""
    # How much of an upload's body is read before the deed; None is all.
    read: Callable[[int], int] | None = None
    done: int = 0
    _met: int = field(default=0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def takes(self, operation: str, path: str) -> bool:
        if operation not in self.operations or self.key not in path:
            return False
        with self._lock:
            self._met += 1
            if not self.after < self._met <= self.after + self.times:
                return False
            self.done += 1
            return True


def operation_of(method: str, path: str) -> str:
    """The S3 operation, by boto3's name."""
    parts = urlsplit(path)
    asked = parse_qs(parts.query, keep_blank_values=True)
    on_object = "/" in parts.path.strip("/")
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in asked else "CompleteMultipartUpload"
    if method == "PUT":
        return "UploadPart" if "partNumber" in asked else "PutObject"
    if method == "DELETE":
        return "AbortMultipartUpload" if "uploadId" in asked else "DeleteObject"
    if method == "HEAD":
        return "HeadObject" if on_object else "HeadBucket"
    return "GetObject" if on_object else "ListObjects"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_request(self) -> None:
        operation = operation_of(self.command, self.path)
        fault = self.server.fault
        taken = fault if fault and fault.takes(operation, self.path) else None
        length = int(self.headers.get("Content-Length") or 0)
        wanted = taken.read(length) if taken and taken.read else length
        request = Request(operation, self.command, self.path, self.headers, self.rfile.read(wanted))
        try:
            answer = (
                taken.deed(request, self._forwarding(request)) if taken else self._forwarding(request)(request.body)
            )
        except Reset:
            self._reset()
            return
        self._send(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request  # noqa: N815 (http.server's names)

    def _forwarding(self, request: Request) -> Forward:
        def forward(body: bytes) -> Answer:
            connection = http.client.HTTPConnection(*self.server.upstream, timeout=30)
            try:
                connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
                for name, value in request.headers.items():
                    if name.lower() not in {"connection", "expect"}:
                        connection.putheader(name, value)
                connection.endheaders(body)
                response = connection.getresponse()
                content = response.read()
                hidden = {"connection", "transfer-encoding", "content-length"}
                headers = [(name, value) for name, value in response.getheaders() if name.lower() not in hidden]
                length = response.getheader("Content-Length") if request.method == "HEAD" else str(len(content))
                if length is not None:
                    headers.append(("Content-Length", length))
                return Answer(response.status, headers, content)
            finally:
                connection.close()

        return forward

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: answer.sent])
        if answer.stalled:
            self.server.over.wait(STALL_SECONDS)
        if answer.sent is not None:
            self.close_connection = True

    def _reset(self) -> None:
        """Closes with RST, as a crashed machine or a firewall does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.fault: Fault | None = None
        self.over = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news here."""


class S3Proxy:
    """The running proxy; `fault` is what it does to requests."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self.endpoint_url = f"http://127.0.0.1:{server.server_address[1]}"

    @classmethod
    @contextmanager
    def started(cls, upstream_url: str) -> Iterator[S3Proxy]:
        upstream = urlsplit(upstream_url)
        assert upstream.hostname
        assert upstream.port
        server = _Server((upstream.hostname, upstream.port))
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield cls(server)
        finally:
            server.over.set()
            server.shutdown()
            serving.join()
            server.server_close()

    @contextmanager
    def doing(self, fault: Fault) -> Iterator[None]:
        self._server.fault = fault
        try:
            yield
        finally:
            self._server.fault = None
