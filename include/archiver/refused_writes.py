"""Why S3 refuses to take an object: a header that the store does not know, or one that a rule demands.

Stores that speak S3's language do not all know all of its words. They answer NotImplemented or InvalidArgument, which
says nothing to whoever runs the archive; the name of the header does.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from botocore.exceptions import ClientError

WRITES = frozenset({"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"})
# What goes with every write, whatever the policy file says.
_ALWAYS = ("If-None-Match", "x-amz-checksum-sha256", "x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm")
# What goes with a write by a setting: boto3's parameter, and how the policy file says it. Longer names come first.
_BY_SETTING = {
    "x-amz-server-side-encryption-aws-kms-key-id": ("SSEKMSKeyId", "'kms_key_id'"),
    "x-amz-server-side-encryption": ("ServerSideEncryption", "'encryption: AES256' or 'kms_key_id'"),
    "x-amz-acl": ("ACL", "'acl: bucket-owner-full-control'"),
    "x-amz-tagging": ("Tagging", "'tags'"),
    "x-amz-storage-class": ("StorageClass", "'storage_class'"),
}
_RIGHTS = {"ACL": "'acl' needs s3:PutObjectAcl", "Tagging": "'tags' needs s3:PutObjectTagging"}
_NOT_UNDERSTOOD = {"InvalidArgument", "InvalidRequest", "NotImplemented"}
_NO_ACLS = "AccessControlListNotSupported"
_NEEDED = (
    "no setting leaves out: without it an object could be overwritten, or stored damaged, and nobody would know. Use a "
    "store that takes it; nothing was written"
)


def header_at_fault(error: ClientError) -> str | None:
    """The header of which the answer speaks, if it names one of those that go, or might go, with a write."""
    words = " ".join(map(str, error.response.get("Error", {}).values())).lower()
    return next((header for header in (*_ALWAYS, *_BY_SETTING) if header.lower() in words), None)


def explain_refusal(error: ClientError, sent: Collection[str]) -> str | None:
    """Why this write was refused and what to do, None where it was not a matter of headers.

    Args:
        error: what S3 answered to a write.
        sent: the parameters of boto3 that the policy file's settings made.
    """
    if error.operation_name not in WRITES:
        return None
    code = error.response.get("Error", {}).get("Code")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code == _NO_ACLS:
        return "the bucket takes no ACLs, so take 'acl' out of the policy file, or set it to bucket-owner-full-control"
    if status not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_IMPLEMENTED} and code not in _NOT_UNDERSTOOD:
        return None
    header = header_at_fault(error)
    if header in _BY_SETTING:
        return _say_of_setting(header, sent, denied=status == HTTPStatus.FORBIDDEN)
    if header:
        return f"it does not take the header {header}, which {_NEEDED}"
    return _say_all(sent) if status == HTTPStatus.NOT_IMPLEMENTED else None


def _say_of_setting(header: str, sent: Collection[str], *, denied: bool) -> str | None:
    parameter, setting = _BY_SETTING[header]
    if parameter not in sent:
        return f"it demands the header {header} of each object; set {setting} in the policy file"
    return None if denied else f"it does not take the header {header}; take {setting} out of the policy file"


def _say_all(sent: Collection[str]) -> str:
    names = ", ".join([*_ALWAYS, *(name for name, (parameter, _) in _BY_SETTING.items() if parameter in sent)])
    return f"it does not take one of the headers {names}. Those that belong to no setting are ones which {_NEEDED}"


def say_what_may_lack(error: ClientError, sent: Collection[str]) -> str:
    """For a write that was denied without a reason: what a rule of the bucket or the organization may want."""
    if error.operation_name not in WRITES:
        return ""
    needed = [right for parameter, right in _RIGHTS.items() if parameter in sent]
    unset = [
        setting
        for parameter, setting in _BY_SETTING.values()
        if parameter in {"ServerSideEncryption", "ACL", "Tagging"} and parameter not in sent
    ]
    told = f"; {', '.join(needed)}" if needed else ""
    if unset:
        told += (
            f"; or a policy of the bucket or of the organization demands of each object what the policy file does not "
            f"set: {', or '.join(unset)}"
        )
    return told
