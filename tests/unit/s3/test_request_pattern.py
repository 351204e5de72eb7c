"""A request made from a pattern is boto3's own to the letter, signature included; what is not, is never made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from typing import Any, cast

import boto3
import botocore
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_archiver.s3.own_writes import Piece
from pg_archiver.s3.request_pattern import Pattern, UnlikeError

KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/token+of=a session", None)
ODD = (
    *("a b", " ", "+", "%2F%", "~", "a=b&c?d#e", "'()*!:@$,;", "ü/é/日本"),
    *("//", "/first", "last/", "a//b", ".", "a/../b"),
    *("client=a b/schema=x%2Fy/table=ü/dt=2024-01-01/hour=00/_1.g0001.csv.gz", "\t\n", '"<>\\^`{|}', "\U0001f5c4"),
)
SESSION = b"""<CreateSessionResult><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey>
<AccessKeyId>a</AccessKeyId><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>"""
# Where boto3 finds a bucket, by its own configuration.
PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "on AWS": ("a-bucket", {}),
    "on AWS, with dots": ("a.bucket.of.dots", {}),
    "in China": ("a-bucket", {"region_name": "cn-north-1"}),
    "by both protocols": ("a-bucket", {"config": Config(s3=cast(Any, {"use_dualstack_endpoint": True}))}),
    "accelerated": ("a-bucket", {"config": Config(s3=cast(Any, {"use_accelerate_endpoint": True}))}),
    "by FIPS": ("a-bucket", {"region_name": "us-east-1", "config": Config(use_fips_endpoint=True)}),
    "an access point": ("arn:aws:s3:eu-central-1:123456789012:accesspoint/a-point", {}),
    "without a signed payload": ("a-bucket", {"config": Config(s3={"payload_signing_enabled": False})}),
    "on a server": ("a-bucket", {"endpoint_url": "http://127.0.0.1:9000"}),
    "on a server by its IPv6 address": ("a-bucket", {"endpoint_url": "http://[::1]:9000"}),
    "on a server, in a folder": ("a-bucket", {"endpoint_url": "https://gateway.example:8443/s3/"}),
    "on a server, by its own name": (
        "a-bucket",
        {"endpoint_url": "https://s3.example:443", "config": Config(s3={"addressing_style": "virtual"})},
    ),
}
SETTINGS = {
    "StorageClass": "STANDARD_IA",
    "ServerSideEncryption": "aws:kms",
    "SSEKMSKeyId": "arn:aws:kms:eu-central-1:123456789012:key/1",
    "ACL": "bucket-owner-full-control",
    "Tagging": "team=data%20%C3%A4rchive&cost=a%2Fb",
    "ExpectedBucketOwner": "123456789012",
}
Ask = Callable[..., AWSPreparedRequest]


class _Nothing(BytesIO):
    def stream(self) -> Iterator[bytes]:
        return iter([self.read()])


@cache
def client_of(place: str, token: bool, before: Callable[..., None] | None = None) -> tuple[Any, list[Any]]:
    """A client that sends nothing, and what it would have sent."""
    _, arguments = PLACES[place]
    client = boto3.client(
        "s3",
        aws_access_key_id=KEYS.access_key,
        aws_secret_access_key=KEYS.secret_key,
        aws_session_token=KEYS.token if token else None,
        **{"region_name": "eu-central-1", **arguments},
    )
    sent: list[Any] = []

    def answer(request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        sent.append(request)
        session = SESSION if event_name.endswith("CreateSession") else b""
        headers: Any = {"ETag": '"x"', "Content-Length": "0"}
        return AWSResponse(request.url, 200, headers, _Nothing(session))

    client.meta.events.register("before-send.s3", cast(Any, answer))
    if before:
        client.meta.events.register("before-sign.s3", before)
    return client, sent


def sent_by_boto3(place: str, method: str, token: bool = True, **asked: Any) -> AWSPreparedRequest:
    client, sent = client_of(place, token)
    sent.clear()
    getattr(client, method)(**asked)
    request: AWSPreparedRequest = sent[-1]
    return request


def asked_of(method: str, place: str, key: str, body: bytes = b"content", **more: Any) -> dict[str, Any]:
    asked = {"Bucket": PLACES[place][0], "Key": key, **more}
    if method in {"put_object", "upload_part"}:
        asked |= {"Body": body, "ChecksumAlgorithm": "SHA256", "ChecksumSHA256": Piece.of(body).checksum}
    if method == "put_object":
        asked |= {"IfNoneMatch": "*", "Metadata": {"archiver-write": f"{len(key):032x}"}, **SETTINGS}
    if method == "upload_part":
        asked |= {"UploadId": f"an/id+of=~ {len(key)}", "PartNumber": len(body)}
    return asked


def assert_same(made: AWSPreparedRequest, sent: AWSPreparedRequest) -> None:
    def read(request: AWSPreparedRequest) -> list[tuple[str, bytes]]:
        return [(name, v if isinstance(v, bytes) else v.encode()) for name, v in request.headers.items()]

    assert (made.method, made.url, made.stream_output) == (sent.method, sent.url, sent.stream_output)
    assert read(made) == read(sent)


def made_like(pattern: Pattern, sent: AWSPreparedRequest, token: bool = True, **asked: Any) -> AWSPreparedRequest:
    keys = KEYS if token else ReadOnlyCredentials(KEYS.access_key, KEYS.secret_key, None, None)
    told = {name: value if isinstance(value, str) else value.decode() for name, value in sent.headers.items()}
    return pattern.make(asked, keys, told["X-Amz-Date"], told["amz-sdk-invocation-id"])


def learned(place: str, method: str, token: bool = True, **asked: Any) -> Pattern:
    keys = KEYS if token else ReadOnlyCredentials(KEYS.access_key, KEYS.secret_key, None, None)
    pattern = Pattern.learn(asked, sent_by_boto3(place, method, token, **asked), keys)
    assert pattern
    return pattern


METHODS = ("head_object", "get_object", "put_object", "upload_part")


@pytest.mark.parametrize("token", [True, False], ids=["with a token", "without one"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_made_is_what_boto3_would_have_sent(place: str, method: str, token: bool) -> None:
    pattern = learned(place, method, token, **asked_of(method, place, "a first key"))
    for key, body in (("another/key", b"other content"), ("one of no bytes", b""), ("one of many", b"x" * 100_000)):
        asked = asked_of(method, place, key, body)
        sent = sent_by_boto3(place, method, token, **asked)
        assert_same(made_like(pattern, sent, token, **asked), sent)


@pytest.mark.parametrize("key", ODD)
@pytest.mark.parametrize("place", ["on AWS", "on a server, in a folder"])
def test_a_key_is_written_and_signed_as_boto3_does_it(place: str, key: str) -> None:
    for method in METHODS:
        asked = asked_of(method, place, key)
        sent = sent_by_boto3(place, method, **asked)
        pattern = learned(place, method, **asked_of(method, place, "a first key"))
        assert_same(made_like(pattern, sent, **asked), sent)
        assert learned(place, method, **asked)


@settings(max_examples=150, deadline=None)
@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_so_is_every_key(key: str) -> None:
    pattern = learned("on AWS", "head_object", **asked_of("head_object", "on AWS", "a first key"))
    asked = asked_of("head_object", "on AWS", key)
    sent = sent_by_boto3("on AWS", "head_object", **asked)
    assert_same(made_like(pattern, sent, **asked), sent)


def test_each_setting_goes_with_it_as_boto3_writes_it() -> None:
    asked = asked_of("put_object", "on AWS", "a key")
    sent = sent_by_boto3("on AWS", "put_object", **asked)
    made = made_like(learned("on AWS", "put_object", **asked), sent, **asked)
    told: dict[str, Any] = {name.lower(): value for name, value in made.headers.items()}
    assert told["x-amz-tagging"] == SETTINGS["Tagging"].encode()
    assert told["x-amz-server-side-encryption-aws-kms-key-id"] == SETTINGS["SSEKMSKeyId"].encode()
    assert told["x-amz-checksum-sha256"] == asked["ChecksumSHA256"]
    assert told["if-none-match"] == b"*"
    assert told["x-amz-security-token"] == KEYS.token


def add_header(request: Any, **_: object) -> None:
    request.headers["x-audit"] = "by somebody"


def ask_for_nothing(place: str, bucket: str, config: Config | None, before: Callable[..., None] | None) -> Any:
    PLACES[place] = (bucket, {"config": config} if config else {})
    client, sent = client_of(place, True, before)
    client.put_object(**asked_of("put_object", place, "a key"))
    return sent[-1]


@pytest.mark.parametrize(
    ("place", "bucket", "config", "before"),
    [
        ("signed in the former way", "a-bucket", Config(signature_version="s3"), None),
        ("not signed", "a-bucket", Config(signature_version=botocore.UNSIGNED), None),
        ("with keys of a session of its own", "a-bucket--euc1-az1--x-s3", None, None),
        ("with a header of somebody's own", "a-bucket", None, add_header),
    ],
)
def test_of_a_request_that_holds_something_unknown_nothing_is_learned(
    place: str, bucket: str, config: Config | None, before: Callable[..., None] | None
) -> None:
    sent = ask_for_nothing(place, bucket, config, before)
    assert sent.method == "PUT"
    assert Pattern.learn(asked_of("put_object", place, "a key"), sent, KEYS) is None


def test_nothing_is_learned_of_another_request_or_with_other_keys() -> None:
    asked = asked_of("put_object", "on AWS", "a key")
    sent = sent_by_boto3("on AWS", "put_object", **asked)
    others = ReadOnlyCredentials(KEYS.access_key, "another secret", KEYS.token, None)
    assert Pattern.learn(asked, sent, others) is None
    assert Pattern.learn(asked | {"Key": "another key"}, sent, KEYS) is None
    assert Pattern.learn(asked | {"Body": b"another body"}, sent, KEYS) is None
    assert Pattern.learn(asked | {"Metadata": {}}, sent, KEYS) is None
    assert Pattern.learn(asked | {"UploadId": "an id", "PartNumber": 1}, sent, KEYS) is None
    assert Pattern.learn(asked, sent, KEYS)


def test_nothing_is_learned_of_a_second_try() -> None:
    """Its header tells how often the request was sent, and until when an answer is of use."""
    asked = asked_of("head_object", "on AWS", "a key")
    client, sent = client_of("on AWS", True)

    def ask_again(attempts: int, **_: object) -> float | None:
        return 0.0 if attempts == 1 else None

    sent.clear()
    client.meta.events.register("needs-retry.s3", ask_again)
    client.head_object(**asked)
    client.meta.events.unregister("needs-retry.s3", ask_again)
    first, second = sent
    assert Pattern.learn(asked, first, KEYS)
    assert Pattern.learn(asked, second, KEYS) is None


@pytest.mark.parametrize(
    "change",
    [
        {"Key": ""},
        {"Body": None},
        {"Metadata": {}},
        {"Metadata": {"archiver-write": "1", "more": "2"}},
    ],
    ids=["no key", "no body", "no token", "more metadata"],
)
def test_what_the_pattern_does_not_say_is_not_made(change: dict[str, Any]) -> None:
    asked = asked_of("put_object", "on AWS", "a key")
    sent = sent_by_boto3("on AWS", "put_object", **asked)
    pattern = learned("on AWS", "put_object", **asked)
    with pytest.raises((UnlikeError, KeyError)):
        made_like(pattern, sent, **asked | change)


def test_keys_with_a_token_do_not_go_with_a_pattern_without_one() -> None:
    asked = asked_of("head_object", "on AWS", "a key")
    sent = sent_by_boto3("on AWS", "head_object", token=False, **asked)
    pattern = learned("on AWS", "head_object", token=False, **asked)
    with pytest.raises(UnlikeError):
        made_like(pattern, sent, token=True, **asked)
    with_token = learned("on AWS", "head_object", token=True, **asked)
    with pytest.raises((UnlikeError, KeyError)):
        made_like(with_token, sent, token=False, **asked)
