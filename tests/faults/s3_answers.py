"""Answers of S3 that are lost, and answers that say "not now": once, in bursts and for ever, at every kind of request.

What the run says of them is others' tests' business; here only the account counts.
"""

from __future__ import annotations

from dataclasses import replace

from tests.faults.s3_faults import EVERYTHING, READS, UPLOADS, Trial, answered, half_then_reset, trial_of
from tests.faults.s3_proxy import Answer, Deed, Forward, Request, Reset

_FOR_EVER = 1_000


def lost(request: Request, forward: Forward) -> Answer:
    """S3 does what it is asked, and the connection ends before a word of the answer."""
    forward(request.body)
    raise Reset


def lost_to_a_gateway(request: Request, forward: Forward) -> Answer:
    """S3 does what it is asked, and something between says that it did not."""
    forward(request.body)
    return answered(504, "GatewayTimeout")(request, forward)


def lost_in_the_middle(request: Request, forward: Forward) -> Answer:
    """S3 does what it is asked, and the answer's body ends early, under a length that says that this is all of it."""
    whole = forward(request.body)
    half = whole.body[: len(whole.body) // 2]
    headers = [(name, value) for name, value in whole.headers if name.lower() != "content-length"]
    return replace(whole, headers=[*headers, ("Content-Length", str(len(half)))], body=half)


_LOST: dict[str, Deed] = {"lost": lost, "lost to a gateway": lost_to_a_gateway}
_WRITES = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload", "PutObject")

LOST: dict[str, Trial] = {
    f"answer to {operation} {how} {often}": trial_of({operation}, deed, None, after, times)
    for operation in _WRITES
    for how, deed in _LOST.items()
    for often, after, times in (
        ("once", 0, 1),
        ("once, later", 1, 1),
        ("twice", 1, 2),
        ("for ever", 1, _FOR_EVER),
    )
    # A clean-up of an upload, of which there is none in a run that succeeds; it is met with another fault below.
    if operation != "AbortMultipartUpload"
}
LOST |= {
    f"answer to {operation} lost in the middle {often}": trial_of({operation}, lost_in_the_middle, None, 0, times)
    for operation in ("CreateMultipartUpload", "CompleteMultipartUpload")
    for often, times in (("once", 1), ("for ever", _FOR_EVER))
}
LOST |= {
    f"answer to the {what} lost {often}": trial_of({"PutObject"}, lost, None, 0, times, key)
    for what, key in (("sidecar", ".keys."), ("manifest", "manifest"), ("note", ".kept."))
    for often, times in (("once", 1), ("for ever", _FOR_EVER))
    if what != "note"
}
LOST |= {
    f"GetObject of the {what} broken off {often}": trial_of(
        READS, half_then_reset, None, after, times, key, by_list=key == ".keys."
    )
    for what, key, after in (("object", ".csv", 0), ("manifest", "manifest", 0), ("list for the delete", ".keys.", 2))
    for often, times in (("once", 1), ("three times", 3))
}
LOST |= {
    f"answer to HeadObject lost {often}": trial_of({"HeadObject"}, lost, None, 1, times)
    for often, times in (("once", 1), ("for ever", _FOR_EVER))
}

_NOT_NOW = {
    "TooManyRequests": 429,
    "SlowDown": 503,
    "ServiceUnavailable": 503,
    "KMS.ThrottlingException": 400,
    "ThrottlingException": 400,
    "OperationAborted": 409,
    "RequestTimeTooSkewed": 403,
    "InternalError": 500,
}
_AT = {"uploads": UPLOADS, "reads": READS, "all requests": EVERYTHING}

THROTTLED: dict[str, Trial] = {
    # Of six reads all are the check's, and those behind them are of the lists for the delete.
    f"{code} ({status}) to {what}, {often}": trial_of(
        operations, answered(status, code), None, after, times, by_list=operations is READS
    )
    for code, status in _NOT_NOW.items()
    for what, operations in _AT.items()
    for often, after, times in (("a burst", 3, 3), ("from then on", 6, _FOR_EVER))
}
