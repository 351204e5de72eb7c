"""Where a benchmark takes place: a server for the client, one for Airflow, an S3 server, one policy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.archive_data import DATABASE, KEEP_DAYS
from dev.postgres import PostgresServer
from dev.s3 import RcloneS3, S3Server
from dev.stack import DATABASE_CONNECTION, DEFAULT_STATE_DIRECTORY, locked
from dev.stop_signals import StopSignals

FOLDER = DEFAULT_STATE_DIRECTORY / "bench"
BUCKET = "bench"
# As a server in earnest: what was committed is on disk. Autovacuum is off: it would start in the one run or another.
SETTINGS = {
    "fsync": "on",
    "autovacuum": "off",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
}
# S3 does not work on the machine of its clients, as this server does: it leaves out MD5s that it takes for itself.
S3_ARGUMENTS = ("--ignore-checksum", "--etag-hash", "")


@dataclass(frozen=True)
class Place:
    """All of it runs; `s3_url` is where peers send their requests, the server itself or a counter before it.

    `folder` takes logs and whatever else has to be written.
    """

    postgres: PostgresServer
    metadata: PostgresServer
    s3: S3Server
    policies: Path
    s3_url: str
    folder: Path

    def task(self) -> dict[str, Any]:
        """What a peer's process is told."""
        return {
            "postgres": self.postgres.dsn(DATABASE),
            "s3": {
                "endpoint_url": self.s3_url,
                "aws_access_key_id": self.s3.access_key,
                "aws_secret_access_key": self.s3.secret_key,
                "region_name": self.s3.region,
                **({"verify": str(self.s3.authority)} if self.s3.authority else {}),
            },
            "bucket": BUCKET,
            "keep_days": KEEP_DAYS,
            "policies": str(self.policies),
        }

    def empty_bucket(self) -> None:
        """What the last peer uploaded goes."""
        self.s3.empty_bucket(BUCKET)


@contextmanager
def started() -> Iterator[Place]:
    """Starts the three servers on free ports of 127.0.0.1 with nothing in them; all stop on the way out, Ctrl-C too.

    Logs stay until the next start; the data go.

    Raises:
        ProcessError: another benchmark runs in the same folder, or a server did not start.
    """
    with ExitStack() as exits:
        exits.enter_context(locked(FOLDER))
        signals = exits.enter_context(StopSignals())
        state = FOLDER / "state"
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir()
        for name in ("postgres", "metadata", "s3"):  # gigabytes; what remains are logs
            exits.callback(shutil.rmtree, state / name, ignore_errors=True)
        postgres = exits.enter_context(PostgresServer(state / "postgres", SETTINGS))
        metadata = exits.enter_context(PostgresServer(state / "metadata"))
        s3 = exits.enter_context(RcloneS3(state / "s3", arguments=S3_ARGUMENTS))
        s3.create_bucket(BUCKET)
        exits.callback(signals.hold)
        yield Place(postgres, metadata, s3, written_policies(state), s3.endpoint_url, state)


def written_policies(folder: Path) -> Path:
    """The policy file of the one client, written into the folder."""
    policies = {
        "defaults": {"bucket": BUCKET, "keep_days": KEEP_DAYS, "schedule": None, "compression": "zstd"},
        "instances": [{"conn_id": DATABASE_CONNECTION, "clients": [{"name": DATABASE, "enabled": True}]}],
    }
    path = folder / "policies.yaml"
    path.write_text(json.dumps(policies), encoding="utf-8")  # JSON is YAML too
    return path
