"""What S3 answers: a list of refusals, for a person to mend; everything else may pass and is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    FlexibleChecksumError,
    NoCredentialsError,
    ParamValidationError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from pg_archiver.errors import CheckFailed, KeyTaken, StorageInterrupted, StorageRefused
from pg_archiver.s3.error_translation import Asked, NotThereError, translate

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
OURS = Asked("a-bucket", key="a key")
EVERY_SETTING = Asked(
    "a-bucket",
    owner="123456789012",
    settings={
        "SSEKMSKeyId": "1",
        "ServerSideEncryption": "aws:kms",
        "StorageClass": "STANDARD_IA",
        "ACL": "bucket-owner-full-control",
        "Tagging": "a=b",
    },
)


def answer(status: int, code: str, operation: str = "PutObject", **said: str) -> ClientError:
    date = said.pop("date", format_datetime(NOW, usegmt=True))
    metadata: Any = {"HTTPStatusCode": status, "HTTPHeaders": {"date": date}}
    error: Any = {"Code": code, "Message": "", **said}
    return ClientError({"Error": error, "ResponseMetadata": metadata}, operation)


REFUSED = [
    (403, "AccessDenied", r"grant s3:GetObject, s3:PutObject"),
    (403, "403", r"check the access key"),
    (403, "InvalidAccessKeyId", r"correct the access key"),
    (403, "SignatureDoesNotMatch", r"correct the secret key"),
    (403, "AllAccessDisabled", r"refuse this each time"),
    (403, "AccountProblem", r"refuse this each time"),
    (403, "InvalidObjectState", r"cold storage"),
    (401, "Unauthorized", r"refuse this each time"),
    (400, "ExpiredToken", r"renew the credentials"),
    (400, "InvalidToken", r"renew the credentials"),
    (400, "400", r"gives no reason"),
    (404, "NoSuchBucket", r"bucket a-bucket does not exist"),
    (404, "NoSuchAccessPoint", r"refuse this each time"),
    (400, "InvalidBucketName", r"refuse this each time"),
    (400, "KMS.DisabledException", r"enable the KMS key again"),
    (400, "KMS.KMSInvalidStateException", r"cancel its deletion"),
    (400, "KMS.NotFoundException", r"'kms_key_id'"),
    (301, "PermanentRedirect", r"set region_name"),
    (301, "301", r"set region_name"),
    (400, "AuthorizationHeaderMalformed", r"set region_name"),
    (400, "InvalidArgument", r"refuse this each time"),
    (400, "InvalidRequest", r"refuse this each time"),
    (400, "MalformedXML", r"refuse this each time"),
    (400, "InvalidStorageClass", r"refuse this each time"),
    (400, "KeyTooLongError", r"refuse this each time"),
    (400, "EntityTooLarge", r"refuse this each time"),
    (400, "EntityTooSmall", r"refuse this each time"),
    (400, "MissingUploadObjectWithObjectLockHeaders", r"refuse this each time"),
    (405, "MethodNotAllowed", r"refuse this each time"),
    (411, "MissingContentLength", r"refuse this each time"),
    (413, "413", r"refuse this each time"),
    (501, "NotImplemented", r"probably by If-None-Match or x-amz-checksum-sha256 or"),
    (501, "501", r"probably by If-None-Match"),
]

PASSING = [
    (429, "429"),
    (429, "TooManyRequests"),
    (503, "SlowDown"),
    (503, "503"),
    (503, "ServiceUnavailable"),
    (500, "InternalError"),
    (500, "500"),
    (502, "502"),
    (504, "504"),
    (507, "InsufficientStorage"),
    (400, "RequestTimeout"),
    (400, "Throttling"),
    (400, "ThrottlingException"),
    (400, "KMS.ThrottlingException"),
    (403, "RequestThrottled"),
    (503, "RequestLimitExceeded"),
    (500, "KMS.KeyUnavailableException"),
    (404, "NoSuchUpload"),
    (400, "BadDigest"),
    (400, "XAmzContentSHA256Mismatch"),
    (400, "IncompleteBody"),
    (400, "InvalidPart"),
    (409, "OperationAborted"),
    (409, "ConditionalRequestConflict"),
    (400, "TokenRefreshRequired"),
    (307, "TemporaryRedirect"),
    (307, "307"),
    (403, "RequestTimeTooSkewed"),
    (403, "RequestExpired"),
    (404, "404"),
    (400, "ANewCodeOfTomorrow"),
    (0, "unknown"),
]


@pytest.mark.parametrize(("status", "code", "says"), REFUSED)
def test_what_a_person_has_to_mend_is_a_refusal_that_says_how(status: int, code: str, says: str) -> None:
    error = translate(answer(status, code), OURS, NOW)
    assert type(error) is StorageRefused
    assert str(error).startswith(f"bucket a-bucket{' does' if code == 'NoSuchBucket' else ':'}")
    with pytest.raises(StorageRefused, match=says):
        raise error


@pytest.mark.parametrize(("status", "code"), PASSING)
def test_everything_else_may_pass(status: int, code: str) -> None:
    error = translate(answer(status, code), OURS, NOW)
    assert type(error) is StorageInterrupted
    assert f"PutObject was answered with {code}" in str(error)


def test_only_a_precondition_that_failed_tells_of_a_key_that_is_taken() -> None:
    for code in ("PreconditionFailed", "412"):
        assert type(translate(answer(412, code), OURS, NOW)) is KeyTaken
        assert type(translate(answer(412, code, "GetObject"), Asked("a-bucket"), NOW)) is StorageInterrupted


def test_a_missing_object_is_one_only_where_one_was_asked_for() -> None:
    for code in ("404", "NoSuchKey", "NotFound"):
        for operation in ("HeadObject", "GetObject"):
            assert type(translate(answer(404, code, operation), OURS, NOW)) is NotThereError
        for operation in ("PutObject", "UploadPart", "ListObjectsV2"):
            assert type(translate(answer(404, code, operation), OURS, NOW)) is StorageInterrupted
        assert type(translate(answer(404, code, "HeadBucket"), OURS, NOW)) is StorageRefused


@pytest.mark.parametrize(
    ("minutes", "kind"), [(-16, StorageInterrupted), (0, StorageRefused), (16, StorageInterrupted)]
)
def test_a_clock_that_is_wrong_is_told_from_the_date_where_s3_says_nothing(minutes: int, kind: type) -> None:
    """An answer to a HEAD has no body, and so no code."""
    date = format_datetime(NOW + timedelta(minutes=minutes), usegmt=True)
    error = translate(answer(403, "403", "HeadObject", date=date), OURS, NOW)
    assert type(error) is kind
    assert ("set this machine's clock" in str(error)) == (kind is StorageInterrupted)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 04 May 2026 03:02:01"])
def test_a_date_that_cannot_be_read_is_no_wrong_clock(date: str) -> None:
    assert type(translate(answer(403, "403", "HeadObject", date=date), OURS, NOW)) is StorageRefused


@pytest.mark.parametrize(
    ("error", "header", "fix"),
    [
        (answer(501, "NotImplemented", Header="If-None-Match"), "If-None-Match", "use a store"),
        (answer(501, "NotImplemented", "CompleteMultipartUpload"), "If-None-Match", "use a store"),
        (answer(501, "NotImplemented", "UploadPart"), "x-amz-checksum-sha256", "use a store"),
        (
            answer(
                400, "InvalidArgument", Message="Unsupported header 'x-amz-checksum-sha256' received for this API call."
            ),
            "x-amz-checksum-sha256",
            "use a store",
        ),
        (
            answer(400, "InvalidArgument", Message="Unsupported header 'X-Amz-Sdk-Checksum-Algorithm' received"),
            "x-amz-sdk-checksum-algorithm",
            "use a store",
        ),
        (answer(501, "NotImplemented", Header="x-amz-tagging"), "x-amz-tagging", "'tags'"),
        (answer(501, "NotImplemented", Header="x-amz-acl"), "x-amz-acl", "'acl'"),
        (answer(501, "NotImplemented", Message="x-amz-storage-class"), "x-amz-storage-class", "'storage_class'"),
        (
            answer(400, "InvalidArgument", ArgumentName="x-amz-server-side-encryption"),
            "x-amz-server-side-encryption",
            "'kms_key_id' or 'encryption'",
        ),
        (
            answer(501, "NotImplemented", Message="x-amz-server-side-encryption-aws-kms-key-id is unknown"),
            "x-amz-server-side-encryption-aws-kms-key-id",
            "'kms_key_id'",
        ),
        (
            answer(501, "NotImplemented", "HeadBucket", Header="x-amz-expected-bucket-owner"),
            "x-amz-expected-bucket-owner",
            "'bucket_owner'",
        ),
    ],
)
def test_a_header_that_the_store_does_not_take_is_named(error: ClientError, header: str, fix: str) -> None:
    found = translate(error, EVERY_SETTING, NOW)
    assert type(found) is StorageRefused
    assert header in str(found)
    assert fix in str(found)


def test_settings_that_are_not_sent_are_not_suspected() -> None:
    found = str(translate(answer(501, "NotImplemented"), OURS, NOW))
    assert not [word for word in ("acl", "tagging", "encryption", "storage-class", "owner") if f"x-amz-{word}" in found]
    assert "x-amz-tagging" in str(translate(answer(501, "NotImplemented"), EVERY_SETTING, NOW))
    assert "does not know this request" in str(translate(answer(501, "NotImplemented", "ListObjectsV2"), OURS, NOW))


def test_words_of_s3_are_not_passed_on() -> None:
    """It tells the access key, and the path, of what it refused."""
    told = translate(answer(403, "SignatureDoesNotMatch", Message="a secret", AWSAccessKeyId="AKIA"), OURS, NOW)
    assert "secret key of the Airflow" in str(told)
    assert "a secret" not in str(told)
    assert "AKIA" not in str(told)


def test_the_owner_is_a_suspect_where_s3_forbids() -> None:
    assert "if account 123456789012 does not own" in str(translate(answer(403, "AccessDenied"), EVERY_SETTING, NOW))
    assert "bucket_owner" not in str(translate(answer(400, "InvalidRequest"), EVERY_SETTING, NOW))


UNTRUSTED = OSError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)")


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (NoCredentialsError(), StorageRefused, "no credentials"),
        (ParamValidationError(report='Invalid bucket name "?": Bucket name must match'), StorageRefused, "not a name"),
        (ParamValidationError(report="Unknown parameter in input"), StorageRefused, "does not send this"),
        (FlexibleChecksumError(error_msg="x"), CheckFailed, "came back damaged"),
        (
            SSLError(endpoint_url="https://s3", error=UNTRUSTED),
            StorageRefused,
            r"not trusted \(self-signed certificate\)",
        ),
        (
            SSLError(endpoint_url="https://s3", error=OSError("[SSL: WRONG_VERSION_NUMBER]")),
            StorageInterrupted,
            "WRONG_VERSION",
        ),
        (ConnectTimeoutError(endpoint_url="https://s3"), StorageInterrupted, "timeout"),
        (EndpointConnectionError(endpoint_url="https://s3"), StorageInterrupted, "Could not connect"),
        (ResponseParserError("<html>"), StorageInterrupted, "was not understood"),
        (BotoCoreError(), StorageInterrupted, "bucket a-bucket"),
    ],
)
def test_what_s3s_client_finds_by_itself(error: Exception, kind: type[Exception], says: str) -> None:
    found = translate(error, OURS)
    assert type(found) is kind
    with pytest.raises(kind, match=says):
        raise found
