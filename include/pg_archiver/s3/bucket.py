"""The edge to S3: objects that are written once, read back in full, and errors in our own words.

An object is never overwritten. The write itself carries `If-None-Match: *`, so that the store refuses where it can.
Before it the key is looked at, unless the store has shown of late that it does refuse (`second_writes`). Keys are never
handed out twice in the first place.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pg_archiver.domain.default_connection import AWS_CONNECTION
from pg_archiver.errors import CheckFailed, KeyTaken, ObjectMissing, StorageInterrupted, StorageRefused
from pg_archiver.s3.buffer_pool import BufferPool
from pg_archiver.s3.error_translation import CLIENT_ERRORS, Asked, NotThereError, is_missing, say_taken, translate
from pg_archiver.s3.lean_requests import LeanRequests
from pg_archiver.s3.own_writes import Likeness, Piece, Write
from pg_archiver.s3.part_sizes import PartSizes
from pg_archiver.s3.second_writes import TRIED_CONTENT, TRIED_TOKEN, SecondWrites
from pg_archiver.s3.uploads import Upload
from pg_archiver.s3.write_trial import try_to_upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

# What every client is to be made with. Each body that matters carries its SHA-256 in a header of its own, which is
# signed, so reckoning it once more for the signature would bind nothing that is not bound. A user agent that is given
# is not put together anew, twice a request.
CLIENT = Config(s3={"payload_signing_enabled": False}, user_agent="postgres-s3-archiver")


@dataclass(frozen=True)
class ObjectHead:
    """What S3 says of an object without sending it."""

    size: int
    etag: str


@dataclass(frozen=True)
class Listed:
    """An object as a listing tells of it; `size` in bytes."""

    key: str
    size: int


@dataclass(frozen=True)
class Download:
    """An object that is being read."""

    body: IO[bytes]
    etag: str

    def wake(self) -> None:
        """End a read of the body for which another thread waits; what it reads then is not a whole object."""
        with suppress(ValueError, RuntimeError, OSError):  # the connection has been given back, or is gone
            cast(Any, self.body)._raw_stream.shutdown()  # noqa: SLF001 (botocore offers no other way to it)


@dataclass(frozen=True)
class Bucket:
    """One bucket, and the settings that every object written to it gets.

    `owner` is the number of the AWS account that must own the bucket; S3 refuses every request if it does not. `parts`
    says in which pieces large objects are sent, and `connection`, for messages, of which Airflow connection the client
    is made.
    """

    client: S3Client
    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    parts: PartSizes = field(default_factory=PartSizes)
    connection: str = AWS_CONNECTION

    @cached_property
    def buffers(self) -> BufferPool:
        """The memory of first parts, which uploads to this bucket share."""
        return BufferPool(self.parts.first)

    @cached_property
    def lean(self) -> LeanRequests:
        """The client's methods that are called often."""
        return LeanRequests(self.client)

    @cached_property
    def second_writes(self) -> SecondWrites:
        """Where this bucket has shown that it refuses to write a key twice."""
        return SecondWrites()

    @property
    def endpoint(self) -> str:
        """The address of the store, without a login."""
        return self.client.meta.endpoint_url.rpartition("@")[2]

    @property
    def address(self) -> Any:
        """What every request names: the bucket and, if it is set, the account that must own it."""
        return {"Bucket": self.name} | ({"ExpectedBucketOwner": self.owner} if self.owner else {})

    def elsewhere(self, name: str) -> Bucket:
        """Return another bucket with the same credentials, for objects from before the policy named this one.

        The account that must own this one need not be that one's.
        """
        return self if name == self.name else replace(self, name=name, owner=None)

    def check(self, prefix: str, writing: bool, thorough: bool = False) -> None:
        """Make sure that the bucket is there and, if asked, that objects may be written below the prefix.

        Nothing is left behind: writing is tried by an upload that sends what every upload sends and ends in nothing.
        To be `thorough` takes two requests more, for what else a run tries by the marker of its owner.

        Raises:
            StorageRefused: the bucket is missing, the credentials do not do, or the bucket does not take what the
                archive sends or demands more; the message says which.
            StorageInterrupted: S3 cannot be reached.
        """
        with self.translate_errors():
            self.client.head_bucket(**self.address)
            if writing:
                key = f"{prefix}/_write_check" if prefix else "_write_check"
                try_to_upload(
                    self.client, {**self.address, "Key": key}, self.write_parameters(Write()), thorough=thorough
                )

    def list_keys(self, folder: str, after: str | None = None) -> Iterator[str]:
        """Yield all keys that begin like this, in their order; if asked, only those that come after another key."""
        return (found.key for found in self.list_objects(folder, after))

    def list_objects(self, folder: str, after: str | None = None) -> Iterator[Listed]:
        """Yield the objects whose keys begin like this, in the order of their keys, as `keys` gives them."""
        asked = {"Prefix": folder} | ({"StartAfter": after} if after else {})
        with self.translate_errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(**self.address, **cast(Any, asked))
            for page in pages:
                yield from (Listed(entry["Key"], entry["Size"]) for entry in page.get("Contents", []))

    def head(self, key: str) -> ObjectHead | None:
        """Return the object's size and etag, None where there is no object."""
        try:
            with self.translate_errors():
                answer = self.lean.head_object(**self.address, Key=key)
        except NotThereError:
            return None
        return ObjectHead(answer["ContentLength"], answer["ETag"])

    def create(self, key: str, content: bytes) -> None:
        """Write a small object under a key that is free.

        Raises:
            KeyTaken: there is another object under this key.
            StorageInterrupted: whether the object is there now is not known.
        """
        if not self.second_writes.are_refused(key):
            self.refuse_taken(key)
        write = Write(pieces=[Piece.of(content)])
        try:
            with self.translate_errors(key):
                self.lean.put_object(**self._put_if_free(key, content, write))
        except (KeyTaken, StorageInterrupted) as failure:
            self.recognise(key, write, failure, in_parts=False)

    def try_second_write(self, folder: str, key: str) -> bool | None:
        """Find out whether the store refuses to write a key twice, and believe it below this folder if it does.

        The key is kept for this: it is free, or holds the very object that is sent. So it does no harm if the store
        overwrites it, nor if others try the same at this moment. By boto3, since a refusal is the answer hoped for.

        Returns:
            None if it cannot be told.
        """
        asked = self._put_if_free(key, TRIED_CONTENT, Write(TRIED_TOKEN, [Piece.of(TRIED_CONTENT)]))
        try:
            # The first one may have found the key free.
            for _ in range(2):
                with self.translate_errors(key):
                    self.client.put_object(**asked)
        except KeyTaken:
            self.second_writes.believe(folder)
            return True
        except (StorageInterrupted, StorageRefused) as hindrance:
            log.debug("whether s3://%s refuses to write a key twice is not known: %s", self.name, hindrance)
            return None
        log.debug("s3://%s writes a key twice, so each key is looked at before it is written", self.name)
        return False

    def _put_if_free(self, key: str, content: bytes, write: Write) -> dict[str, Any]:
        """Return boto3's parameters of a write that S3 itself refuses if there is an object under the key."""
        return {
            **self.address,
            "Key": key,
            "Body": content,
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": write.pieces[0].checksum,
            "IfNoneMatch": "*",
            **self.write_parameters(write),
        }

    @contextmanager
    def upload(self, key: str) -> Generator[Upload]:
        """Open an upload that is written piece by piece; the object exists only once `finish` was called."""
        upload = Upload(self, key)
        try:
            yield upload
        finally:
            upload.abort()

    @contextmanager
    def open(self, key: str) -> Generator[Download]:
        """Open the object's bytes as S3 gives them back, with the etag of just these bytes.

        Raises:
            ObjectMissing: there is no such object.
            CheckFailed: its bytes are not those that S3 was given.
            StorageInterrupted: S3 broke off, or answered what cannot be understood.
        """
        with self.translate_errors():
            try:
                answer = self.lean.get_object(**self.address, Key=key)
            except ClientError as error:
                if is_missing(error):
                    raise ObjectMissing(
                        f"object s3://{self.name}/{key} is no longer there. It was written by this program. Fix: find "
                        "out who deleted it, and bring it back if the bucket has versions"
                    ) from None
                raise
            except BotoCoreError:
                raise
            except Exception as error:
                # botocore stumbles over some servers' answers, such as an error without a body, in errors of Python's.
                raise StorageInterrupted(
                    f"object s3://{self.name}/{key} could not be read: S3's answer was not understood "
                    f"({type(error).__name__})"
                ) from error
            try:
                yield Download(cast(IO[bytes], answer["Body"]), answer["ETag"])
            finally:
                answer["Body"].close()

    def recognise(self, key: str, write: Write, failure: KeyTaken | StorageInterrupted, *, in_parts: bool) -> None:
        """Find the object of a write that seemed to fail, as when only the answer was lost.

        S3's client sends a request again by itself, so that a write can meet its own object.

        Raises:
            KeyTaken: the object there is another one's.
            StorageInterrupted: there is none, or whose it is cannot be told.
        """
        try:
            with self.translate_errors():
                found = self.client.head_object(**self.address, Key=key, ChecksumMode="ENABLED")
            checksum = found.get("ChecksumSHA256")
            likeness = write.compare(found["ContentLength"], found["Metadata"], checksum, in_parts=in_parts)
            if likeness is Likeness.UNMARKED and self._holds(key, write):
                likeness = Likeness.SAME
        except NotThereError:
            raise self._doubt(key, failure, "it is not there now") from None
        except (CheckFailed, StorageInterrupted) as hindrance:
            raise self._doubt(key, failure, str(hindrance)) from None
        if likeness is Likeness.ANOTHERS:
            raise KeyTaken(say_taken(self.name, key)) from None
        if likeness is Likeness.UNFINISHED:
            raise self._doubt(key, failure, "it is not whole") from None
        if likeness is not Likeness.SAME:
            raise failure
        log.warning("s3://%s/%s was written, though S3's answer was lost: %s", self.name, key, failure)

    def _doubt(self, key: str, failure: KeyTaken | StorageInterrupted, why: str) -> StorageInterrupted:
        if isinstance(failure, StorageInterrupted):
            return failure
        return StorageInterrupted(f"whether s3://{self.name}/{key} was written is not known: {why}")

    def _holds(self, key: str, write: Write) -> bool:
        with self.open(key) as answer:
            return write.is_content(answer.body)

    def write_parameters(self, write: Write) -> dict[str, Any]:
        """Return what goes with every object that is written, and with this one."""
        return {**self.settings, "Metadata": write.metadata}

    def refuse_taken(self, key: str) -> None:
        """Look whether a key is free.

        Raises:
            KeyTaken: there is an object under it.
        """
        if self.head(key) is not None:
            raise KeyTaken(say_taken(self.name, key))

    @contextmanager
    def translate_errors(self, key: str = "") -> Generator[None]:
        """Raise what S3's client raises as our own errors; `key` is the one that is to be written, if one is."""
        try:
            yield
        except CLIENT_ERRORS as error:
            raise translate(error, Asked(self.name, self.owner, self.settings, key, self.connection)) from None
