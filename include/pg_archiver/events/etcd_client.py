"""A small client of etcd's JSON gateway (v3): it lists keys below a prefix, reads values, and removes what it has read.

A request takes a minute at most, and an answer 8 MB. No value is ever in an error or a log, nor a key, nor a password.
https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests

from pg_archiver.errors import ArchiverError, ChannelInterrupted, ChannelRefused, SettingError

_KEYS_A_PAGE = 500
# etcd takes 128 operations in a request.
_KEYS_A_REQUEST = 100
LARGEST_VALUE = LARGEST_KEY = 65_536
# Of the keys of one request, and of all that are listed; etcd takes 1.5 MB, in which removing names each key twice.
_LARGEST_REQUEST, _LARGEST_LIST = 256 * 1024, 64 * 1024 * 1024
_LARGEST_ANSWER = 8 * 1024 * 1024
_CHUNK = 256 * 1024
_CONNECT_SECONDS, _SILENT_SECONDS, _REQUEST_SECONDS = 5.0, 20.0, 60.0
_NOTHING_READ = "Nothing was read, and nothing was removed there"
_MAYBE_REMOVED = "What it was to remove is events by now and makes no second ones; it is removed there the next time"
# Codes of gRPC: the server is busy or has no leader, which passes.
_PASSING = {1, 4, 8, 10, 13, 14, 15}
_UNAUTHENTICATED = 16
_OLD_LOGIN = "revision in header is old"


class _AnswerTooLargeError(Exception):
    """The answer has more bytes than are taken in."""


@dataclass(frozen=True)
class EtcdServer:
    """Where an etcd is, and who asks.

    Attributes:
        url: such as https://etcd.internal:2379, without a login.
        user, password: the login, if it wants one.
        token: one instead of these, that another part has got for it.
        ca_file: the certificates of those who may vouch for it; None takes those that Python's requests trust.
        certificate: our own, as the files of the certificate and its key, where it wants one.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    certificate: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            SettingError: it is none.
        """
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable, parts = False, urlsplit("")
        if not usable or "@" in parts.netloc or parts.query or parts.fragment:
            # It may hold a password, so it is not quoted.
            raise SettingError(
                "the address of etcd cannot be used. Nothing was read. Fix: write it as https://etcd.internal:2379, "
                "and the login apart from it"
            )

    @property
    def name(self) -> str:
        """It in messages."""
        return f"etcd at {urlsplit(self.url).netloc}"


@dataclass(frozen=True)
class EtcdKey:
    """A key, and etcd's number for what changed it last."""

    key: bytes
    mod_revision: int


@dataclass(frozen=True)
class EtcdValue(EtcdKey):
    """A key with its value, None if that has more than 64 KB."""

    value: bytes | None


@dataclass(frozen=True)
class KeyList:
    """The keys below a prefix, the longest unchanged first; `is_whole` is whether these are all."""

    cluster_id: str
    keys: tuple[EtcdKey, ...]
    is_whole: bool


