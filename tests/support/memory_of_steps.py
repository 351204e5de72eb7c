"""A whole round trip of one table in a process of its own, which tells its peak of memory in MB after each step."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from base64 import b64decode, b64encode
from typing import Any

import boto3
import psycopg
from botocore.config import Config

from dev.peak_memory import read_peak_mb
from pg_archiver.archive.delete import delete
from pg_archiver.archive.export import export
from pg_archiver.archive.store import store
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import OnConflict, RestoreOrder, WorkOrder
from pg_archiver.postgres.session import Session
from pg_archiver.restore.restore import restore
from pg_archiver.s3.bucket import Bucket
from tests.support.place import Place


def peaks(place: Place, window: DueWindow) -> dict[str, float]:
    """Archives one window and restores it, in a fresh process; its peak before all, and after each step."""
    s3 = {
        "endpoint_url": place.s3.endpoint_url,
        "aws_access_key_id": place.s3.access_key,
        "aws_secret_access_key": place.s3.secret_key,
        "region_name": place.s3.region,
    }
    work = pickle.dumps((place.server.dsn(place.database), s3, place.order, window))
    done = subprocess.run(
        [sys.executable, "-m", __name__], input=b64encode(work), capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    work: tuple[dict[str, Any], dict[str, Any], WorkOrder, DueWindow] = pickle.loads(b64decode(sys.stdin.read()))  # noqa: S301
    dsn, s3, order, window = work
    bucket = Bucket(boto3.client("s3", **s3, config=Config(proxies={})), order.bucket)
    found = {"before": read_peak_mb()}

    with Session.connect(lambda: psycopg.connect(**dsn), order.client, "test") as session:
        export(session, bucket, order, window)
        found["export"] = read_peak_mb()
        store(session, bucket, order, window)
        found["store"] = read_peak_mb()
        delete(session, bucket, order, window, lambda: False)
        found["delete"] = read_peak_mb()
        restored = RestoreOrder(order, window.cell.start, window.cell.end, None, OnConflict.FAIL)
        assert restore(session, bucket, restored).failures == []
        found["restore"] = read_peak_mb()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
