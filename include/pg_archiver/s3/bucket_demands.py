"""Why S3 does not take an object as it is: a rule of the bucket demands what the policy file does not set. No I/O.

A policy of the bucket or of the organization (SCP) may deny every object without an encryption header, say. S3 then
answers AccessDenied, as if a privilege were missing, and mostly says nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from botocore.exceptions import ClientError

NO_ACLS = "AccessControlListNotSupported"
_WRITES = frozenset({"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"})
# What a rule may demand: the header, boto3's parameter, and how the policy file sets it.
_DEMANDS = (
    ("x-amz-server-side-encryption", "ServerSideEncryption", "'encryption: AES256' or 'kms_key_id'"),
    ("x-amz-acl", "ACL", "'acl: bucket-owner-full-control'"),
    ("x-amz-tagging", "Tagging", "'tags'"),
)
# Permissions beside s3:PutObject.
_RIGHTS = {"ACL": "'acl' needs s3:PutObjectAcl", "Tagging": "'tags' needs s3:PutObjectTagging"}


def say_what_is_demanded(error: ClientError, sent: Collection[str]) -> str | None:
    """Return the setting that fixes a refused write if the answer itself tells; None if it does not.

    Args:
        error: what S3 answered.
        sent: boto3's parameters that the policy file's settings made.
    """
    answer = error.response.get("Error", {})
    if error.operation_name not in _WRITES:
        return None
    if answer.get("Code") == NO_ACLS:
        return (
            "The bucket takes no ACLs. Fix: take 'acl' out of the policy file, or set it to bucket-owner-full-control"
        )
    words = " ".join(map(str, answer.values())).lower()
    for header, parameter, setting in _DEMANDS:
        if header in words and parameter not in sent:
            return f"Each object must carry the header {header}. Fix: set {setting} in the policy file"
    return None


def say_what_may_lack(error: ClientError, sent: Collection[str]) -> str:
    """Say what may be missing where a write was denied without a reason: permissions, and what a policy demands."""
    if error.operation_name not in _WRITES:
        return ""
    needed = [right for parameter, right in _RIGHTS.items() if parameter in sent]
    unset = [setting for _header, parameter, setting in _DEMANDS if parameter not in sent]
    told = f"; {', '.join(needed)}" if needed else ""
    if unset:
        told += (
            f"; or a policy of the bucket or of the organization demands of each object what the policy file does not "
            f"set: {', or '.join(unset)}"
        )
    return told


def is_about_headers(error: ClientError, headers: Collection[str]) -> bool:
    """Return whether a write was refused for what goes with it rather than for what it asks."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    words = " ".join(map(str, error.response.get("Error", {}).values())).lower()
    return status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_IMPLEMENTED} or any(
        header.lower() in words for header in headers
    )
