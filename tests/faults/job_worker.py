"""A process that plans and runs jobs and ends itself at a named point: `python -m tests.faults.job_worker`.

As the worker of archives does it. Between the points around statements there is one in the middle of each call.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import boto3

from dev.postgres import PostgresServer
from pg_archiver.policies.jobs_settings import JobsSettings
from pg_archiver.postgres.calls import Call, CallEnd
from pg_archiver.s3.bucket import Bucket
from tests.faults.points import Reach, instrument
from tests.faults.worker import reaching, serve
from tests.support.job_place import JobPlace

# Somewhere in the middle of what the procedure does.
CALLING = "while the procedure runs"


@dataclass(frozen=True)
class KnownServer:
    """A server that somebody else runs."""

    arguments: dict[str, Any]

    def dsn(self, database: str) -> dict[str, Any]:
        return {**self.arguments, "dbname": database}


def place_of(order: dict[str, Any]) -> JobPlace:
    """The place that an order describes."""
    return JobPlace(
        cast(PostgresServer, KnownServer(order["dsn"])),
        order["control"],
        tuple(order["targets"]),
        order["archive"],
        order["login"],
        JobsSettings.model_validate_json(order["settings"], strict=False),
        bucket=Bucket(boto3.client("s3", **order["s3"]), order["bucket"]) if order["bucket"] else None,
    )


def order_of(place: JobPlace) -> dict[str, Any]:
    """What describes a place."""
    return {
        "dsn": place.server.dsn(place.control),
        "control": place.control,
        "targets": place.targets,
        "archive": place.archive,
        "login": place.login,
        "settings": place.settings.model_dump_json(),
        "bucket": place.bucket and place.bucket.name,
    }


def _call_points(reach: Reach) -> None:
    poll = Call.is_late

    def reaching_poll(self: Call) -> bool:
        reach(CALLING)
        return poll(self)

    Call.is_late = reaching_poll  # type: ignore[method-assign]
    call = Call.run

    def reaching_call(self: Call, text: bytes, values: Any) -> CallEnd:
        reach("before the call")
        ended = call(self, text, values)
        reach("after the call")
        return ended

    Call.run = reaching_call  # type: ignore[method-assign]


def _child(order: dict[str, Any]) -> None:
    place = place_of(order)
    names: list[str] = []
    reach = reaching(order, names)
    instrument(reach)
    _call_points(reach)
    for claim in place.plan(order["run_id"]).claims:
        place.run(claim)
    Path(order["notes"]).write_text(json.dumps(names))


if __name__ == "__main__":
    serve(_child)
