"""What may happen between the archiver and S3. Each fault breaks the first run; the next ones are plain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from pg_archiver.errors import ArchiverError, CheckFailed, StorageInterrupted, StorageRefused
from pg_archiver.s3.bucket import Bucket
from pg_archiver.s3.part_sizes import PartSizes
from tests.faults.account import Account, Verdict
from tests.faults.archiving import Run
from tests.faults.comparing import compared
from tests.faults.place import Place, hours_ago
from tests.faults.recorder import filled, with_table
from tests.faults.s3_proxy import Answer, Deed, Fault, Forward, Request, Reset, S3Proxy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UPLOADS = frozenset({"PutObject", "UploadPart", "CompleteMultipartUpload"})
BODIES = frozenset({"PutObject", "UploadPart"})
READS = frozenset({"GetObject"})
EVERYTHING = UPLOADS | READS | {"HeadObject", "HeadBucket", "CreateMultipartUpload", "AbortMultipartUpload"}
# A window's object takes two parts or three then, and its sidecar and manifest are single requests.
PARTS = PartSizes(first=1000)
_HOURS = (50, 51)
_ROWS_A_WINDOW = 8
_NOISE = 400
_STALL_SECONDS = 1.5


@dataclass(frozen=True)
class Trial:
    """A fault, and how the broken run ends; None where S3's client or our own tries get over it.

    With `by_list` rows leave by their list, which the delete reads for that.
    """

    fault: Callable[[], Fault]
    says: type[ArchiverError] | None
    by_list: bool = False


def client_of(place: Place, proxy: S3Proxy) -> S3Client:
    """A client that goes through the proxy, and that does not wait for long."""
    return boto3.client(
        "s3",
        endpoint_url=proxy.endpoint_url,
        aws_access_key_id=place.s3.access_key,
        aws_secret_access_key=place.s3.secret_key,
        region_name=place.s3.region,
        config=Config(
            s3={"addressing_style": "path"},
            proxies={},
            connect_timeout=1,
            read_timeout=1,
            retries={"total_max_attempts": 2, "mode": "standard"},
        ),
    )


def answered(status: int, code: str) -> Deed:
    """S3's own error answer; the request goes no further."""

    def deed(request: Request, _forward: Forward) -> Answer:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        head = request.method == "HEAD"
        headers = [("Content-Type", "application/xml"), ("Content-Length", "0" if head else str(len(body)))]
        return Answer(status, headers, b"" if head else body)

    return deed


def reset(_request: Request, _forward: Forward) -> Answer:
    raise Reset


def reset_after(request: Request, forward: Forward) -> Answer:
    """S3 does what it is asked, and the answer is lost."""
    forward(request.body)
    raise Reset


def stall(_request: Request, _forward: Forward) -> Answer:
    """Nobody answers, and nobody hangs up."""
    time.sleep(_STALL_SECONDS)
    raise Reset


