"""Requests that are made without boto3 are made so from the second one on, and come to what boto3's would come to."""

from __future__ import annotations

import base64
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials

from dev.s3 import RcloneS3, S3Server
from pg_archiver.errors import CheckFailed, KeyTaken
from pg_archiver.s3.bucket import CLIENT, Bucket
from pg_archiver.s3.part_sizes import SMALLEST, PartSizes
from tests.faults.s3_faults import answered, flipped_alone, reset, reset_after
from tests.faults.s3_proxy import Answer, Deed, Fault, Forward, Request, S3Proxy
from tests.support.boto3_calls import counting_boto3
from tests.support.certificates import Authority

HOT = frozenset({"HeadObject", "GetObject", "PutObject", "UploadPart"})
PARTS = PartSizes(first=SMALLEST)
_numbers = count(1)


@dataclass
class Wire:
    """A bucket on a server behind a proxy, and what came by there."""

    s3: S3Server
    proxy: S3Proxy
    name: str
    requests: list[Request] = field(default_factory=list)

    def bucket(self, session: Any = None, config: Config | None = None, **arguments: Any) -> Bucket:
        """A bucket that asks once, through the proxy, unless something else is said."""
        ours = Config(
            s3={"addressing_style": "path", "payload_signing_enabled": False},
            proxies={},
            retries={"total_max_attempts": 1, "mode": "standard"},
            user_agent="an archive",
        )
        keys = {} if session else {"aws_access_key_id": self.s3.access_key, "aws_secret_access_key": self.s3.secret_key}
        given = {"endpoint_url": self.proxy.endpoint_url, "region_name": self.s3.region, **keys, **arguments}
        client = (session or boto3).client("s3", config=ours.merge(config) if config else ours, **given)
        return Bucket(client, self.name, parts=PARTS)

    def seen(self) -> Counter[str]:
        return Counter(request.operation for request in self.requests)

    def deed(self, request: Request, forward: Forward) -> Answer:
        self.requests.append(request)
        return forward(request.body)

    @contextmanager
    def breaking(self, operation: str, deed: Deed, times: int = 1_000) -> Generator[None]:
        """Does this to requests of one kind, and counts all."""

        def noted(request: Request, forward: Forward) -> Answer:
            self.requests.append(request)
            return deed(request, forward) if fault.takes(request.operation, request.path) else forward(request.body)

        fault = Fault(frozenset({operation}), deed, times=times)
        with self.proxy.doing(Fault(HOT, noted)):
            yield


@pytest.fixture
def wire(s3: S3Server) -> Iterator[Wire]:
    """On each server in turn: rclone checks signatures, moto knows conditional writes."""
    name = f"lean{next(_numbers)}"
    s3.create_bucket(name)
    with S3Proxy.started(s3.endpoint_url) as proxy:
        wire = Wire(s3, proxy, name)
        with proxy.doing(Fault(HOT, wire.deed)):
            yield wire


@pytest.fixture
def moto_wire(moto: S3Server) -> Iterator[Wire]:
    name = f"lean{next(_numbers)}"
    moto.create_bucket(name)
    with S3Proxy.started(moto.endpoint_url) as proxy:
        wire = Wire(moto, proxy, name)
        with proxy.doing(Fault(HOT, wire.deed)):
            yield wire


def read(bucket: Bucket, key: str) -> bytes:
    with bucket.open(key) as answer:
        return answer.body.read()


def uploaded(bucket: Bucket, key: str, content: bytes) -> None:
    with bucket.upload(key) as upload:
        upload.write(content)
        upload.finish()


def used(bucket: Bucket, name: str = "first") -> Bucket:
    """The bucket after a request of each kind."""
    bucket.create(f"{name} small", b"content")
    uploaded(bucket, f"{name} large", bytes(SMALLEST + 1))
    assert read(bucket, f"{name} small") == b"content"
    return bucket


