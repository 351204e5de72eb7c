"""What S3 answers, in our own words, and sorted by what helps: a person, or time. No I/O.

What a person has to fix is a list. Everything else may pass, and is worth another try.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from pg_archiver.domain.default_connection import AWS_CONNECTION
from pg_archiver.errors import CheckFailed, KeyTaken, StorageInterrupted, StorageRefused
from pg_archiver.s3.bucket_demands import NO_ACLS, say_what_is_demanded, say_what_may_lack
from pg_archiver.s3.own_writes import TOKEN

# All that S3's client raises.
CLIENT_ERRORS = (ClientError, BotoCoreError, ResponseParserError)

_FIXES = {
    "NoSuchBucket": "Fix: create the bucket, or correct 'bucket' in the policy file",
    "InvalidAccessKeyId": "Fix: correct the access key of the Airflow connection {connection}",
    "SignatureDoesNotMatch": "Fix: correct the secret key of the Airflow connection {connection}",
    "AccessDenied": "Fix: grant s3:GetObject, s3:PutObject, s3:ListBucket and s3:AbortMultipartUpload on the bucket",
    "403": "Fix: check the access key of the Airflow connection {connection}, and its permissions on the bucket",
    "400": "S3 gives no reason for this request. Fix: check whether the credentials of the Airflow connection "
    "{connection} have expired, and its region_name",
    "InvalidObjectState": "The object is in cold storage. Fix: bring it back with S3's RestoreObject, then run this "
    "again",
    "KMS.DisabledException": "Fix: enable the KMS key again",
    "KMS.KMSInvalidStateException": "The KMS key cannot be used in its state. Fix: enable it, or cancel its deletion",
    "KMS.NotFoundException": "There is no such KMS key. Fix: correct 'kms_key_id' in the policy file, or the "
    "bucket's default encryption",
    "ExpiredToken": "Fix: renew the credentials of the Airflow connection {connection}",
    "InvalidToken": "Fix: renew the credentials of the Airflow connection {connection}",
}
_FIXES |= dict.fromkeys(
    ("301", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
    "The bucket is in another region. Fix: set region_name in the Airflow connection {connection}",
)
_ELSE = "S3 will refuse this each time. Fix: look this code up in the S3 documentation"

# Refused with whatever status, besides what has a fix above; the later ones are requests that will be wrong again.
_REFUSED = (
    frozenset(_FIXES)
    | {"InvalidBucketName", "InvalidBucketState", "NoSuchAccessPoint", "MethodNotAllowed", "NotImplemented"}
    | {"EntityTooLarge", "EntityTooSmall", "InvalidArgument", "InvalidDigest", "InvalidEncryptionAlgorithmError"}
    | {"InvalidRequest", "InvalidStorageClass", "InvalidTag", "InvalidURI", "KeyTooLongError", "MalformedXML"}
    | {"MetadataTooLarge", "MissingContentLength", "MissingSecurityHeader", "UnsupportedArgument"}
    | {"MissingUploadObjectWithObjectLockHeaders", NO_ACLS}
)
# By their meaning in HTTP: who asks may not, the method or the length is wrong, the thing has moved.
_REFUSED_STATUSES = frozenset({301, 308, 401, 403, 405, 411, 413, 414, 501})
_FORBIDDEN, _NOT_IMPLEMENTED = 403, 501
# May pass, though their status is one of these.
_PASSING = (
    frozenset({"RequestTimeTooSkewed", "RequestExpired", "TokenRefreshRequired", "SlowDown", "RequestLimitExceeded"})
    | {"Throttling", "ThrottlingException", "ThrottledException", "KMS.ThrottlingException", "RequestThrottled"}
    | {"RequestThrottledException", "TooManyRequests", "TooManyRequestsException", "BandwidthLimitExceeded"}
)
_SKEWED = ("RequestTimeTooSkewed", "RequestExpired")
# As far as S3 lets clocks differ.
_MOST_SKEW = timedelta(minutes=15)

_MISSING = ("404", "NoSuchKey", "NotFound")
_LOOKS = ("HeadObject", "GetObject")
# Not ConditionalRequestConflict (409): that tells of two writes at the same moment, of which none need have come in.
_TAKEN = ("PreconditionFailed", "412")

# Headers that not every store knows, by the request that sends them, and the settings of a policy that send more.
_TOKEN_HEADER = f"x-amz-meta-{TOKEN}"
_HEADERS = {
    "PutObject": ("If-None-Match", "x-amz-checksum-sha256", "x-amz-sdk-checksum-algorithm", _TOKEN_HEADER),
    "CreateMultipartUpload": ("x-amz-checksum-algorithm", _TOKEN_HEADER),
    "UploadPart": ("x-amz-checksum-sha256", "x-amz-sdk-checksum-algorithm"),
    "CompleteMultipartUpload": ("If-None-Match",),
    "GetObject": ("x-amz-checksum-mode",),
    "HeadObject": ("x-amz-checksum-mode",),
}
_SETTINGS = {
    "SSEKMSKeyId": ("x-amz-server-side-encryption-aws-kms-key-id", "kms_key_id"),
    "ServerSideEncryption": ("x-amz-server-side-encryption", "kms_key_id' or 'encryption"),
    "StorageClass": ("x-amz-storage-class", "storage_class"),
    "ACL": ("x-amz-acl", "acl"),
    "Tagging": ("x-amz-tagging", "tags"),
}
_SETTING_OF = dict(_SETTINGS.values()) | {"x-amz-expected-bucket-owner": "bucket_owner"}
_TAKE_SETTINGS = ("PutObject", "CreateMultipartUpload")
# Where an answer names what it means: S3's own field, that of an argument, and what others write into the message.
_NAMING_FIELDS = ("Header", "ArgumentName", "Message", "additionalMessage")
_REASON = re.compile(r"certificate verify failed: ([^\]()]+)")


class NotThereError(Exception):
    """S3 has no such object."""


@dataclass(frozen=True)
class Asked:
    """What S3 was asked about, with what settings and by which Airflow connection, for messages.

    `key` is the one to be written, if there is one.
    """

    bucket: str
    owner: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    connection: str = AWS_CONNECTION

    def headers(self, operation: str) -> tuple[str, ...]:
        """Return the headers that such a request sends and that not every store knows."""
        ours = _HEADERS.get(operation, ())
        if operation in _TAKE_SETTINGS:
            ours += tuple(header for name, (header, _) in _SETTINGS.items() if name in self.settings)
        return ours + (("x-amz-expected-bucket-owner",) if self.owner else ())


def say_taken(bucket: str, key: str) -> str:
    """Return the message that something is already under a key that was to be written."""
    return f"there is an object s3://{bucket}/{key} already. It was left as it is"


def translate(error: Exception, asked: Asked, now: datetime | None = None) -> Exception:
    """Return the error in our own words, for one of `CLIENT_ERRORS`; `now` replaces this machine's clock.

    Returns:
        NotThereError if an object was asked for that is not there, KeyTaken if one was to be written that is,
        CheckFailed if one came back damaged, StorageRefused if a person has to fix something, else StorageInterrupted.
    """
    if not isinstance(error, ClientError):
        return _of_client(error, asked)
    if code_of(error) in _TAKEN and asked.key:
        return KeyTaken(say_taken(asked.bucket, asked.key))
    if is_missing(error):
        return NotThereError()
    return _of_answer(error, asked, now or datetime.now(UTC))


def is_missing(error: ClientError) -> bool:
    """Return whether S3 says that there is no such object."""
    return error.operation_name in _LOOKS and code_of(error) in _MISSING


def code_of(error: ClientError) -> str:
    """Return S3's code, or the HTTP status if the answer has no body, as that to a HEAD."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _of_client(error: Exception, asked: Asked) -> Exception:
    """Return what S3's client found, which had no answer, or one that it did not understand."""
    where = f"bucket {asked.bucket}"
    refusal = None
    match error:
        case FlexibleChecksumError():
            # boto3 compares the checksum that S3 keeps; an object that fails will fail at every further try.
            return CheckFailed(
                f"{where}: an object came back damaged: it does not match the checksum that S3 keeps of it"
            )
        case NoCredentialsError() | PartialCredentialsError():
            refusal = f"{where}: no credentials. Fix: set up the Airflow connection {asked.connection}"
        case ParamValidationError() if "bucket name" in str(error):
            refusal = (
                f"{asked.bucket!r} is not a name that S3 allows for a bucket. Fix: correct 'bucket' in the policy file"
            )
        case ParamValidationError():
            refusal = f"{where}: boto3 does not send this. Fix: correct it in the policy file: {error}"
        case SSLError() if found := _REASON.search(str(error)):
            refusal = (
                f"{where}: the certificate of the S3 endpoint is not trusted ({found[1].strip()}). Fix: name the file "
                f"with its CA certificate as 'verify' in the extra of the Airflow connection {asked.connection}, or "
                "correct endpoint_url there"
            )
        case ResponseParserError():
            return StorageInterrupted(f"{where}: S3's answer was not understood. What answers there may not be S3")
    return StorageRefused(refusal) if refusal else StorageInterrupted(f"{where}: {error}")


