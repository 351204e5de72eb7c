"""Several databases one after the other in one process, each archived by the module that `BENCH_ENGINE` names.

The release before runs it too: with its own folder as the working directory, whose modules are found first.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import boto3

from bench.peers.protocol import serve

_engine = import_module(os.environ["BENCH_ENGINE"])
# The first client of a process has botocore read its model of S3, which is no database's work.
boto3.client("s3", region_name="us-east-1")


def work(task: dict[str, Any]) -> None:
    """Archives all that is due in each database, by its own policy file."""
    for database, policies in task["databases"].items():
        _engine.work(task | {"postgres": task["postgres"] | {"dbname": database}, "policies": policies})


if __name__ == "__main__":
    serve(work)