def test_of_each_kind_of_request_boto3_makes_the_first_one_only(wire: Wire) -> None:
    large = os.urandom(2 * SMALLEST + 4321)
    with counting_boto3() as calls:
        bucket = used(wire.bucket())
        for number in range(3):
            bucket.create(f"small {number}", f"content {number}".encode())
        uploaded(bucket, "large", large)
        assert read(bucket, "large") == large
        assert [read(bucket, f"small {number}") for number in range(3)] == [b"content 0", b"content 1", b"content 2"]
        head = bucket.head("large")
        assert head
        assert head.size == len(large)
    made = {operation: times for operation, times in calls.items() if operation in HOT}
    assert made == dict.fromkeys(HOT, 1)
    assert wire.seen() == {"PutObject": 4, "UploadPart": 5, "GetObject": 5, "HeadObject": 7}


def test_what_goes_over_the_wire_is_what_boto3_sends(wire: Wire) -> None:
    """But for the question whether S3 takes what is to come, and the wait for its answer."""
    used(used(wire.bucket()), "again")
    first, second = wire.requests[: len(wire.requests) // 2], wire.requests[len(wire.requests) // 2 :]
    own = {"x-amz-date", "authorization", "amz-sdk-invocation-id", "x-amz-meta-archiver-write", "expect"}
    assert len({request.headers["amz-sdk-invocation-id"] for request in wire.requests}) == len(wire.requests)
    for theirs, ours in zip(first, second, strict=True):
        told = [{n.lower(): v for n, v in one.headers.items() if n.lower() not in own} for one in (theirs, ours)]
        assert told[0] == told[1]
        assert theirs.path.partition("?")[0].replace("first", "again") == ours.path.partition("?")[0]
        assert theirs.body == ours.body
    assert not [request for request in second if "Expect" in request.headers]


KEYS = ("a b", "ü/é/日本", "+", "100%", "x%2Fy", "~", "a=b&c", "'()*!", "@$,;:", "#?", "client=a/dt=1/_1.g0001.csv.gz")


def test_odd_keys_are_written_and_found(wire: Wire) -> None:
    bucket = used(wire.bucket())
    with counting_boto3() as calls:
        for key in KEYS:
            bucket.create(key, key.encode())
            assert read(bucket, key) == key.encode()
            with pytest.raises(KeyTaken):
                bucket.create(key, b"another")
        uploaded(bucket, "".join(KEYS[:5]), bytes(SMALLEST + 1))
    assert not HOT & calls.keys()
    for key in KEYS:
        assert bucket.client.get_object(Bucket=wire.name, Key=key)["Body"].read() == key.encode()
    assert {*KEYS, "".join(KEYS[:5])} <= set(bucket.list_keys(""))


def test_threads_share_it(wire: Wire) -> None:
    bucket, failed = used(wire.bucket()), []

    def work(thread: int) -> None:
        try:
            for number in range(10):
                bucket.create(f"{thread}/{number}", f"{thread} {number}".encode())
                assert read(bucket, f"{thread}/{number}") == f"{thread} {number}".encode()
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    with counting_boto3() as calls:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed
    assert not HOT & calls.keys()


def test_the_connection_is_kept(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    bucket = used(wire.bucket())
    with caplog.at_level(logging.DEBUG, "urllib3"):
        for number in range(5):
            bucket.create(f"{number}", b"content")
            read(bucket, f"{number}")
    assert "Starting new HTTP connection" not in caplog.text


# What S3, or whoever answers in its place, may say to a request of each kind.
DEEDS: dict[str, Deed] = {
    **{
        f"{status} {code}": answered(status, code)
        for status, code in (
            (301, "PermanentRedirect"),
            (400, "ExpiredToken"),
            (403, "AccessDenied"),
            (404, "NoSuchKey"),
            (404, "NoSuchBucket"),
            (412, "PreconditionFailed"),
            (500, "InternalError"),
            (503, "SlowDown"),
        )
    },
    "200 with an error": answered(200, "InternalError"),
    "the connection reset": reset,
    "the answer lost": reset_after,
}
DOING: dict[str, tuple[str, Callable[[Bucket], object]]] = {
    "a look": ("HeadObject", lambda bucket: bucket.head("first small")),
    "a read": ("GetObject", lambda bucket: read(bucket, "first small")),
    "a small object": ("PutObject", lambda bucket: bucket.create("new", b"content")),
    "a large object": ("UploadPart", lambda bucket: uploaded(bucket, "new", bytes(SMALLEST + 1))),
}


# Each of these once, with the kinds of requests in turn.
EACH_ONCE = [(list(DOING)[number % len(DOING)], deed) for number, deed in enumerate(DEEDS)]


def outcome(bucket: Bucket, do: Callable[[Bucket], object]) -> tuple[object, ...]:
    try:
        return ("came to", do(bucket))
    except Exception as error:  # noqa: BLE001 (whatever it is, it is to be the same)
        return (type(error), re.sub(r"uploadId=[^&]+", "", str(error)))


@pytest.mark.more
@pytest.mark.parametrize(("doing", "deed"), EACH_ONCE)
def test_what_goes_wrong_is_told_as_boto3s_requests_tell_it(moto_wire: Wire, doing: str, deed: str) -> None:
    wire, (operation, do) = moto_wire, DOING[doing]
    used(wire.bucket())
    told = []
    for bucket in (wire.bucket(), used(wire.bucket(), "second")):
        bucket.client.delete_object(Bucket=wire.name, Key="new")
        wire.requests.clear()
        with wire.breaking(operation, DEEDS[deed]):
            told.append((outcome(bucket, do), wire.seen()[operation]))
    (by_boto3, once), (by_both, twice) = told
    assert by_both == by_boto3
    # That there is no object is all that such an answer says, and needs no second one.
    plain = operation == "HeadObject" and deed.startswith("404")
    assert twice == once + (not plain)


@pytest.mark.parametrize("deed", ["503 SlowDown", "the connection reset", "the answer lost", "200 with an error"])
@pytest.mark.parametrize("doing", ["a read", "a small object", "a large object"])
def test_what_goes_wrong_once_is_asked_again_by_boto3_and_then_learned_anew(
    moto_wire: Wire, doing: str, deed: str
) -> None:
    wire, (operation, do) = moto_wire, DOING[doing]
    bucket = used(wire.bucket())
    with wire.breaking(operation, DEEDS[deed], times=1), counting_boto3() as calls:
        do(bucket)
    assert calls[operation] == 1
    for _ in range(2):
        bucket.client.delete_object(Bucket=wire.name, Key="new")
        with counting_boto3() as calls:
            do(bucket)
    assert not calls[operation]


def flipped_beside_its_checksum(request: Request, forward: Forward) -> Answer:
    whole = flipped_alone(request, forward)
    told = base64.b64encode(sha256(b"content").digest()).decode()
    headers = [one for one in whole.headers if not one[0].lower().startswith("x-amz-checksum")]
    return replace(whole, headers=[*headers, ("x-amz-checksum-sha256", told)])


def test_a_body_that_is_not_what_s3_keeps_is_found_out(moto_wire: Wire) -> None:
    bucket = used(moto_wire.bucket())
    with (
        counting_boto3() as calls,
        moto_wire.breaking("GetObject", flipped_beside_its_checksum),
        pytest.raises(CheckFailed, match="came back damaged"),
    ):
        read(bucket, "first small")
    assert not calls["GetObject"]


class Renewed(CredentialProvider):
    """Credentials that last for an hour of a clock of their own."""

    METHOD = CANONICAL_NAME = "renewed"

    def __init__(self, s3: S3Server) -> None:
        super().__init__()
        self._keys = {"access_key": s3.access_key, "secret_key": s3.secret_key}
        self.times = 0
        self.now = datetime.now(UTC)

    def load(self) -> RefreshableCredentials:
        first = self._renew()
        return RefreshableCredentials(
            **{**first, "expiry_time": self.now + timedelta(hours=1)},
            refresh_using=self._renew,
            method=self.METHOD,
            time_fetcher=lambda: self.now,
        )

    def _renew(self) -> dict[str, Any]:
        self.times += 1
        until = (self.now + timedelta(hours=1)).isoformat()
        return {**self._keys, "token": f"token {self.times}", "expiry_time": until}


def test_credentials_that_run_out_are_renewed_and_their_token_is_sent(wire: Wire) -> None:
    session, provider = botocore.session.Session(), Renewed(wire.s3)
    session.register_component("credential_provider", CredentialResolver([provider]))
    bucket = used(wire.bucket(boto3.Session(botocore_session=session)))
    wire.requests.clear()
    with counting_boto3() as calls:
        for number in range(3):
            bucket.create(f"{number}", b"content")
            provider.now += timedelta(hours=2)
    assert not HOT & calls.keys()
    tokens = [request.headers["x-amz-security-token"] for request in wire.requests]
    assert tokens == ["token 1", "token 1", "token 2", "token 2", "token 3", "token 3"]


def test_no_secret_is_logged(moto_wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    bucket = used(moto_wire.bucket(aws_session_token="a-secret-token"))
    with caplog.at_level(logging.DEBUG, "pg_archiver"), moto_wire.breaking("PutObject", reset, times=1):
        bucket.create("new", b"content")
    assert "PutObject is left to boto3" in caplog.text
    signatures = {request.headers["Authorization"].rpartition("=")[2] for request in moto_wire.requests}
    for secret in ("a-secret-token", moto_wire.s3.secret_key, *signatures):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    "config",
    [
        Config(retries={"mode": "adaptive", "total_max_attempts": 1}),
        Config(signature_version="s3"),
    ],
    ids=["adaptive", "signed in the former way"],
)
def test_what_is_not_known_here_goes_by_boto3(moto_wire: Wire, config: Config) -> None:
    with counting_boto3() as calls:
        bucket = used(used(moto_wire.bucket(config=config)), "second")
        assert bucket.head("second small")
    assert moto_wire.seen()["PutObject"] == 2
    assert {operation: calls[operation] for operation in HOT} == moto_wire.seen()


def test_whoever_listens_to_boto3_hears_every_request(moto_wire: Wire) -> None:
    bucket, heard = used(moto_wire.bucket()), []
    bucket.client.meta.events.register("before-call.s3.PutObject", lambda model, **_: heard.append(model.name))
    with counting_boto3() as calls:
        used(bucket, "second")
    assert heard == ["PutObject"]
    assert {operation for operation in HOT if calls[operation]} == {"PutObject"}


def test_a_proxy_of_the_network_is_gone_through(wire: Wire) -> None:
    proxied = Config(proxies={"http": wire.proxy.endpoint_url})
    with counting_boto3() as calls:
        used(used(wire.bucket(config=proxied, endpoint_url=wire.s3.endpoint_url)), "second")
    assert {operation: calls[operation] for operation in HOT} == dict.fromkeys(HOT, 1)
    assert wire.seen()["PutObject"] == 2
    assert all(request.path.startswith(wire.s3.endpoint_url) for request in wire.requests)


def test_certificates_are_asked_for_and_shown_as_boto3_does(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client = authority.sign("server"), authority.sign("client")
    shown = ("--cert", str(server[0]), "--key", str(server[1]), "--client-ca", str(authority.file))
    with RcloneS3(tmp_path, arguments=shown) as s3, S3Proxy.started(s3.endpoint_url) as proxy:
        (tmp_path / "buckets" / "tls").mkdir()
        wire = Wire(s3, proxy, "tls")
        ours = Config(client_cert=(str(client[0]), str(client[1])))
        url = s3.endpoint_url.replace("http:", "https:")
        with counting_boto3() as calls:
            used(used(wire.bucket(config=ours, endpoint_url=url, verify=str(authority.file))), "second")
    assert {operation: calls[operation] for operation in HOT} == dict.fromkeys(HOT, 1)


def test_the_archives_own_configuration_suits(wire: Wire) -> None:
    with counting_boto3() as calls:
        used(used(wire.bucket(config=CLIENT)), "second")
    assert {operation: calls[operation] for operation in HOT} == dict.fromkeys(HOT, 1)
    assert all(request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD" for request in wire.requests)
