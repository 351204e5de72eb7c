"""A request to S3 as boto3 makes it, learned from one that it sent, so that the next ones are made without it. No I/O.

Of two requests of one kind only a few things differ: the key, the body with its checksum, the time, and with them the
signature. All else, from the address to the headers of the policy's settings, stays as boto3 found it out. A pattern is
learned only if it makes of the same parameters, keys and time just the request that boto3 sent, signature included. So
whatever is not known here, such as another way to sign or a header of somebody's own, is left to boto3.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO
from typing import Any, cast
from urllib.parse import quote, urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.credentials import ReadOnlyCredentials

# What differs between two requests of one kind, as boto3's parameters.
VARIED = frozenset({"Key", "Body", "ChecksumSHA256", "Metadata", "UploadId", "PartNumber"})
# Headers that are the same each time. Any other that is not made below stands for something unknown.
_CONSTANT = frozenset(
    {"user-agent", "amz-sdk-request", "expect", "if-none-match", "x-amz-checksum-mode", "x-amz-sdk-checksum-algorithm"}
    | {"x-amz-expected-bucket-owner", "x-amz-acl", "x-amz-storage-class", "x-amz-tagging"}
    | {"x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"}
)
_SHA256, _CHECKSUM, _DATE = "x-amz-content-sha256", "x-amz-checksum-sha256", "x-amz-date"
_INVOCATION, _TOKEN, _LENGTH, _METADATA = (
    "amz-sdk-invocation-id",
    "x-amz-security-token",
    "content-length",
    "x-amz-meta-",
)
_QUERY = {"UploadId": "uploadId", "PartNumber": "partNumber"}
_UNSIGNED, _NOTHING = "UNSIGNED-PAYLOAD", hashlib.sha256(b"").hexdigest()
_FIRST_TRY = "attempt=1"
_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=.+/\d{{8}}/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=[0-9a-f]+"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DAY_LETTERS = 8


class UnlikeError(Exception):
    """This request differs from the pattern in more than a pattern knows."""


@dataclass(frozen=True)
class Pattern:
    """One kind of request: how boto3 sends it, but for what differs from one to the next.

    `base` is the address up to the key. `headers` are in boto3's order, each with its name as it is sent, in small
    letters, and with its value where that stays. `signed` are the names of those that the signature covers.
    """

    method: str
    base: str
    host: str
    region: str
    service: str
    headers: tuple[tuple[str, str, bytes | None], ...]
    signed: tuple[str, ...]
    signs_payload: bool
    streams: bool

    @classmethod
    def learn(cls, asked: Mapping[str, Any], sent: AWSPreparedRequest, keys: ReadOnlyCredentials) -> Pattern | None:
        """Return the pattern of a request that boto3 sent for these parameters, signed with these keys.

        Returns:
            None where there is anything about the request that a pattern would not make in the same way.
        """
        told = {name.lower(): _text(value) for name, value in sent.headers.items()}
        signature = _AUTHORIZATION.fullmatch(told.get("authorization", ""))
        address, key = str(sent.url).partition("?")[0], quote(asked["Key"], safe="/~")
        first = told.get("amz-sdk-request", "").partition(";")[0] == _FIRST_TRY
        if not (signature and first and address.endswith(f"/{key}")):
            return None
        region, service, signed = signature.groups()
        base = address.removesuffix(key)
        pattern = cls(
            method=str(sent.method),
            base=base,
            host=_host(base),
            region=region,
            service=service,
            headers=tuple(
                (name, name.lower(), _bytes(value) if name.lower() in _CONSTANT else None)
                for name, value in sent.headers.items()
            ),
            signed=tuple(signed.split(";")),
            signs_payload=told.get(_SHA256) != _UNSIGNED,
            streams=bool(sent.stream_output),
        )
        try:
            made = pattern.make(asked, keys, told.get(_DATE, ""), told.get(_INVOCATION, ""))
        except (UnlikeError, KeyError):
            return None
        return pattern if _whole(made) == _whole(sent) else None

    @property
    def compares_checksum(self) -> bool:
        """Whether S3 is asked for the checksum that it keeps of an object, which is to be compared then."""
        return any(name == "x-amz-checksum-mode" for _, name, _ in self.headers)

    @cached_property
    def _constant_texts(self) -> dict[str, str]:
        """The headers that stay, as a signature covers them."""
        return {small: " ".join(_text(value).split()) for _, small, value in self.headers if value is not None}

    def make(
        self, asked: Mapping[str, Any], keys: ReadOnlyCredentials, moment: str, invocation: str
    ) -> AWSPreparedRequest:
        """Return the request for these parameters, signed.

        Args:
            asked: boto3's parameters, of the kind of which the pattern was learned.
            keys: what to sign with.
            moment: the time, as a signature has it: 20260131T235959Z.
            invocation: a name of the request's own.

        Raises:
            UnlikeError: the pattern does not say how to send this.
        """
        body = asked.get("Body")
        values = _vary(asked, body, keys, moment, invocation, signs_payload=self.signs_payload)
        key, query = quote(asked["Key"], safe="/~"), _query(asked)
        values["authorization"] = self._sign(key, "&".join(sorted(query)), values, keys)
        headers = {name: values.pop(small) if value is None else value for name, small, value in self.headers}
        if values or not key:
            raise UnlikeError
        url = f"{self.base}{key}?{'&'.join(query)}" if query else self.base + key
        return AWSPreparedRequest(self.method, url, cast(Any, headers), body, self.streams)

    def _sign(self, key: str, query: str, values: Mapping[str, str], keys: ReadOnlyCredentials) -> str:
        """Return the header Authorization: Signature Version 4, as S3's documentation describes it."""
        texts = {**self._constant_texts, **values, "host": self.host}
        try:
            lines = "".join(f"{name}:{texts[name]}\n" for name in self.signed)
        except KeyError:
            raise UnlikeError from None
        names, path = ";".join(self.signed), urlsplit(self.base).path
        canonical = f"{self.method}\n{path}{key}\n{query}\n{lines}\n{names}\n{values[_SHA256]}"
        moment = values[_DATE]
        day = moment[:_DAY_LETTERS]
        scope = f"{day}/{self.region}/{self.service}/aws4_request"
        to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(_signing_key(str(keys.secret_key), scope), to_sign.encode(), "sha256").hex()
        return f"{_ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"