def _of_answer(error: ClientError, asked: Asked, now: datetime) -> Exception:
    """Return what S3 said."""
    code, status = code_of(error), _status(error)
    if code == "NoSuchBucket" or (code in _MISSING and error.operation_name == "HeadBucket"):
        return StorageRefused(f"bucket {asked.bucket} does not exist. {_FIXES['NoSuchBucket']}")
    message = f"bucket {asked.bucket}: {error.operation_name} was answered with {code}"
    if code in _SKEWED or (code == str(_FORBIDDEN) and _is_skewed(error, now)):
        return StorageInterrupted(
            f"{message}, since the clocks of this machine and of S3 differ by more than {_MOST_SKEW.seconds // 60} "
            "minutes. Fix: set this machine's clock"
        )
    if code in _PASSING or (code not in _REFUSED and status not in _REFUSED_STATUSES):
        return StorageInterrupted(message)
    if demanded := say_what_is_demanded(error, asked.settings):
        return StorageRefused(f"{message}. {demanded}")
    if status != _FORBIDDEN and (unknown := _unknown_header(error, asked)):
        return StorageRefused(f"{message}: {unknown}")
    fix = _FIXES.get(code, _ELSE).format(connection=asked.connection)
    if code in {"AccessDenied", str(_FORBIDDEN)}:
        fix += say_what_may_lack(error, asked.settings)
    if asked.owner and status == _FORBIDDEN:
        fix += f"; or correct 'bucket_owner' in the policy file, if account {asked.owner} does not own the bucket"
    return StorageRefused(f"{message}. {fix}")


