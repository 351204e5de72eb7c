"""An object that is written piece by piece: one request if it is small, a multipart upload if it is not."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, cast

from pg_archiver.errors import KeyTaken, StorageInterrupted, StorageRefused
from pg_archiver.runtime.background import BackgroundWorker
from pg_archiver.s3.buffer_pool import BufferPool
from pg_archiver.s3.error_translation import NotThereError
from pg_archiver.s3.lean_requests import LeanRequests
from pg_archiver.s3.own_writes import Piece, Write
from pg_archiver.s3.part_sizes import PartSizes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Most sidecars are smaller, and get no whole part's memory.
_SMALL_BYTES = 1 << 20


class UploadTarget(Protocol):
    """Where an upload goes."""

    @property
    def client(self) -> S3Client:
        """S3's client."""

    @property
    def lean(self) -> LeanRequests:
        """Those of its methods that are called often."""

    @property
    def address(self) -> Any:
        """The parameters that every request has."""

    @property
    def parts(self) -> PartSizes:
        """How large the parts of an object are."""

    @property
    def buffers(self) -> BufferPool:
        """The memory of first parts."""

    def write_parameters(self, write: Write) -> dict[str, Any]:
        """Return what goes with every object, and with this one."""

    def translate_errors(self, key: str = "") -> AbstractContextManager[None]:
        """Raise the client's errors as our own."""

    def refuse_taken(self, key: str) -> None:
        """Raise KeyTaken if there is an object under this key."""

    def create(self, key: str, content: bytes) -> None:
        """Write a small object under a key that is free."""

    def recognise(self, key: str, write: Write, failure: KeyTaken | StorageInterrupted, *, in_parts: bool) -> None:
        """Raise the failure, unless the object is this write's after all."""


class Upload:
    """An upload under way. A thread sends its parts, if it has several.

    At most two parts are held in memory: one that is being sent and one that is being filled. They grow with the number
    of parts, see `PartSizes`.
    """

    def __init__(self, bucket: UploadTarget, key: str) -> None:
        """Send nothing yet."""
        self._bucket = bucket
        self._key = key
        self._part, self._filled = bytearray(), 0
        self._number, self._size = 1, bucket.parts.of(1)
        self._sent: bytearray | None = None
        self._sending = BackgroundWorker(self._send, 1, "upload")
        self._id: str | None = None
        self._write = Write()
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        """Take in the next bytes of the object, and wait if a part is full while the one before is being sent.

        Raises:
            StorageRefused: S3 will not take an earlier part, or no object may have so many.
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
            if self._filled == self._size:
                self._next_part()

    def finish(self) -> None:
        """Make the object exist.

        Raises:
            KeyTaken: there is another object under this key.
            StorageInterrupted: whether it exists now is not known.
        """
        if not self._sending.begun:
            self._bucket.create(self._key, bytes(memoryview(self._part)[: self._filled]))
            return
        if self._filled:
            self._sending.submit(self._last_part())
        self._sending.join()
        self._bucket.refuse_taken(self._key)
        try:
            with self._bucket.translate_errors(self._key):
                self._bucket.client.complete_multipart_upload(
                    **self._bucket.address,
                    Key=self._key,
                    UploadId=cast(str, self._id),
                    MultipartUpload={"Parts": cast(Any, self._parts)},
                    IfNoneMatch="*",
                )
        except (KeyTaken, StorageInterrupted) as failure:
            self._bucket.recognise(self._key, self._write, failure, in_parts=True)
        self._id = None

    def abort(self) -> None:
        """Take back what was sent of an object that was not finished, so that nobody pays for its parts."""
        # The thread has ended then, and nothing reads the parts.
        self._sending.close()
        for memory in (self._part, self._sent):
            if memory is not None:
                self._bucket.buffers.give(memory)
        # At once: this upload and its thread know each other, so the collector alone would find them, some time later.
        self._part, self._sent = bytearray(), None
        if self._id is None:
            return
        try:
            with self._bucket.translate_errors():
                self._bucket.client.abort_multipart_upload(**self._bucket.address, Key=self._key, UploadId=self._id)
        except (StorageRefused, StorageInterrupted, NotThereError):
            # The reason why the upload broke off is on its way up; a lifecycle rule removes the parts.
            pass

    def _grow(self, least: int) -> None:
        """Make room in a part that is full for at least so many bytes, or for a whole part."""
        size = min(self._size, max(2 * self._filled, least))
        if size <= _SMALL_BYTES:
            self._part.extend(bytes(size - self._filled))
            return
        whole = self._whole_part()
        whole[: self._filled] = self._part
        self._part = whole

    def _whole_part(self) -> bytearray:
        return self._bucket.buffers.take() if self._size == self._bucket.parts.first else bytearray(self._size)

    def _next_part(self) -> None:
        """Hand the full part over to be sent, and begin another."""
        self._sending.submit(self._part)
        # There was room for this part, so nothing reads the one before.
        free, self._sent = self._sent, self._part
        self._number, self._filled = self._number + 1, 0
        self._size = self._bucket.parts.of(self._number)
        if free is not None and len(free) != self._size:
            self._bucket.buffers.give(free)
            free = None
        self._part = free or self._whole_part()

    def _last_part(self) -> bytes | bytearray:
        """Return what the last part holds, copied only if it is small."""
        if self._size == self._bucket.parts.first:
            return bytes(memoryview(self._part)[: self._filled])
        del self._part[self._filled :]
        return self._part

    def _send(self, part: bytes | bytearray) -> None:
        bucket, number = self._bucket, len(self._parts) + 1
        if number > bucket.parts.most:
            raise StorageRefused(
                f"s3://{bucket.address['Bucket']}/{self._key} would have more than {bucket.parts.most:,} parts, of "
                f"{bucket.parts.capacity / 2**30:,.0f} GiB in all, and S3 takes no more. Nothing was deleted. Fix: "
                "set a smaller 'window_hours' in the policy file"
            )
        with bucket.translate_errors():
            if self._id is None:
                answer = bucket.client.create_multipart_upload(
                    **bucket.address, Key=self._key, ChecksumAlgorithm="SHA256", **bucket.write_parameters(self._write)
                )
                self._id = answer["UploadId"]
            piece = Piece.of(part)
            sent = bucket.lean.upload_part(
                **bucket.address,
                Key=self._key,
                UploadId=self._id,
                PartNumber=number,
                Body=part,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=piece.checksum,
            )
        entry: dict[str, Any] = {"PartNumber": number, "ETag": sent["ETag"]}
        if "ChecksumSHA256" in sent:
            entry["ChecksumSHA256"] = sent["ChecksumSHA256"]
        self._write.pieces.append(piece)
        self._parts.append(entry)
