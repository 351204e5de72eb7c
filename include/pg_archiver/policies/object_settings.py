"""WHAT every object is to carry, and by whose leave it is written: the settings of the policy file that S3 is told."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from pg_archiver.domain.default_connection import AWS_CONNECTION

# S3's classes from which an object has to be brought back before anybody can read it.
_COLD_STORAGE = {"GLACIER", "DEEP_ARCHIVE"}
_ACCOUNT = re.compile(r"[0-9]{12}")
# S3's canned ACLs for objects, but for those of the second line, which open an object to people outside.
_ACLS = ("bucket-owner-full-control", "bucket-owner-read", "private", "aws-exec-read")
_PUBLIC_ACLS = {"public-read", "public-read-write", "authenticated-read"}
# S3's rules for an object's tags ("Categorizing your storage using tags"). It counts the characters of UTF-16.
_MOST_TAGS = 10
_LONGEST_TAG_NAME, _LONGEST_TAG_VALUE = 128, 256
_TAG_SIGNS = "+-=._:/@"
_TAG_CATEGORIES = "LZN"
_RESERVED_TAGS = "aws:"


def _account(value: object) -> object:
    if value is not None and not (isinstance(value, str) and _ACCOUNT.fullmatch(value)):
        raise ValueError("not an AWS account ID: 12 digits, in quotes")
    return value


def _encryption(value: object) -> object:
    if value not in (None, "AES256"):
        raise ValueError("not AES256, which is SSE-S3. For SSE-KMS leave encryption out and set kms_key_id")
    return value


def _acl(value: object) -> object:
    if isinstance(value, str) and value in _PUBLIC_ACLS:
        raise ValueError(f"it would make the clients' rows public. Set one of {', '.join(_ACLS)}")
    if value is not None and value not in _ACLS:
        raise ValueError(f"not one of S3's canned ACLs: {', '.join(_ACLS)}")
    return value


def _tags(value: object) -> object:
    """Return tags as S3 takes them, or refuse them, so that no run finds out that S3 does not."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("not a mapping of names to values, such as {team: data}")  # noqa: TRY004 (pydantic's own)
    if len(value) > _MOST_TAGS:
        raise ValueError(f"{len(value)} tags. S3 allows {_MOST_TAGS} per object")
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise ValueError(f"tag {name!r}: {text!r} is not text. Put both in quotes")  # noqa: TRY004
        if not 0 < _units(name) <= _LONGEST_TAG_NAME or _units(text) > _LONGEST_TAG_VALUE:
            raise ValueError(
                f"tag {name!r}: a name has 1 to {_LONGEST_TAG_NAME} characters, a value {_LONGEST_TAG_VALUE} at most"
            )
        if strange := [sign for sign in name + text if not _is_allowed(sign)]:
            raise ValueError(
                f"tag {name!r} has the character {strange[0]!r}. S3 allows letters, digits, spaces and {_TAG_SIGNS}"
            )
        if name.casefold().startswith(_RESERVED_TAGS):
            raise ValueError(f"tag {name!r}: names that begin with {_RESERVED_TAGS} are AWS's own")
    return value


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_allowed(sign: str) -> bool:
    return sign in _TAG_SIGNS or unicodedata.category(sign)[0] in _TAG_CATEGORIES


class ObjectSettings(BaseModel):
    """What S3 is told with each object, and the Airflow connection by which; any level of the file may give them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kms_key_id: str | None = None
    encryption: Annotated[Literal["AES256"] | None, BeforeValidator(_encryption)] = None
    acl: Annotated[str | None, BeforeValidator(_acl)] = None
    tags: Annotated[dict[str, str], BeforeValidator(_tags)] = Field(default_factory=dict)
    storage_class: str | None = None
    bucket_owner: Annotated[str | None, BeforeValidator(_account)] = None
    aws_conn_id: Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=200)] = AWS_CONNECTION

    @field_validator("storage_class")
    @classmethod
    def _readable_at_once(cls, value: str | None) -> str | None:
        if value in _COLD_STORAGE:
            raise ValueError(
                f"{value!r} gives nothing back for hours, so no object could be read back and no row would ever "
                "leave. Use GLACIER_IR, or a lifecycle rule that moves objects later"
            )
        return value

    @model_validator(mode="after")
    def _one_encryption(self) -> Self:
        if self.encryption and self.kms_key_id:
            raise ValueError(
                "encryption and kms_key_id are both set, but an object is encrypted in one way. Keep one of them. If "
                "the other comes from an outer level, set it to null here"
            )
        return self

    @property
    def object_parameters(self) -> dict[str, str]:
        """The settings as parameters of boto3's PutObject and CreateMultipartUpload; only those that are set."""
        found = {
            "ServerSideEncryption": "aws:kms" if self.kms_key_id else self.encryption,
            "SSEKMSKeyId": self.kms_key_id,
            "ACL": self.acl,
            "Tagging": urlencode(self.tags, quote_via=quote, safe=""),
            "StorageClass": self.storage_class,
        }
        return {name: value for name, value in found.items() if value}
