"""The edge to S3: objects that are written once, read back in full, and errors in our own words.

An object is never overwritten. A key is looked at just before it is written, and the write itself carries
`If-None-Match: *`, so that the store refuses where it can; keys are never handed out twice in the first place.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from include.archiver.errors import CheckFailed, KeyTaken, ObjectMissing, StorageInterrupted, StorageRefused
from include.archiver.object_settings import AWS_CONNECTION
from include.archiver.overlap import Aside
from include.archiver.refused_writes import explain_refusal, say_what_may_lack
from include.archiver.write_trial import try_to_upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3 takes parts of 5 MiB and more, 10,000 of them at most: 8 MiB each allow objects of 78 GiB.
PART_BYTES = 8 << 20
# Most sidecars are smaller, and get no whole part's memory.
_SMALL_BYTES = 1 << 20
# How many parts' memory is kept for the next object: as much as one upload uses.
_MOST_SPARE = 2
# What every client is to be made with. Each body that matters carries its SHA-256 in a header of its own, which is
# signed, so reckoning it once more for the signature would bind nothing that is not bound. A user agent that is given
# is not put together anew, twice a request.
CLIENT = Config(s3={"payload_signing_enabled": False}, user_agent="postgres-s3-archiver")
_FIXES = {
    "NoSuchBucket": "create the bucket, or correct 'bucket' in the policy file",
    "InvalidAccessKeyId": "correct the access key of the Airflow connection {connection}",
    "SignatureDoesNotMatch": "correct the secret key of the Airflow connection {connection}",
    "AccessDenied": "grant s3:GetObject, s3:PutObject, s3:ListBucket and s3:AbortMultipartUpload on the bucket",
    "403": "check the access key of the Airflow connection {connection}, and its rights on the bucket",
    "301": "the bucket is in another region; set region_name in the Airflow connection {connection}",
    "InvalidObjectState": "the object lies in cold storage; bring it back with S3's RestoreObject, then run this again",
    "KMS.DisabledException": "enable the KMS key again",
    "ExpiredToken": "renew the credentials of the Airflow connection {connection}",
}
_MISSING = ("404", "NoSuchKey", "NotFound")
_TAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict")
_FIRST_PASSING_STATUS = 500
_FORBIDDEN_STATUS = 403
_PASSING = ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "ServiceUnavailable", "503", "500")


@dataclass(frozen=True)
class ObjectHead:
    """What S3 says of an object without sending it."""

    size: int
    etag: str


@dataclass(frozen=True)
class Download:
    """An object that is being read."""

    body: IO[bytes]
    etag: str

    def wake(self) -> None:
        """Ends a read of the body for which another thread waits; what it reads then is no whole object."""
        with suppress(ValueError, RuntimeError, OSError):  # the connection has been given back, or is gone
            cast(Any, self.body)._raw_stream.shutdown()


@dataclass(frozen=True)
class ObjectStore:
    """One bucket, and the settings that every object written to it gets.

    `owner` is the number of the AWS account that must own the bucket; S3 refuses every request if it does not.
    `connection` is the Airflow connection that the client is made of, for messages.
    """

    client: S3Client
    bucket: str
    settings: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    connection: str = AWS_CONNECTION
    _spare: list[bytearray] = field(default_factory=list, repr=False, compare=False)

    @property
    def address(self) -> Any:
        """What every request names: the bucket and, if it is set, the account that must own it."""
        return {"Bucket": self.bucket} | ({"ExpectedBucketOwner": self.owner} if self.owner else {})

    def elsewhere(self, bucket: str) -> ObjectStore:
        """Another bucket with the same credentials, for objects that were written before the policy named this one.

        The account that must own this one need not be that one's.
        """
        return self if bucket == self.bucket else replace(self, bucket=bucket, owner=None, _spare=[])

    def check(self, prefix: str, writing: bool) -> None:
        """Makes sure that the bucket is there and, if asked, that objects may be written below the prefix.

        Nothing is left behind: writing is tried by an upload that sends what every upload sends and ends in nothing.

        Raises:
            StorageRefused: the bucket is missing, the credentials do not do, or the bucket does not take what the
                archive sends or demands more; the message says which.
            StorageInterrupted: S3 cannot be reached.
        """
        with self._translated():
            self.client.head_bucket(**self.address)
            if writing:
                key = f"{prefix}/_write_check" if prefix else "_write_check"
                try_to_upload(self.client, self.address, self.settings, key)

    def keys(self, folder: str, after: str | None = None) -> Iterator[str]:
        """All keys that begin like this, in their order; if asked, only those that come after another key."""
        asked = {"Prefix": folder} | ({"StartAfter": after} if after else {})
        with self._translated():
            pages = self.client.get_paginator("list_objects_v2").paginate(**self.address, **cast(Any, asked))
            for page in pages:
                yield from (entry["Key"] for entry in page.get("Contents", []))

    def head(self, key: str) -> ObjectHead | None:
        """The object's size and etag, None where there is no object."""
        try:
            with self._translated():
                answer = self.client.head_object(**self.address, Key=key)
        except _NotThereError:
            return None
        return ObjectHead(answer["ContentLength"], answer["ETag"])

    def put_new(self, key: str, content: bytes) -> None:
        """Writes a small object under a key that is free.

        Raises:
            KeyTaken: there is an object under this key.
        """
        self._refuse_taken(key)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        with self._translated(key):
            self.client.put_object(
                **self.address,
                Key=key,
                Body=content,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=digest,
                IfNoneMatch="*",
                **cast(Any, self.settings),
            )

    @contextmanager
    def upload(self, key: str) -> Generator[Upload]:
        """An object that is written piece by piece, and exists only once `finish` was called."""
        upload = Upload(self, key)
        try:
            yield upload
        finally:
            upload.give_up()

    @contextmanager
    def reading(self, key: str) -> Generator[Download]:
        """The object's bytes as S3 gives them back, with the etag of just these bytes.

        Raises:
            ObjectMissing: there is no such object.
            CheckFailed: its bytes are not those that S3 was given.
            StorageInterrupted: S3 broke off, or answered what cannot be understood.
        """
        with self._translated():
            try:
                answer = self.client.get_object(**self.address, Key=key)
            except ClientError as error:
                if _code(error) in _MISSING:
                    raise ObjectMissing(
                        f"object s3://{self.bucket}/{key} is not there any more; it was written by this program, "
                        f"so look for who deleted it before going on"
                    ) from None
                raise
            except BotoCoreError:
                raise
            except Exception as error:
                # botocore stumbles over some servers' answers, such as an error without a body, in errors of Python's.
                raise StorageInterrupted(
                    f"object s3://{self.bucket}/{key} could not be read: S3's answer was not understood "
                    f"({type(error).__name__})"
                ) from error
            try:
                yield Download(cast(IO[bytes], answer["Body"]), answer["ETag"])
            finally:
                answer["Body"].close()

    def _memory(self) -> bytearray:
        """A whole part's memory; of an earlier upload if there is any, since new memory takes the system some time."""
        try:
            return self._spare.pop()
        except IndexError:
            return bytearray(PART_BYTES)

    def _take_back(self, memory: bytearray) -> None:
        if len(memory) == PART_BYTES and len(self._spare) < _MOST_SPARE:
            self._spare.append(memory)

    def _refuse_taken(self, key: str) -> None:
        if self.head(key) is not None:
            raise KeyTaken(self._taken(key))

    def _taken(self, key: str) -> str:
        return f"there is an object s3://{self.bucket}/{key} already; it was left as it is"

    @contextmanager
    def _translated(self, key: str = "") -> Generator[None]:
        try:
            yield
        except ClientError as error:
            raise self._translation(error, key) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise StorageRefused(
                f"bucket {self.bucket}: no credentials; set up the Airflow connection {self.connection}"
            ) from None
        except ParamValidationError:
            raise StorageRefused(
                f"{self.bucket!r} is not a name that S3 allows for a bucket; correct 'bucket' in the policy file"
            ) from None
        except FlexibleChecksumError:
            # boto3 compares the checksum that S3 keeps; an object that fails will fail at every further try.
            raise CheckFailed(
                f"bucket {self.bucket}: an object came back damaged, against the checksum that S3 keeps of it"
            ) from None
        except BotoCoreError as error:
            raise StorageInterrupted(f"bucket {self.bucket}: {error}") from None

    def _translation(self, error: ClientError, key: str) -> Exception:
        code = _code(error)
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _TAKEN:
            return KeyTaken(self._taken(key))
        if code == "NoSuchBucket" or (code in _MISSING and error.operation_name == "HeadBucket"):
            return StorageRefused(f"bucket {self.bucket} does not exist; {_FIXES['NoSuchBucket']}")
        if code in _MISSING:
            return _NotThereError()
        message = f"bucket {self.bucket}: {error.operation_name} was answered with {code}"
        if told := explain_refusal(error, self.settings):
            return StorageRefused(f"{message}; {told}")
        if code in _PASSING or status >= _FIRST_PASSING_STATUS:
            return StorageInterrupted(message)
        fix = _FIXES.get(code, "see what that code means in the S3 manual").format(connection=self.connection)
        if status == _FORBIDDEN_STATUS and code in {"AccessDenied", "403"}:
            fix += say_what_may_lack(error, self.settings)
        if self.owner and status == _FORBIDDEN_STATUS:
            fix += f"; or correct 'bucket_owner' in the policy file, if account {self.owner} does not own the bucket"
        return StorageRefused(f"{message}; {fix}")


