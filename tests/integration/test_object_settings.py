"""What the policy says of objects reaches S3, with each of them: seen on the wire and at the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from include import wiring
from include.archiver.errors import StorageRefused
from include.archiver.part_sizes import SMALLEST, PartSizes
from include.archiver.steps.verify import verify
from tests.faults.s3_proxy import Answer, Fault, Forward, Request, S3Proxy
from tests.integration.place import Place, hours_ago
from tests.integration.restoring import restored

KEY_ID, OWNER, PREFIX = "1234abcd-12ab-34cd-56ef-1234567890ab", "123456789012", "some/where"
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


def wired(place: Place, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Place:
    """The place with the store that a task has, from an Airflow connection and a policy."""
    connection = {
        "conn_type": "aws",
        "login": place.s3.access_key,
        "password": place.s3.secret_key,
        "extra": {"region_name": place.s3.region, "endpoint_url": proxy.endpoint_url},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    store = replace(wiring.object_store(place.policy.model_copy(update=settings)), parts=PartSizes(first=SMALLEST))
    monkeypatch.setattr(Place, "store", property(lambda _: store))
    return place.ordered(prefix=PREFIX)


def recording(requests: list[Request]) -> Fault:
    def deed(request: Request, forward: Forward) -> Answer:
        requests.append(request)
        return forward(request.body)

    return Fault(EVERY, deed)


def test_key_class_owner_and_checksum_go_with_every_object(
    moto_place: Place, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = wired(moto_place, proxy, monkeypatch, kms_key_id=KEY_ID, storage_class="STANDARD_IA", bucket_owner=OWNER)
    place.sql("CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, noise text)")
    place.sql(
        "INSERT INTO public.things SELECT n, %s, (SELECT string_agg(md5(random()::text || n || m), '')"
        " FROM generate_series(1, 4000) AS m) FROM generate_series(1, 100) AS n",
        hours_ago(60),
    )
    place = place.on("public.things", "at")
    requests: list[Request] = []
    with proxy.doing(recording(requests)):
        window = place.stored_window()
        place.sql("UPDATE public.things SET noise = 'changed' WHERE id = 1")
        assert place.delete(window).rows == 99
        assert restored(place).restored == 99
        with place.session() as database:
            assert verify(database, place.store, place.order).problems == []
    ends = [r"csv\.gz", r"keys\.csv\.gz", r"manifest\.json", r"kept\.000000000100\.[0-9a-f]{16}\.json"]
    keys = place.keys()
    assert [len([key for key in keys if re.search(rf"\.{end}$", key)]) for end in ends] == [2, 1, 1, 1]
    assert {request.operation for request in requests} == EVERY - {"DeleteObject"}
    for request in requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["x-amz-expected-bucket-owner"] == OWNER, request.operation
        if request.operation in {"PutObject", "CreateMultipartUpload"}:
            assert headers["x-amz-server-side-encryption"] == "aws:kms"
            assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == KEY_ID
            assert headers["x-amz-storage-class"] == "STANDARD_IA"
        if request.operation in {"PutObject", "UploadPart"}:
            assert headers["x-amz-checksum-sha256"]
    for key in keys:
        head = place.client.head_object(Bucket=place.bucket, Key=key, ChecksumMode="ENABLED")
        assert (head["StorageClass"], head["ServerSideEncryption"]) == ("STANDARD_IA", "aws:kms"), key
        assert head["SSEKMSKeyId"].endswith(KEY_ID)


def test_without_settings_none_is_sent(moto_place: Place, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    place = wired(moto_place, proxy, monkeypatch)
    requests: list[Request] = []
    with proxy.doing(recording(requests)):
        place.store.put_new("key", b"content")
        place.store.check("", writing=True)
    sent = {name.lower() for request in requests for name in request.headers}
    assert not sent & {"x-amz-expected-bucket-owner", "x-amz-storage-class", "x-amz-server-side-encryption"}


def test_a_bucket_of_another_account_is_refused_by_the_setting(
    moto_place: Place, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = wired(moto_place, proxy, monkeypatch, bucket_owner=OWNER)

    def foreign(request: Request, forward: Forward) -> Answer:
        wanted = request.headers["x-amz-expected-bucket-owner"]
        return forward(request.body) if wanted != OWNER else Answer(403, [("Content-Length", "0")], b"")

    with proxy.doing(Fault(EVERY, foreign)), pytest.raises(StorageRefused, match=f"'bucket_owner' .* account {OWNER}"):
        place.store.check("", writing=True)
