"""The requests of which there are many, without the time that boto3 takes to make them.

boto3 takes some 2 ms of CPU for a small request, to find out anew what it found out for the one before. So the first
request of each kind is left to it and looked on, at the events that it offers for that. From then on the same is made
from a `Pattern`, sent over boto3's own connections, with its credentials, proxies, certificates and time limits.

Only what succeeds plainly is done here. After every other answer, a broken connection or anything that is not
understood, boto3 asks again, from the beginning: what it tries again, how often, what it raises and how that is told
stays as it is. So there is one try more than boto3 is told to make, and a write can meet its own object, as it can
after a second try of boto3's (see `own_writes`).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from botocore.signers import RequestSigner

from pg_archiver.s3.event_listeners import EventListeners
from pg_archiver.s3.plain_answers import is_plain, read_plain
from pg_archiver.s3.request_pattern import VARIED, Pattern

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

_SIGNATURE, _TIME = "s3v4", "%Y%m%dT%H%M%SZ"
# Others, such as adaptive, count and delay requests of which they have to know.
_RETRY_MODES = frozenset({"standard", "legacy"})


@dataclass
class _Watch:
    """What is seen of one request while boto3 makes it, of its last try if there are several."""

    operation: str
    signer: RequestSigner | None = None
    sent: AWSPreparedRequest | None = None
    connections: URLLib3Session | None = None
    answer: AWSResponse | None = None


@dataclass(frozen=True)
class _Way:
    """How one kind of request is made."""

    pattern: Pattern
    signer: RequestSigner
    connections: URLLib3Session

    def send(self, asked: Mapping[str, Any]) -> AWSResponse:
        keys = self.signer.get_auth_instance(self.pattern.service, self.pattern.region, _SIGNATURE).credentials
        moment = time.strftime(_TIME, time.gmtime())
        request = self.pattern.make(asked, keys, moment, str(uuid.uuid4()))
        # Where bytes are sent, boto3 asks S3 first whether it takes them; they come from memory, and can come again.
        cast(dict[str, bytes], request.headers).pop("Expect", None)
        return self.connections.send(request)


# Of the request that boto3 makes in this thread just now.
_watched: ContextVar[_Watch | None] = ContextVar("watched", default=None)


class LeanRequests:
    """Four of a client's methods, with the same parameters and, as far as the archive looks at them, results.

    Threads may share it, as they share a client.
    """

    def __init__(self, client: S3Client) -> None:
        """Look on at the client from now on."""
        self._client = client
        self._ways: dict[object, _Way] = {}
        self._listeners = EventListeners(client)
        config: Any = client.meta.config
        self._may = config.retries.get("mode") in _RETRY_MODES
        for event, note in (("before-sign", _note_signer), ("before-send", _note_sent), ("needs-retry", _note_answer)):
            client.meta.events.register(f"{event}.s3", note, unique_id=f"pg_archiver.{event}")

    def head_object(self, **asked: Any) -> dict[str, Any]:
        """Return size and etag of an object; errors as boto3 raises them."""
        return self._ask("HeadObject", cast(Any, self._client.head_object), asked)

    def get_object(self, **asked: Any) -> dict[str, Any]:
        """Return body and etag of an object; errors as boto3 raises them."""
        return self._ask("GetObject", cast(Any, self._client.get_object), asked)

    def put_object(self, **asked: Any) -> dict[str, Any]:
        """Write an object; errors as boto3 raises them."""
        return self._ask("PutObject", cast(Any, self._client.put_object), asked)

    def upload_part(self, **asked: Any) -> dict[str, Any]:
        """Write a part of an upload, and return its etag and, if S3 tells it, its checksum; errors as boto3's."""
        return self._ask("UploadPart", cast(Any, self._client.upload_part), asked)

    def _ask(self, operation: str, by_boto3: Callable[..., dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
        kind = (operation, frozenset(asked), frozenset(one for one in asked.items() if one[0] not in VARIED))
        if not self._may or self._listeners.has_others(operation):
            return by_boto3(**asked)
        way = self._ways.get(kind)
        if way:
            answer = _try(operation, way, asked)
            if answer is not None:
                return read_plain(operation, answer, compare=way.pattern.compares_checksum)
            # Whatever was wrong with it: boto3 finds out, and shows how it is to be done now.
            self._ways.pop(kind, None)
        watch = _Watch(operation)
        before = _watched.set(watch)
        try:
            return by_boto3(**asked)
        finally:
            _watched.reset(before)
            if way := _learn(watch, asked):
                self._ways[kind] = way


def _try(operation: str, way: _Way, asked: Mapping[str, Any]) -> AWSResponse | None:
    """Return the answer to a request, None if it is not a plain one, or if there is none."""
    try:
        answer = way.send(asked)
        if is_plain(operation, answer):
            return answer
        answer.raw.close()
    except Exception as error:  # noqa: BLE001 (boto3 meets it again, if it is one, and tells of it)
        log.debug("%s is left to boto3 after %s", operation, type(error).__name__)
    return None


def _learn(watch: _Watch, asked: Mapping[str, Any]) -> _Way | None:
    """Return how to make such a request, None unless what boto3 did shows it and came to a plain end."""
    if not (watch.signer and watch.sent and watch.connections and watch.answer):
        return None
    try:
        if not is_plain(watch.operation, watch.answer):
            return None
        keys = watch.signer.get_auth_instance("s3", "", _SIGNATURE).credentials
        pattern = Pattern.learn(asked, watch.sent, keys)
    except Exception as error:  # noqa: BLE001 (nothing is learned, and nothing is lost)
        log.debug("nothing was learned of %s: %s", watch.operation, type(error).__name__)
        return None
    return _Way(pattern, watch.signer, watch.connections) if pattern else None


def _watch_of(event_name: str) -> _Watch | None:
    """Return the watch if it is about this event; boto3 may make other requests on the way, as to find a region."""
    watch = _watched.get()
    return watch if watch and event_name.endswith(f".{watch.operation}") else None


def _note_signer(event_name: str, request_signer: RequestSigner, **_: object) -> None:
    if watch := _watch_of(event_name):
        watch.signer = request_signer


def _note_sent(event_name: str, request: AWSPreparedRequest, **_: object) -> None:
    if watch := _watch_of(event_name):
        watch.sent, watch.answer = request, None


def _note_answer(event_name: str, endpoint: Any, response: Any, **_: object) -> None:
    if watch := _watch_of(event_name):
        watch.connections, watch.answer = endpoint.http_session, response[0] if response else None
