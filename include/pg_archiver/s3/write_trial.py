"""Whether a bucket takes what the archive sends: found out by an upload that sends every header and ends in nothing.

What never exists need not be deleted, which the archive may not do. So an upload is begun with all settings, and
aborted. A run tries the rest, a conditional write with its checksum, by the marker of its owner, which `plan`
writes in any case before anything is exported. What writes nothing at all, as a preview, is thorough instead: one small
part is sent with its checksum, and the upload is to be completed, on the condition that the key is free, out of a part
that was never sent. Whoever knows the headers answers that there is no such part.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from pg_archiver.s3.bucket_demands import is_about_headers
from pg_archiver.s3.error_translation import code_of
from pg_archiver.s3.own_writes import Piece

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

_PART = b"a part of no object"
_NEVER_SENT = 2
_CONDITION = "If-None-Match"


def try_to_upload(client: S3Client, address: Mapping[str, str], carried: Mapping[str, Any], *, thorough: bool) -> None:
    """Send what an upload sends, and leave nothing behind.

    Args:
        client: boto3's.
        address: bucket and key, and perhaps who has to own the bucket; no object of this key comes to be.
        carried: what goes with every object, as boto3's parameters.
        thorough: whether a part is sent, and the upload to be completed.

    Raises:
        ClientError: S3 refuses one of the requests, for another reason than the part that was never sent.
        BotoCoreError: it could not be asked.
    """
    whole: Any = dict(address)
    begun = client.create_multipart_upload(**whole, ChecksumAlgorithm="SHA256", **cast(Any, carried))
    whole["UploadId"] = begun["UploadId"]
    try:
        if thorough:
            _send_in_vain(client, whole)
    except BaseException:
        # What went wrong before is the news; a lifecycle rule removes the part.
        with suppress(ClientError, BotoCoreError):
            client.abort_multipart_upload(**whole)
        raise
    try:
        client.abort_multipart_upload(**whole)
    except ClientError as error:
        # Some servers give an upload up themselves when it cannot be completed.
        if code_of(error) != "NoSuchUpload":
            raise


def _send_in_vain(client: S3Client, whole: Any) -> None:
    checksum = Piece.of(_PART).checksum
    sent = client.upload_part(**whole, PartNumber=1, Body=_PART, ChecksumAlgorithm="SHA256", ChecksumSHA256=checksum)
    part: Any = {"PartNumber": _NEVER_SENT, "ETag": sent["ETag"], "ChecksumSHA256": checksum}
    try:
        client.complete_multipart_upload(**whole, MultipartUpload={"Parts": [part]}, IfNoneMatch="*")
    except ClientError as error:
        if is_about_headers(error, [_CONDITION]):
            raise
        # Nobody can make an object of that, so servers need not agree on what to say.
        log.debug("a part that was never sent was answered with %s", code_of(error))
