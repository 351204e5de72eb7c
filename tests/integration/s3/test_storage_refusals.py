"""What S3 refuses for good ends a task at once, what may pass is tried again: by real answers, on the wire."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dev.s3 import RcloneS3
from pg_archiver.errors import StorageInterrupted, StorageRefused
from pg_archiver.s3.bucket import Bucket
from tests.faults.s3_proxy import Answer, Deed, Fault, Forward, Request, S3Proxy
from tests.support.place import EVENTS, Place, hours_ago

pytestmark = pytest.mark.more

WRITES = frozenset({"PutObject"})


@pytest.fixture
def proxy(place: Place) -> Iterator[S3Proxy]:
    with S3Proxy.started(place.s3.endpoint_url) as proxy:
        yield proxy


def through(place: Place, endpoint_url: str, verify: str | None = None) -> Bucket:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=place.s3.access_key,
        aws_secret_access_key=place.s3.secret_key,
        region_name=place.s3.region,
        verify=verify,
        config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1}),
    )
    return Bucket(client, place.bucket)


def answering(status: int, code: str, more: str = "") -> Deed:
    def deed(_request: Request, _forward: Forward) -> Answer:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message>{more}</Error>".encode()
        return Answer(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))], body)

    return deed


@pytest.mark.parametrize(
    ("deed", "kind", "says"),
    [
        (
            answering(501, "NotImplemented", "<Header>If-None-Match</Header>"),
            StorageRefused,
            "the header If-None-Match",
        ),
        (answering(501, "NotImplemented"), StorageRefused, "probably by If-None-Match or x-amz-checksum-sha256"),
        (
            answering(400, "InvalidArgument", "<ArgumentName>x-amz-meta-archiver-write</ArgumentName>"),
            StorageRefused,
            "the header x-amz-meta-archiver-write",
        ),
        (answering(400, "KMS.DisabledException"), StorageRefused, "enable the KMS key again"),
        (answering(400, "ThrottlingException"), StorageInterrupted, "ThrottlingException"),
        (answering(429, "TooManyRequests"), StorageInterrupted, "TooManyRequests"),
        (answering(403, "RequestTimeTooSkewed"), StorageInterrupted, "set this machine's clock"),
        (answering(400, "BadDigest"), StorageInterrupted, "BadDigest"),
        (answering(400, "TokenRefreshRequired"), StorageInterrupted, "TokenRefreshRequired"),
        (answering(409, "OperationAborted"), StorageInterrupted, "OperationAborted"),
    ],
)
def test_an_export_ends_by_what_s3_means(
    place: Place, proxy: S3Proxy, deed: Deed, kind: type[Exception], says: str
) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(60))
    window = place.window()
    with proxy.doing(Fault(WRITES, deed)), pytest.raises(kind, match=says):
        place.export(window, through(place, proxy.endpoint_url))
    assert place.keys() == []
    assert len(place.archive()) == 1
    assert place.live().total() == 0


def test_a_clock_that_is_wrong_is_found_out_by_a_head_without_a_code(place: Place, proxy: S3Proxy) -> None:
    def skewed(_request: Request, _forward: Forward) -> Answer:
        return Answer(403, [("Date", "Mon, 04 May 2020 03:02:01 GMT"), ("Content-Length", "0")], b"")

    store = through(place, proxy.endpoint_url)
    with proxy.doing(Fault(frozenset({"HeadObject"}), skewed)), pytest.raises(StorageInterrupted, match="clock"):
        store.head("a key")


def test_a_listing_that_is_no_xml_is_worth_another_try(place: Place, proxy: S3Proxy) -> None:
    """As a login page answers that stands between here and S3."""

    def page(_request: Request, _forward: Forward) -> Answer:
        return Answer(200, [("Content-Type", "text/html"), ("Content-Length", "9")], b"<p>Log in")

    store = through(place, proxy.endpoint_url)
    with proxy.doing(Fault(frozenset({"ListObjects"}), page)), pytest.raises(StorageInterrupted):
        list(store.list_keys(""))


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine's address that nobody has signed but itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    own = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *own))
    return files


def test_a_certificate_that_is_not_trusted_is_a_refusal_and_a_trusted_one_is_none(place: Place, tmp_path: Path) -> None:
    shown, key = certificate(tmp_path)
    with RcloneS3(tmp_path, arguments=("--cert", str(shown), "--key", str(key))) as tls:
        (tmp_path / "buckets" / place.bucket).mkdir()
        url = tls.endpoint_url.replace("http:", "https:")
        with pytest.raises(StorageRefused, match=r"is not trusted \(self.signed certificate.*'verify' in the extra"):
            through(replace(place, s3=tls), url).check("", writing=True)
        trusting = through(replace(place, s3=tls), url, str(shown))
        trusting.create("a key", b"content")
        with trusting.open("a key") as answer:
            assert answer.body.read() == b"content"
