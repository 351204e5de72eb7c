"""S3's plain answers: those that mean success, or that there is no object. All others are boto3's to read.

What is read from them has boto3's shape, as far as the archive looks at it.
"""

from __future__ import annotations

import base64
import hashlib
from http import HTTPStatus
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, FlexibleChecksumError
from botocore.response import StreamingBody

_CHECKSUM = "x-amz-checksum-sha256"
_CHECKSUMS = "x-amz-checksum-"
# What may be said of checksums if there is only ours to be compared.
_OURS = frozenset({_CHECKSUM, "x-amz-checksum-type", "x-amz-checksum-algorithm"})
# A checksum of several parts' checksums has their number behind this. No bytes can be compared with it.
_OF_PARTS = "-"


class ComparedBody(StreamingBody):
    """A body that is compared, at its end, with the SHA-256 that S3 keeps of the object; boto3's own does the same."""

    def __init__(self, raw: Any, length: int, checksum: str) -> None:
        """Read from `raw`; `checksum` is what S3 says, in base 64."""
        super().__init__(raw, length)
        self._sha256 = hashlib.sha256()
        self._told = checksum

    def read(self, amt: int | None = None) -> bytes:
        """Return the next bytes, at most `amt` if that is given.

        Raises:
            FlexibleChecksumError: the object has come to its end, and these were not its bytes.
        """
        data = super().read(amt)
        self._sha256.update(data)
        if amt is None or (not data and amt > 0):
            self._compare()
        return data

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with the next bytes, as `read` gives them."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _compare(self) -> None:
        if self._sha256.digest() != base64.b64decode(self._told):
            raise FlexibleChecksumError(error_msg="the object's SHA-256 is not the one that S3 keeps of it")


def is_plain(operation: str, answer: AWSResponse) -> bool:
    """Return whether the answer means just what it seems to mean; `operation` is the request's, by boto3's name."""
    headers = answer.headers
    if operation == "HeadObject" and answer.status_code == HTTPStatus.NOT_FOUND:
        return True
    if answer.status_code != HTTPStatus.OK:
        return False
    if operation in {"HeadObject", "GetObject"}:
        if "etag" not in headers or not headers.get("content-length", "").isdecimal():
            return False
        return operation == "HeadObject" or _tells_no_other_checksum(answer)
    # Of a write, a body tells of an error that came after the status.
    return not answer.content and (operation == "PutObject" or "etag" in headers)


def read_plain(operation: str, answer: AWSResponse, *, compare: bool) -> dict[str, Any]:
    """Return what boto3 would make of a plain answer; `compare` says whether a body has to be what S3's checksum says.

    Raises:
        ClientError: there is no such object.
    """
    headers = answer.headers
    if answer.status_code == HTTPStatus.NOT_FOUND:
        said: Any = {"Code": str(HTTPStatus.NOT_FOUND.value), "Message": "Not Found"}
        raise ClientError({"Error": said, "ResponseMetadata": _describe(answer)}, operation)
    found = {"ETag": headers["etag"]} if "etag" in headers else {}
    if operation == "HeadObject":
        return {**found, "ContentLength": int(headers["content-length"])}
    checksum = headers.get(_CHECKSUM)
    if operation == "GetObject":
        length = int(headers["content-length"])
        if compare and checksum and _OF_PARTS not in checksum:
            return {**found, "Body": ComparedBody(answer.raw, length, checksum)}
        return {**found, "Body": StreamingBody(answer.raw, length)}
    return {**found, "ChecksumSHA256": checksum} if checksum else found


def _tells_no_other_checksum(answer: AWSResponse) -> bool:
    told = {name.lower() for name in answer.headers}
    return all(name in _OURS for name in told if name.startswith(_CHECKSUMS))


def _describe(answer: AWSResponse) -> Any:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return {"HTTPStatusCode": answer.status_code, "HTTPHeaders": headers, "RetryAttempts": 0}
