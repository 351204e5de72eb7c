"""What the policy says of objects reaches S3, with each of them: seen on the wire and at the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from pg_archiver.airflow import connections
from pg_archiver.airflow.free_space import find_free_space
from pg_archiver.errors import SettingError, StorageRefused
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.policies.maintenance_settings import Disk
from pg_archiver.s3.part_sizes import SMALLEST, PartSizes
from pg_archiver.verify.verify_archive import verify
from tests.faults.s3_proxy import Answer, Fault, Forward, Request, S3Proxy
from tests.support.place import Place, hours_ago
from tests.support.restores import restored
from tests.support.task_context import work_on

KEY_ID, OWNER, PREFIX = "1234abcd-12ab-34cd-56ef-1234567890ab", "123456789012", "some/where"
SSE = "x-amz-server-side-encryption"
TAGS = {"team": "data ärchive", "cost": "a/b=1+2@x"}
EVERY = frozenset(
    {
        *("PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload", "AbortMultipartUpload"),
        *("HeadObject", "HeadBucket", "GetObject", "ListObjects", "DeleteObject"),
    }
)


@pytest.fixture
def proxy(moto_place: Place) -> Iterator[S3Proxy]:
    with S3Proxy.started(moto_place.s3.endpoint_url) as proxy:
        yield proxy


def wired(place: Place, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Place:
    """The place with the store that a task has, from an Airflow connection and a policy."""
    connection = {
        "conn_type": "aws",
        "login": place.s3.access_key,
        "password": place.s3.secret_key,
        "extra": {"region_name": place.s3.region, "endpoint_url": proxy.endpoint_url},
    }
    monkeypatch.setenv(f"AIRFLOW_CONN_{settings.get('aws_conn_id', 'aws_default')}".upper(), json.dumps(connection))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    bucket = replace(connections.open_bucket(place.policy.model_copy(update=settings)), parts=PartSizes(first=SMALLEST))
    monkeypatch.setattr(Place, "store", property(lambda _: bucket))
    return place.ordered(prefix=PREFIX)


def recording(requests: list[Request]) -> Fault:
    def deed(request: Request, forward: Forward) -> Answer:
        requests.append(request)
        return forward(request.body)

    return Fault(EVERY, deed)


ENCRYPTIONS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "a key of KMS": (
        {"kms_key_id": KEY_ID},
        {f"{SSE}": "aws:kms", f"{SSE}-aws-kms-key-id": KEY_ID},
    ),
    "SSE-S3": ({"encryption": "AES256"}, {SSE: "AES256"}),
}


@pytest.mark.parametrize("encryption", ENCRYPTIONS)
def test_key_class_owner_and_checksum_go_with_every_object(
    moto_place: Place, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch, encryption: str
) -> None:
    settings, headers_of_it = ENCRYPTIONS[encryption]
    place = wired(
        moto_place,
        proxy,
        monkeypatch,
        **settings,
        storage_class="STANDARD_IA",
        bucket_owner=OWNER,
        acl="bucket-owner-full-control",
        tags=TAGS,
        aws_conn_id="aws_archive",
    )
    place.sql("CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, noise text)")
    place.sql(
        "INSERT INTO public.things SELECT n, %s, (SELECT string_agg(md5(random()::text || n || m), '')"
        " FROM generate_series(1, 4000) AS m) FROM generate_series(1, 100) AS n",
        hours_ago(60),
    )
    place = place.on("public.things", "at")
    requests: list[Request] = []
    with proxy.doing(recording(requests)):
        window = place.window()
        with place.session() as session:
            Ownership(session, place.store, place.order).claim()
        place.export(window)
        place.check(window)
        place.sql("UPDATE public.things SET noise = 'changed' WHERE id = 1")
        assert place.delete(window).rows == 99
        assert restored(place).restored == 99
        with place.session() as session:
            assert verify(session, place.store, place.order).problems == []
    ends = [r"\.csv\.gz", r"keys\.csv\.gz", r"manifest\.json", r"kept\.000000000100\.[0-9a-f]{16}\.json", r"_owner/\d+"]
    keys = place.keys()
    assert [len([key for key in keys if re.search(rf"{end}$", key)]) for end in ends] == [2, 1, 1, 1, 1]
    assert {request.operation for request in requests} == EVERY - {"DeleteObject"}
    for request in requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["x-amz-expected-bucket-owner"] == OWNER, request.operation
        if request.operation in {"PutObject", "CreateMultipartUpload"}:
            assert {name: value for name, value in headers.items() if name.startswith(SSE)} == headers_of_it
            assert headers["x-amz-storage-class"] == "STANDARD_IA"
            assert headers["x-amz-acl"] == "bucket-owner-full-control"
            assert dict(parse_qsl(headers["x-amz-tagging"], strict_parsing=True)) == TAGS
        if request.operation in {"PutObject", "UploadPart"}:
            assert headers["x-amz-checksum-sha256"]
    for key in keys:
        head = place.client.head_object(Bucket=place.bucket, Key=key, ChecksumMode="ENABLED")
        assert (head["StorageClass"], head["ServerSideEncryption"]) == ("STANDARD_IA", headers_of_it[SSE]), key
        assert head.get("SSEKMSKeyId", "").endswith(settings.get("kms_key_id", ""))
        tags = place.client.get_object_tagging(Bucket=place.bucket, Key=key)["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == TAGS, key


def test_without_settings_none_is_sent(moto_place: Place, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    place = wired(moto_place, proxy, monkeypatch)
    requests: list[Request] = []
    with proxy.doing(recording(requests)):
        place.store.create("key", b"content")
        place.store.check("", writing=True)
    sent = {name.lower() for request in requests for name in request.headers}
    settings = {"x-amz-expected-bucket-owner", "x-amz-storage-class", SSE, "x-amz-acl", "x-amz-tagging"}
    assert not sent & settings


def test_a_bucket_of_another_account_is_refused_by_the_setting(
    moto_place: Place, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = wired(moto_place, proxy, monkeypatch, bucket_owner=OWNER)

    def foreign(request: Request, forward: Forward) -> Answer:
        wanted = request.headers["x-amz-expected-bucket-owner"]
        return forward(request.body) if wanted != OWNER else Answer(403, [("Content-Length", "0")], b"")

    with proxy.doing(Fault(EVERY, foreign)), pytest.raises(StorageRefused, match=f"'bucket_owner' .* account {OWNER}"):
        place.store.check("", writing=True)


def test_an_aws_connection_that_is_not_there_is_refused_and_no_other_credentials_are_taken(
    moto_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_place.s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_place.s3.secret_key)
    policy = moto_place.policy.model_copy(update={"aws_conn_id": "aws_nowhere"})
    with pytest.raises(
        SettingError, match=r"no Airflow connection 'aws_nowhere'.*Nothing was read or written. Fix: .*aws_conn_id"
    ):
        connections.open_bucket(policy)
    rds = replace(work_on(moto_place).client, aws_conn_id="aws_nowhere", disk=Disk(rds_instance_id="main-1"))
    with pytest.raises(SettingError, match="no Airflow connection 'aws_nowhere'"):
        find_free_space(rds).ask()


@pytest.mark.parametrize("conn_id", ["aws_default", "aws_archive"])
def test_an_error_names_the_connection_that_was_used(
    place: Place, monkeypatch: pytest.MonkeyPatch, conn_id: str
) -> None:
    extra = {"region_name": place.s3.region, "endpoint_url": place.s3.endpoint_url}
    connection = {"conn_type": "aws", "login": "WRONG", "password": "wrong", "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}".upper(), json.dumps(connection))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    bucket = connections.open_bucket(place.policy.model_copy(update={"aws_conn_id": conn_id}))
    with pytest.raises(StorageRefused, match=f"access key of the Airflow connection {conn_id}"):
        bucket.check("", writing=True)
    with pytest.raises(StorageRefused, match=f"access key of the Airflow connection {conn_id}"):
        bucket.elsewhere("another-bucket").check("", writing=False)