def _vary(
    asked: Mapping[str, Any],
    body: bytes | bytearray | None,
    keys: ReadOnlyCredentials,
    moment: str,
    invocation: str,
    *,
    signs_payload: bool,
) -> dict[str, str]:
    """Return the headers that differ from request to request, but for the signature."""
    values = {_DATE: moment, _INVOCATION: invocation, _SHA256: _NOTHING if signs_payload else _UNSIGNED}
    if keys.token:
        values[_TOKEN] = keys.token
    if body is not None:
        values[_LENGTH], values[_CHECKSUM] = str(len(body)), asked["ChecksumSHA256"]
        if signs_payload:
            values[_SHA256] = b64decode(values[_CHECKSUM]).hex()
    for name, value in asked.get("Metadata", {}).items():
        values[_METADATA + name.lower()] = value
    return values


def _query(asked: Mapping[str, Any]) -> list[str]:
    """Return what comes behind the key, in boto3's order, which is that of its parameters."""
    return [f"{_QUERY[name]}={quote(str(value), safe='-._~')}" for name, value in asked.items() if name in _QUERY]


@lru_cache(maxsize=8)
def _signing_key(secret: str, scope: str) -> bytes:
    """Return the key of one day, region and service; it is the same for all requests of a day."""
    key = f"AWS4{secret}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    return key


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    return host if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{host}:{parts.port}"


def _whole(request: AWSPreparedRequest) -> tuple[object, ...]:
    headers = [(name, _bytes(value)) for name, value in request.headers.items()]
    body = request.body
    # As a file is how botocore holds what it was given as bytes.
    content = body.getvalue() if isinstance(body, BytesIO) else body
    return (request.method, request.url, headers, content or None, request.stream_output)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
