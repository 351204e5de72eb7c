"""A process that runs one archive or restore and ends itself at a named point: `python -m tests.faults.worker`.

The end is by SIGKILL. It imports everything once, and then forks a child for each order that comes in as a line of
JSON, so that a kill costs no more than the work itself. The answer is a line of JSON. It ends when its input does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psycopg
from botocore.config import Config

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.versions import KeepVersions
from pg_archiver.domain.work import WorkOrder
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.postgres import session
from pg_archiver.s3.bucket import Bucket
from pg_archiver.s3.part_sizes import PartSizes
from tests.faults.archiving import Run
from tests.faults.points import instrument
from tests.support.archive_jobs import ArchiveJob

_LONGEST_SECONDS = 60.0
_POLL_SECONDS = 0.002
# Small enough that a few rows make a multipart upload, and that a fresh connection is all a rerun waits for.
PARTS = PartSizes(first=1000)
LOCK_POLL_SECONDS = 0.02
# A point of its own, so that one can tell a table's points from those of its children.
NEXT_TABLE = "before the archive of a table"


def run_of(order: dict[str, Any]) -> Run:
    """The run that an order describes."""
    s3, dsn = order["s3"], order["dsn"]
    client = boto3.client("s3", **s3, config=Config(s3={"addressing_style": "path"}, proxies={}))
    work = {
        **order["work"],
        "table": TableName(**order["work"]["table"]),
        "children": tuple(TableName(**child) for child in order["work"]["children"]),
    }
    if kept := work["versions"]:
        work["versions"] = KeepVersions(kept["keep"], tuple(kept["key_columns"]), kept["version_column"])
    policy = TablePolicy.model_validate(order["policy"])
    bucket = Bucket(client, work["bucket"], parts=PARTS)
    return Run(lambda: psycopg.connect(**dsn), dsn["dbname"], bucket, WorkOrder(**work), policy)


def _child(order: dict[str, Any]) -> None:
    session.LOCK_POLL_SECONDS = LOCK_POLL_SECONDS
    run = run_of(order)
    names: list[str] = []
    reach = reaching(order, names)
    instrument(reach, run.store.client)
    if order["restore"] is None:
        for one in (*run.children(), run):
            reach(NEXT_TABLE)
            if order["job"]:
                ArchiveJob.of(one).archive()
            else:
                one.archive()
    else:
        run.restore(**order["restore"]).refuse_failures()
    Path(order["notes"]).write_text(json.dumps(names))


def reaching(order: dict[str, Any], names: list[str]) -> Callable[[str], None]:
    """What is called at each point: it notes the point, and ends the process where the order says so."""
    met: Counter[str] = Counter()

    def reach(point: str) -> None:
        met[point] += 1
        names.append(point)
        if [point, met[point]] == order.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def _obey(order: dict[str, Any], obey: Callable[[dict[str, Any]], None]) -> dict[str, object]:
    """Runs one child to its end, or to the instant at which the order wants it dead."""
    started = time.monotonic()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            obey(order)
            status = 0
        except BaseException:  # noqa: BLE001 (the process ends here, whatever it was)
            traceback.print_exc()
        finally:
            os._exit(status)
    instant = order.get("instant")
    deadline = started + (_LONGEST_SECONDS if instant is None else instant)
    done = 0
    while not done and time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(_POLL_SECONDS)
    if not done:
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    hung = not done and instant is None
    return {"killed": killed and not hung, "status": status, "seconds": time.monotonic() - started}


def serve(obey: Callable[[dict[str, Any]], None]) -> None:
    """Forks a child for each order, which obeys it."""
    print(json.dumps({"ready": os.getpid()}), flush=True)  # noqa: T201 (this is the answer)
    for line in sys.stdin:
        print(json.dumps(_obey(json.loads(line), obey)), flush=True)  # noqa: T201 (this is the answer)


if __name__ == "__main__":
    serve(_child)