def _unknown_header(error: ClientError, asked: Asked) -> str | None:
    """Return what to say where a store does not take a header that the request had; None if it is not about that."""
    answer = error.response.get("Error", {})
    told = " ".join(str(answer.get(name, "")) for name in _NAMING_FIELDS).lower()
    sent = asked.headers(error.operation_name)
    header = max((header for header in sent if header.lower() in told), key=len, default=None)
    if header in _SETTING_OF:
        return f"the store does not take the header {header}. Fix: correct '{_SETTING_OF[header]}' in the policy file"
    if header:
        return f"the store does not know the header {header}, which the archive needs. Fix: use a store that does"
    if _status(error) != _NOT_IMPLEMENTED and code_of(error) != "NotImplemented":
        return None
    if not sent:
        return "the store does not know this request, which the archive needs. Fix: use a store that does"
    return (
        f"the store does not know what the archive asks for, probably by {' or '.join(sent)}. Fix: use a store that "
        "does"
    )


def _is_skewed(error: ClientError, now: datetime) -> bool:
    """Return whether S3's clock is far from ours, which it does not say in the answer to a HEAD."""
    told = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return abs(parsedate_to_datetime(told) - now) > _MOST_SKEW
    except (TypeError, ValueError):  # no date, or none with a zone
        return False


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
