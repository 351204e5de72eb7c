"""Which answers mean just what they seem to mean; all others are boto3's to read."""

from __future__ import annotations

import base64
import hashlib
from io import BytesIO
from typing import Any, cast

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, FlexibleChecksumError, IncompleteReadError

from pg_archiver.s3.error_translation import is_missing
from pg_archiver.s3.plain_answers import is_plain, read_plain

CONTENT = b"content"
CHECKSUM = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
SIZED = {"ETag": '"x"', "Content-Length": str(len(CONTENT))}


class Raw(BytesIO):
    def stream(self) -> Any:
        return iter([self.read()])


def answer(status: int, headers: dict[str, str], body: bytes = b"") -> AWSResponse:
    return AWSResponse("http://s3/", status, cast(Any, headers), Raw(body))


@pytest.mark.parametrize(
    ("operation", "found", "plain"),
    [
        ("HeadObject", answer(200, SIZED), True),
        ("HeadObject", answer(404, {}), True),
        ("HeadObject", answer(200, {"ETag": '"x"'}), False),
        ("HeadObject", answer(200, {"Content-Length": "7"}), False),
        ("HeadObject", answer(206, SIZED), False),
        ("GetObject", answer(200, SIZED, CONTENT), True),
        ("GetObject", answer(200, {**SIZED, "x-amz-checksum-sha256": CHECKSUM, "x-amz-checksum-type": "A"}), True),
        ("GetObject", answer(200, {**SIZED, "X-Amz-Checksum-CRC32": "AAAAAA=="}), False),
        ("GetObject", answer(200, {"ETag": '"x"', "Transfer-Encoding": "chunked"}), False),
        ("GetObject", answer(200, {"Content-Length": "7"}), False),
        ("GetObject", answer(206, SIZED), False),
        ("GetObject", answer(404, SIZED), False),
        ("PutObject", answer(200, {"ETag": '"x"'}), True),
        ("PutObject", answer(200, {}), True),
        ("PutObject", answer(204, {"ETag": '"x"'}), False),
        ("PutObject", answer(200, {"ETag": '"x"'}, b"<Error><Code>InternalError</Code></Error>"), False),
        ("PutObject", answer(404, {}), False),
        ("PutObject", answer(412, {}), False),
        ("UploadPart", answer(200, {"ETag": '"x"'}), True),
        ("UploadPart", answer(200, {}), False),
        ("UploadPart", answer(200, {"ETag": '"x"'}, b"<Error/>"), False),
        *(("HeadObject", answer(status, SIZED), False) for status in (301, 307, 400, 403, 412, 500, 503)),
    ],
)
def test_what_is_plain(operation: str, found: AWSResponse, plain: bool) -> None:
    assert is_plain(operation, found) is plain


def test_what_is_read_has_boto3s_shape() -> None:
    assert read_plain("HeadObject", answer(200, SIZED), compare=False) == {"ETag": '"x"', "ContentLength": 7}
    assert read_plain("PutObject", answer(200, {}), compare=False) == {}
    part = answer(200, {"ETag": '"x"', "x-amz-checksum-sha256": CHECKSUM})
    assert read_plain("UploadPart", part, compare=False) == {"ETag": '"x"', "ChecksumSHA256": CHECKSUM}
    with pytest.raises(ClientError) as caught:
        read_plain("HeadObject", answer(404, {}), compare=False)
    assert is_missing(caught.value)


def body_of(body: bytes, compare: bool = True, **headers: str) -> Any:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_plain("GetObject", answer(200, {**SIZED, **told}, body), compare=compare)["Body"]


def read_by_pieces(body: Any) -> bytes:
    pieces = []
    while piece := body.read(3):
        pieces.append(piece)
    return b"".join(pieces)


def read_into(body: Any) -> bytes:
    pieces, buffer = [], bytearray(3)
    while size := body.readinto(buffer):
        pieces.append(bytes(buffer[:size]))
    return b"".join(pieces)


WAYS = {"whole": lambda body: body.read(), "by pieces": read_by_pieces, "into a buffer": read_into}


@pytest.mark.parametrize("way", WAYS)
def test_a_body_is_compared_with_the_checksum_that_comes_with_it(way: str) -> None:
    read = WAYS[way]
    assert read(body_of(CONTENT, x_amz_checksum_sha256=CHECKSUM)) == CONTENT
    with pytest.raises(FlexibleChecksumError):
        read(body_of(b"CONTENT", x_amz_checksum_sha256=CHECKSUM))
    with pytest.raises(IncompleteReadError):
        read(body_of(CONTENT[:-1], x_amz_checksum_sha256=CHECKSUM))


@pytest.mark.parametrize("way", WAYS)
def test_it_is_not_compared_where_boto3_would_not(way: str) -> None:
    read = WAYS[way]
    assert read(body_of(b"CONTENT", compare=False, x_amz_checksum_sha256=CHECKSUM)) == b"CONTENT"
    assert read(body_of(b"CONTENT", x_amz_checksum_sha256=f"{CHECKSUM}-2")) == b"CONTENT"
    assert read(body_of(b"CONTENT")) == b"CONTENT"
    with pytest.raises(IncompleteReadError):
        read(body_of(CONTENT[:-1]))
