"""What a store does not take, or a rule of the bucket demands, is told in plan: with its name, and nothing exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pg_archiver.errors import ArchiverError, StorageRefused
from pg_archiver.preview.readiness import check_bucket
from pg_archiver.s3.bucket import Bucket
from tests.faults.s3_proxy import Answer, Deed, Fault, Forward, Request, S3Proxy
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.previews import through
from tests.support.task_context import connect_airflow, context_of, set_variables, work_on

pytestmark = pytest.mark.more

WRITES = frozenset({"PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload"})
SSE = "x-amz-server-side-encryption"


def failing(request: Request, status: int, code: str, message: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Answer(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))], body)


def refusing(header: str, status: int, code: str, message: str, operations: frozenset[str] = WRITES) -> Fault:
    """A store that does not know a header, and says so in its own way."""

    def deed(request: Request, forward: Forward) -> Answer:
        found = request.headers.get(header) is not None
        return failing(request, status, code, message) if found else forward(request.body)

    return Fault(operations, deed)


def demanding(header: str, value: str, message: str = "Access Denied") -> Fault:
    """A bucket whose policy denies every new object without this header."""

    def deed(request: Request, forward: Forward) -> Answer:
        if request.headers.get(header) != value:
            return failing(request, 403, "AccessDenied", message)
        return forward(request.body)

    return Fault(frozenset({"PutObject", "CreateMultipartUpload"}), deed)


# As Backblaze B2 and Cloudflare R2 word it, and one that says nothing more than that.
IMPLIES = "A header you provided implies functionality that is not implemented."
UNKNOWN_HEADERS: dict[str, tuple[Fault, str]] = {
    "condition, unnamed": (refusing("If-None-Match", 501, "NotImplemented", IMPLIES), "probably by If-None-Match"),
    "condition, named": (
        refusing("If-None-Match", 501, "NotImplemented", "Header 'If-None-Match' not implemented"),
        "the store does not know the header If-None-Match, which the archive needs",
    ),
    "condition of single objects alone": (
        refusing("If-None-Match", 501, "NotImplemented", "If-None-Match", frozenset({"PutObject"})),
        "PutObject was answered with NotImplemented: the store does not know the header If-None-Match",
    ),
    "checksum, named": (
        refusing(
            "x-amz-checksum-sha256",
            400,
            "InvalidArgument",
            "Unsupported header 'x-amz-checksum-sha256' received for this API call.",
        ),
        "the store does not know the header x-amz-checksum-sha256",
    ),
    "algorithm, named": (
        refusing(
            "x-amz-sdk-checksum-algorithm",
            400,
            "InvalidArgument",
            "Unsupported header 'x-amz-sdk-checksum-algorithm' received for this API call.",
        ),
        "the store does not know the header x-amz-sdk-checksum-algorithm",
    ),
}


@pytest.fixture
def proxy(moto_place: Place) -> Iterator[S3Proxy]:
    with S3Proxy.started(moto_place.s3.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def planned(moto_place: Place, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Plans as the task does, through the proxy, under a policy."""
    moto_place.sql(EVENTS)
    moto_place.events(hours_ago(60), hours_ago(61))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    set_variables(monkeypatch)

    def plan(fault: Fault, **settings: object) -> object:
        connect_airflow(moto_place, monkeypatch, endpoint_url=proxy.endpoint_url)
        work = work_on(moto_place.with_policy(**settings), enabled=True)
        with proxy.doing(fault):
            return work.plan(context_of())

    return plan


@pytest.mark.parametrize("store", UNKNOWN_HEADERS)
def test_a_store_that_does_not_take_a_header_is_refused_in_plan_by_its_name(
    moto_place: Place, planned: Callable[..., object], store: str
) -> None:
    fault, words = UNKNOWN_HEADERS[store]
    with pytest.raises(StorageRefused) as caught:
        planned(fault)
    assert words in str(caught.value)
    assert "use a store that does" in str(caught.value)
    assert moto_place.keys() == []
    assert moto_place.client.list_multipart_uploads(Bucket=moto_place.bucket).get("Uploads", []) == []


DEMANDS: dict[str, tuple[str, str, dict[str, object], str]] = {
    "SSE-S3": (SSE, "AES256", {"encryption": "AES256"}, "'encryption: AES256' or 'kms_key_id'"),
    "a key of KMS": (SSE, "aws:kms", {"kms_key_id": "a-key"}, "'encryption: AES256' or 'kms_key_id'"),
    "an ACL": (
        "x-amz-acl",
        "bucket-owner-full-control",
        {"acl": "bucket-owner-full-control"},
        "'acl: bucket-owner-full-control'",
    ),
    "tags": ("x-amz-tagging", "team=data%20one", {"tags": {"team": "data one"}}, "'tags'"),
}