class _NotThereError(Exception):
    """S3 has no such object."""


class Upload:
    """An upload under way: one request if it is small, a multipart upload, sent by a thread, if it is not.

    At most two parts are held in memory: one that is being sent and one that is being filled.
    """

    def __init__(self, store: ObjectStore, key: str) -> None:
        """Sends nothing yet."""
        self._store = store
        self._key = key
        self._part, self._filled = bytearray(), 0
        self._sent: bytearray | None = None
        self._sending = Aside(self._send, 1, "upload")
        self._id: str | None = None
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        """Takes in the next bytes of the object, and waits if a part is full while the one before is being sent.

        Raises:
            StorageRefused: S3 will not take an earlier part.
            StorageInterrupted: it did not take it this time.
        """
        view = memoryview(data)
        while view:
            if self._filled == len(self._part):
                self._grow(self._filled + len(view))
            taken = view[: len(self._part) - self._filled]
            self._part[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            view = view[len(taken) :]
            if self._filled == PART_BYTES:
                self._sending.give(self._part)
                # There was room for this part, so nothing reads the one before any more.
                self._part, self._sent = self._sent or self._store._memory(), self._part
                self._filled = 0

    def finish(self) -> None:
        """Makes the object exist.

        Raises:
            KeyTaken: there is an object under this key.
        """
        last = bytes(memoryview(self._part)[: self._filled])
        if not self._sending.begun:
            self._store.put_new(self._key, last)
            return
        if last:
            self._sending.give(last)
        self._sending.settle()
        self._store._refuse_taken(self._key)
        with self._store._translated(self._key):
            self._store.client.complete_multipart_upload(
                **self._store.address,
                Key=self._key,
                UploadId=cast(str, self._id),
                MultipartUpload={"Parts": cast(Any, self._parts)},
                IfNoneMatch="*",
            )
        self._id = None

    def give_up(self) -> None:
        """Takes back what was sent of an object that was not finished, so that nobody pays for its parts."""
        # The thread has ended then, and nothing reads the parts any more.
        self._sending.close()
        for memory in (self._part, self._sent):
            if memory is not None:
                self._store._take_back(memory)
        # At once: this upload and its thread know each other, so the collector alone would find them, some time later.
        self._part, self._sent = bytearray(), None
        if self._id is None:
            return
        try:
            with self._store._translated():
                self._store.client.abort_multipart_upload(**self._store.address, Key=self._key, UploadId=self._id)
        except (StorageRefused, StorageInterrupted, _NotThereError):
            # The reason why the upload broke off is on its way up; a lifecycle rule removes the parts.
            pass

    def _grow(self, least: int) -> None:
        """Makes room in a part that is full for at least so many bytes, or for a whole part."""
        size = min(PART_BYTES, max(2 * self._filled, least))
        if size <= _SMALL_BYTES:
            self._part.extend(bytes(size - self._filled))
            return
        whole = self._store._memory()
        whole[: self._filled] = self._part
        self._part = whole

    def _send(self, part: bytes | bytearray) -> None:
        store = self._store
        with store._translated():
            if self._id is None:
                answer = store.client.create_multipart_upload(
                    **store.address,
                    Key=self._key,
                    ChecksumAlgorithm="SHA256",
                    **cast(Any, store.settings),
                )
                self._id = answer["UploadId"]
            number = len(self._parts) + 1
            digest = base64.b64encode(hashlib.sha256(part).digest()).decode()
            sent = store.client.upload_part(
                **store.address,
                Key=self._key,
                UploadId=self._id,
                PartNumber=number,
                Body=cast(bytes, part),
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=digest,
            )
        entry: dict[str, Any] = {"PartNumber": number, "ETag": sent["ETag"]}
        if "ChecksumSHA256" in sent:
            entry["ChecksumSHA256"] = sent["ChecksumSHA256"]
        self._parts.append(entry)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