def half_then_reset(request: Request, forward: Forward) -> Answer:
    """The connection ends in the middle of the answer."""
    whole = forward(request.body)
    return replace(whole, sent=len(whole.body) // 2)


def half_then_stall(request: Request, forward: Forward) -> Answer:
    """The answer stops coming in the middle."""
    whole = forward(request.body)
    return replace(whole, sent=len(whole.body) // 2, stalled=True)


def shortened(request: Request, forward: Forward) -> Answer:
    """Half of the object, with a length that says that this is all."""
    whole = forward(request.body)
    half = whole.body[: len(whole.body) // 2]
    headers = [(name, value) for name, value in whole.headers if name.lower() not in _ABOUT_THE_BODY]
    return Answer(whole.status, [*headers, ("Content-Length", str(len(half)))], half)


def flipped_out(request: Request, forward: Forward) -> Answer:
    """One bit is wrong on the way back."""
    whole = forward(request.body)
    headers = [(name, value) for name, value in whole.headers if not name.lower().startswith("x-amz-checksum")]
    return replace(whole, headers=headers, body=_flipped(whole.body))


def flipped_alone(request: Request, forward: Forward) -> Answer:
    """One bit is wrong on the way back, and the checksum that comes with it is not."""
    whole = forward(request.body)
    return replace(whole, body=_flipped(whole.body))


def flipped_in(request: Request, forward: Forward) -> Answer:
    """One bit is wrong on the way there."""
    return forward(_flipped(request.body))


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


_ABOUT_THE_BODY = {"content-length", "x-amz-checksum-sha256", "x-amz-checksum-crc32"}


def trial_of(
    operations: frozenset[str] | set[str],
    deed: Deed,
    says: type[ArchiverError] | None,
    after: int = 0,
    times: int = 1_000,
    key: str = "",
    *,
    by_list: bool = False,
) -> Trial:
    return Trial(lambda: Fault(frozenset(operations), deed, after=after, times=times, key=key), says, by_list)


def _half_read(after: int) -> Trial:
    """Half of an upload is taken in, then the connection is reset."""
    fault = lambda: Fault(BODIES, reset, after=after, read=lambda length: length // 2)  # noqa: E731
    return Trial(fault, StorageInterrupted)


def _in_delete(deed: Deed, says: type[ArchiverError], times: int = 1_000) -> Trial:
    """At the reads of the lists for the delete: those before are the check's, one a window."""
    return trial_of(READS, deed, says, len(_HOURS), times, ".keys.", by_list=True)


BUSY, BROKEN, DENIED = answered(503, "SlowDown"), answered(500, "InternalError"), answered(403, "AccessDenied")
_COMPLETE = {"CompleteMultipartUpload"}
TRIALS: dict[str, Trial] = {
    "busy for a moment": trial_of(EVERYTHING, BUSY, None, after=4, times=1),
    "busy from the first request on": trial_of(EVERYTHING, BUSY, StorageInterrupted),
    "busy for uploads": trial_of(UPLOADS, BUSY, StorageInterrupted, after=1),
    "internal error for reads": trial_of(READS, BROKEN, StorageInterrupted, after=2),
    "internal error at the end of an upload": trial_of(_COMPLETE, BROKEN, StorageInterrupted),
    "internal error at the manifest": trial_of(BODIES, BROKEN, StorageInterrupted, key="manifest"),
    "reset before an upload": trial_of(BODIES, reset, StorageInterrupted),
    "reset in mid-upload": _half_read(after=1),
    "reset after an upload": trial_of({"PutObject"}, reset_after, None),
    "answer lost once after an upload": trial_of({"PutObject"}, reset_after, None, times=1),
    "answer lost after the last part": trial_of(_COMPLETE, reset_after, None),
    "answer lost after the manifest": trial_of({"PutObject"}, reset_after, None, key="manifest"),
    "stalled upload": trial_of(BODIES, stall, StorageInterrupted, after=1),
    "stalled read": trial_of(READS, half_then_stall, StorageInterrupted),
    "stalled read of a sidecar": _in_delete(half_then_stall, StorageInterrupted),
    "read broken off": trial_of(READS, half_then_reset, StorageInterrupted),
    "read broken off in the delete": _in_delete(half_then_reset, StorageInterrupted),
    "read shortened": trial_of(READS, shortened, CheckFailed, times=1),
    "sidecar shortened in the delete": _in_delete(shortened, CheckFailed, times=1),
    "bit flipped on the way back": trial_of(READS, flipped_out, CheckFailed, times=1),
    "bit flipped on the way back of a sidecar": trial_of(READS, flipped_out, CheckFailed, key=".keys.", times=1),
    "bit flipped for the delete": _in_delete(flipped_out, CheckFailed, times=1),
    "bit flipped in the manifest": trial_of(READS, flipped_out, CheckFailed, key="manifest", times=1),
    "bit flipped beside its checksum": trial_of(READS, flipped_alone, CheckFailed, key="manifest", times=1),
    "bit flipped on the way there": trial_of(BODIES, flipped_in, CheckFailed, times=1),
    "bit flipped in every sidecar on the way there": trial_of(BODIES, flipped_in, CheckFailed, key=".keys."),
    "bit flipped in every manifest on the way there": trial_of(BODIES, flipped_in, CheckFailed, key="manifest"),
    "DELETE denied": trial_of({"AbortMultipartUpload"}, DENIED, StorageRefused),
    "LIST denied": trial_of({"HeadBucket", "ListObjects"}, DENIED, StorageRefused),
    "LIST denied, so that HEAD of a missing key is": trial_of({"HeadObject"}, DENIED, StorageRefused),
}
TRIALS |= {
    f"{code} from request {number} on": trial_of(EVERYTHING, answered(status, code), StorageRefused, after=number)
    for status, code in ((400, "ExpiredToken"), (403, "AccessDenied"))
    for number in (0, 5, 12, 20, 26, 30)
}


@dataclass(frozen=True)
class Outcome:
    """What the broken run said, how often the fault was met, and the verdict after the plain reruns."""

    error: ArchiverError | None
    met: int
    verdict: Verdict


def tried(place: Place, proxy: S3Proxy, name: str, trial: Trial) -> Outcome:
    """Archives a new table through the faulty proxy, runs plainly again and checks everything."""
    table = with_table(place, name, keyed=len(name) % 2 == 0, batch_size=3)
    if trial.by_list:
        table.sql(f"DROP INDEX analytics.{name}_triggered_at")
    account = Account(table)
    filled(table, [hours_ago(hour - row / 60) for hour in _HOURS for row in range(_ROWS_A_WINDOW)], noise=_NOISE)
    fault = trial.fault()
    error: ArchiverError | None = None
    try:
        with proxy.doing(fault):
            Run.of(table, Bucket(client_of(place, proxy), table.bucket, parts=PARTS)).archive()
    except ArchiverError as found:
        error = found
    account.witness.look(table)
    Run.of(table).settle()
    return Outcome(error, fault.done, account.check() + compared(table))