@pytest.mark.parametrize("demand", DEMANDS)
def test_a_rule_that_demands_a_header_is_refused_in_plan_with_the_setting_that_mends_it(
    moto_place: Place, planned: Callable[..., object], demand: str
) -> None:
    header, value, settings, told = DEMANDS[demand]
    with pytest.raises(StorageRefused) as caught:
        planned(demanding(header, value))
    assert "CreateMultipartUpload was answered with AccessDenied" in str(caught.value)
    assert told in str(caught.value).rpartition("demands of each object what the policy file does not set")[2]
    assert moto_place.keys() == []
    assert not moto_place.has_ledger()
    assert planned(demanding(header, value), **settings)
    marker, trial = moto_place.keys()
    assert "/_owner/" in marker
    assert trial.endswith("/_second_write")


def test_a_rule_that_names_its_header_is_told_by_it(planned: Callable[..., object]) -> None:
    words = "objects without x-amz-server-side-encryption are refused"
    with pytest.raises(StorageRefused, match=f"Each object must carry the header {SSE}. Fix: set 'encryption: AES256'"):
        planned(demanding(SSE, "AES256", words))


def test_a_setting_that_the_store_does_not_take_is_to_be_taken_out(planned: Callable[..., object]) -> None:
    fault = refusing("x-amz-tagging", 501, "NotImplemented", "Header 'x-amz-tagging' not implemented")
    with pytest.raises(StorageRefused, match=r"does not take the header x-amz-tagging\. Fix: correct 'tags' in"):
        planned(fault, tags={"team": "data"})


def test_a_bucket_without_acls_says_so(planned: Callable[..., object]) -> None:
    fault = refusing("x-amz-acl", 400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
    with pytest.raises(StorageRefused, match=r"The bucket takes no ACLs\. Fix: take 'acl' out of the policy file"):
        planned(fault, acl="private")


def test_rights_that_settings_need_are_named(planned: Callable[..., object]) -> None:
    def deny(request: Request, forward: Forward) -> Answer:
        return failing(request, 403, "AccessDenied", "Access Denied")

    with pytest.raises(StorageRefused) as caught:
        planned(Fault(WRITES, deny), acl="bucket-owner-full-control", tags={"team": "data"}, encryption="AES256")
    assert "'acl' needs s3:PutObjectAcl, 'tags' needs s3:PutObjectTagging" in str(caught.value)
    assert "demands of each object" not in str(caught.value)


def answering(status: int, code: str) -> Deed:
    return lambda request, _forward: failing(request, status, code, "no")


@pytest.mark.parametrize("code", ["InvalidPart", "InvalidRequest", "MalformedXML", "InternalError"])
def test_servers_need_not_agree_on_what_they_say_to_a_part_that_was_never_sent(
    moto_place: Place, proxy: S3Proxy, code: str
) -> None:
    status = 500 if code == "InternalError" else 400
    with proxy.doing(Fault(frozenset({"CompleteMultipartUpload"}), answering(status, code))):
        Bucket(through(moto_place, proxy), moto_place.bucket).check("", writing=True, thorough=True)


@pytest.mark.parametrize("store", [name for name in UNKNOWN_HEADERS if "alone" not in name])
def test_a_preview_tells_it_too_and_writes_nothing(moto_place: Place, proxy: S3Proxy, store: str) -> None:
    moto_place.sql(EVENTS)
    fault, words = UNKNOWN_HEADERS[store]
    with proxy.doing(fault):
        bucket = Bucket(through(moto_place, proxy), moto_place.bucket)
        found = {check.subject: check for check in check_bucket(bucket, moto_place.order)}
    assert found["bucket, reading"].ok
    assert not found["bucket, writing"].ok
    assert words in found["bucket, writing"].told
    assert moto_place.keys() == []
    assert moto_place.client.list_multipart_uploads(Bucket=moto_place.bucket).get("Uploads", []) == []


def test_a_trial_that_breaks_off_leaves_nothing_behind(moto_place: Place, proxy: S3Proxy) -> None:
    with (
        proxy.doing(Fault(frozenset({"UploadPart"}), answering(403, "AccessDenied"))),
        pytest.raises(ArchiverError),
    ):
        Bucket(through(moto_place, proxy), moto_place.bucket).check("a/b", writing=True, thorough=True)
    assert moto_place.client.list_multipart_uploads(Bucket=moto_place.bucket).get("Uploads", []) == []
