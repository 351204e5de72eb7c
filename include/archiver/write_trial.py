"""Whether a bucket takes what the archive sends: found out by an upload that sends every header and ends in nothing.

What never comes to be need not be deleted, for which the archive has no right. So an upload is begun with all settings,
one small part of it is sent with its checksum, and it is to be completed, on the condition that the key is free, out of
a part that was never sent: whoever knows the headers answers that there is no such part. Then it is given up.
A single object's own write, with the same headers and condition, is first tried by the marker of the run's owner, which
`plan` writes in any case before anything is exported.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from include.archiver.refused_writes import header_at_fault

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

_PART = b"a part of no object"
_NEVER_SENT = 2


def try_to_upload(client: S3Client, address: Mapping[str, str], settings: Mapping[str, str], key: str) -> None:
    """Sends what an upload sends, and leaves nothing behind.

    Args:
        client: boto3's.
        address: the bucket, and perhaps who has to own it.
        settings: what every object is to carry, as boto3's parameters.
        key: of the upload; no object of this key comes to be.

    Raises:
        ClientError: S3 refuses one of the requests, for another reason than the part that was never sent.
        BotoCoreError: it could not be asked.
    """
    whole: Any = {**address, "Key": key}
    begun = client.create_multipart_upload(**whole, ChecksumAlgorithm="SHA256", **cast(Any, settings))
    whole["UploadId"] = begun["UploadId"]
    try:
        digest = base64.b64encode(hashlib.sha256(_PART).digest()).decode()
        sent = client.upload_part(**whole, PartNumber=1, Body=_PART, ChecksumAlgorithm="SHA256", ChecksumSHA256=digest)
        _complete_in_vain(client, whole, {"ETag": sent["ETag"], "ChecksumSHA256": digest})
    except BaseException:
        # What went wrong before is the news; a lifecycle rule removes the part.
        with suppress(ClientError, BotoCoreError):
            client.abort_multipart_upload(**whole)
        raise
    try:
        client.abort_multipart_upload(**whole)
    except ClientError as error:
        # Some servers give an upload up themselves when it cannot be completed.
        if error.response.get("Error", {}).get("Code") != "NoSuchUpload":
            raise


def _complete_in_vain(client: S3Client, whole: Any, part: Mapping[str, str]) -> None:
    parts: Any = {"Parts": [{**part, "PartNumber": _NEVER_SENT}]}
    try:
        client.complete_multipart_upload(**whole, MultipartUpload=parts, IfNoneMatch="*")
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_IMPLEMENTED} or header_at_fault(error):
            raise
        # Nobody can make an object of that, so servers need not agree on what to say.
        log.debug("a part that was never sent was answered with %s", error.response.get("Error", {}).get("Code"))