class EtcdClient:
    """One etcd, asked by one connection."""

    def __init__(self, server: EtcdServer) -> None:
        """Prepare; nothing is asked yet."""
        self.server = server
        self._token = server.token
        self._session = requests.Session()
        # Neither a proxy nor a login of the environment's: ~/.netrc would take the token's place.
        self._session.trust_env = False
        self._session.verify = server.ca_file or True
        self._session.cert = server.certificate

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._session.close()

    def list_keys(self, prefix: str, most: int) -> KeyList:
        """Return the keys below a prefix, at most so many, page by page.

        Raises:
            ChannelRefused: etcd refuses it.
            ChannelInterrupted: etcd is not there, or not able to.
        """
        begin, end = prefix.encode(), _end_of(prefix)
        found: list[EtcdKey] = []
        room, limit = _LARGEST_LIST, _KEYS_A_PAGE
        while True:
            order = {"key": _encode(begin), "range_end": _encode(end), "limit": limit, "keys_only": True}
            try:
                answer = self._ask("/v3/kv/range", order, _NOTHING_READ)
            except _AnswerTooLargeError:
                if limit == 1:
                    raise self._strange(_NOTHING_READ) from None
                limit //= 2
                continue
            page = [self._read_key(row) for row in answer.get("kvs", ())]
            found += page
            room -= sum(len(key.key) for key in page)
            if not answer.get("more") or not page or len(found) >= most or room < 0:
                break
            begin = page[-1].key + b"\0"
        cluster = str(answer.get("header", {}).get("cluster_id", ""))
        oldest_first = sorted(found, key=lambda key: (key.mod_revision, key.key))
        return KeyList(cluster, tuple(oldest_first), not answer.get("more"))

    def read(self, keys: Sequence[EtcdKey]) -> list[EtcdValue]:
        """Return the values of keys as `divide` gives them, as they are now, without those that are gone.

        Raises:
            ChannelRefused: etcd refuses it.
            ChannelInterrupted: etcd is not there, or not able to.
        """
        reading = [{"request_range": {"key": _encode(key.key)}} for key in keys]
        try:
            answer = self._ask("/v3/kv/txn", {"success": reading}, _NOTHING_READ)
        except _AnswerTooLargeError:
            if len(keys) > 1:
                half = len(keys) // 2
                return [*self.read(keys[:half]), *self.read(keys[half:])]
            without = {"key": _encode(keys[0].key), "keys_only": True}
            answer = {"responses": [{"response_range": self._ask("/v3/kv/range", without, _NOTHING_READ)}]}
            return [EtcdValue(found.key, found.mod_revision, None) for found, _ in self._read_rows(answer)]
        return [
            EtcdValue(found.key, found.mod_revision, value if len(value) <= LARGEST_VALUE else None)
            for found, value in self._read_rows(answer)
        ]

    def remove(self, keys: Sequence[EtcdKey]) -> int:
        """Remove keys as `divide` gives them, each only if it has not changed since; return how many were removed.

        Raises:
            ChannelRefused: etcd refuses it.
            ChannelInterrupted: etcd is not there, or not able to; what was removed is not known.
        """
        removing = [{"request_txn": _remove_at(key)} for key in keys]
        answer = self._ask("/v3/kv/txn", {"success": removing}, _MAYBE_REMOVED)
        ends = [end.get("response_txn", {}) for end in answer.get("responses", ())]
        if len(ends) != len(keys):
            raise self._strange(_MAYBE_REMOVED)
        return sum(bool(end.get("succeeded")) for end in ends)

    def _read_rows(self, answer: Mapping[str, Any]) -> list[tuple[EtcdKey, bytes]]:
        rows = [row for part in answer.get("responses", ()) for row in part["response_range"].get("kvs", ())]
        return [(self._read_key(row), self._decode(row.get("value", ""))) for row in rows]

    def _read_key(self, row: Mapping[str, Any]) -> EtcdKey:
        try:
            return EtcdKey(self._decode(row["key"]), int(row["mod_revision"]))
        except (KeyError, TypeError, ValueError):
            raise self._strange(_NOTHING_READ) from None

    def _decode(self, text: str) -> bytes:
        try:
            return base64.b64decode(text, validate=True)
        except (TypeError, binascii.Error):
            raise self._strange(_NOTHING_READ) from None

    def _ask(self, path: str, order: Mapping[str, Any], undone: str) -> dict[str, Any]:
        """Ask, by a login of its own if there is one; once more with a new login where the old one is over."""
        if self._token is None and self.server.user is not None:
            self._log_in(undone)
        status, answer = self._post(path, order, undone)
        is_over = answer.get("code") == _UNAUTHENTICATED or _OLD_LOGIN in str(answer.get("message", ""))
        if status != requests.codes.ok and is_over and self.server.user is not None:
            self._log_in(undone)
            status, answer = self._post(path, order, undone)
        if status != requests.codes.ok:
            raise self._explain(status, answer, undone)
        return answer

    def _log_in(self, undone: str) -> None:
        self._token = None
        login = {"name": self.server.user, "password": self.server.password or ""}
        status, answer = self._post("/v3/auth/authenticate", login, undone)
        token = answer.get("token")
        if status != requests.codes.ok or not isinstance(token, str):
            raise self._explain(status, answer, undone)
        self._token = token

    def _post(self, path: str, order: Mapping[str, Any], undone: str) -> tuple[int, dict[str, Any]]:
        """Send a request, and return the status and the object of the answer."""
        headers = {"Authorization": self._token} if self._token else {}
        try:
            with self._session.post(
                self.server.url.rstrip("/") + path,
                json=order,
                headers=headers,
                timeout=(_CONNECT_SECONDS, _SILENT_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                text = self._read_answer(response, undone)
        except (requests.RequestException, OSError) as error:
            raise self._unreachable(error, undone) from None
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            if response.status_code >= requests.codes.internal_server_error:
                raise self._unable(f"answers with status {response.status_code}", undone)
            raise self._strange(undone)
        return response.status_code, answer

    def _read_answer(self, response: requests.Response, undone: str) -> bytes:
        deadline, parts, size = time.monotonic() + _REQUEST_SECONDS, [], 0
        for part in response.iter_content(_CHUNK):
            parts.append(part)
            size += len(part)
            if size > _LARGEST_ANSWER:
                raise _AnswerTooLargeError
            if time.monotonic() > deadline:
                raise self._unable(f"did not come to the end of an answer within {_REQUEST_SECONDS:.0f} s", undone)
        return b"".join(parts)

    def _explain(self, status: int, answer: Mapping[str, Any], undone: str) -> ArchiverError:
        """Return the error for a request that etcd did not carry out."""
        said = str(answer.get("message") or answer.get("error") or "")
        # What else may be at that address says what it likes.
        why = said[:200] if said.startswith("etcdserver: ") else f"status {status}"
        if answer.get("code") in _PASSING or status >= requests.codes.internal_server_error:
            return self._unable(f"is not able to now ({why})", undone)
        return ChannelRefused(
            f"{self.server.name} refuses the request ({why}). {undone}. Fix: give the connection a user of etcd that "
            "may read and write below the prefix"
        )

    def _unreachable(self, error: Exception, undone: str) -> ArchiverError:
        if isinstance(error, requests.exceptions.SSLError | FileNotFoundError) or (
            isinstance(error, OSError) and "TLS CA certificate" in str(error)
        ):
            return ChannelRefused(
                f"{self.server.name} does not show a certificate that is trusted, or ours is not there. {undone}. Fix: "
                "name the file of its CA's certificates, and of our own, in the connection"
            )
        return self._unable(f"could not be reached ({type(error).__name__})", undone)

    def _unable(self, what: str, undone: str) -> ChannelInterrupted:
        return ChannelInterrupted(
            f"{self.server.name} {what}. {undone}. Fix: see that it runs and can be reached from here; the next "
            "reading goes on where this one ended"
        )

    def _strange(self, undone: str) -> ChannelRefused:
        return ChannelRefused(
            f"{self.server.name} does not answer as etcd 3.4 or later does. {undone}. Fix: name the address of etcd's "
            "clients, whose JSON gateway is not switched off"
        )


def divide(keys: Sequence[EtcdKey]) -> Iterator[list[EtcdKey]]:
    """Divide keys into what one request may name, in their order; none of them has more than 64 KB."""
    part: list[EtcdKey] = []
    room = _LARGEST_REQUEST
    for key in keys:
        if part and (len(part) == _KEYS_A_REQUEST or len(key.key) > room):
            yield part
            part, room = [], _LARGEST_REQUEST
        part.append(key)
        room -= len(key.key)
    if part:
        yield part


def _remove_at(key: EtcdKey) -> dict[str, Any]:
    """Return the transaction that removes a key if its revision is still this one."""
    name = _encode(key.key)
    is_same = {"key": name, "target": "MOD", "result": "EQUAL", "mod_revision": str(key.mod_revision)}
    return {"compare": [is_same], "success": [{"request_delete_range": {"key": name}}]}


def _end_of(prefix: str) -> bytes:
    """Return the first key behind all that begin with a prefix, whose last byte is below 255, as in all of UTF-8."""
    begin = prefix.encode()
    return begin[:-1] + bytes([begin[-1] + 1])


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()
