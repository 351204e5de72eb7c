"""pg-freezer, by its command line's own entry, in the environment that holds it and nothing of ours."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pg_freezer.cli import main

from bench.peers.cutoff import cutoff
from bench.peers.protocol import serve


def work(task: dict[str, Any]) -> None:
    """`pg-freezer run` for the one table, hour by hour.

    It works on empty hours too, so its lag is not two days, which would add the hours since midnight: it ends at the
    cutoff.
    """
    lag = datetime.now(UTC).replace(tzinfo=None) - cutoff(task["keep_days"])
    place, s3 = task["postgres"], task["s3"]
    account = f"{quote(place['user'], safe='')}:{quote(place['password'], safe='')}"
    settings = {
        "database": {
            "dsn": f"postgresql://{account}@{place['host']}:{place['port']}/{place['dbname']}",
            "statement_timeout": "10m",
        },
        "storage": {
            "protocol": "s3",
            "endpoint_url": s3["endpoint_url"],
            "bucket": task["bucket"],
            "access_key": s3["aws_access_key_id"],
            "secret_key": s3["aws_secret_access_key"],
            "path_style": True,
        },
        "tables": [
            {
                "name": "events",
                "schema": "analytics",
                "timestamp_column": "triggered_at",
                "partition_by": "hourly",
                "lag": f"{int(lag.total_seconds())}s",
            }
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"  # JSON is YAML too
        path.touch(mode=0o600)
        path.write_text(json.dumps(settings), encoding="utf-8")
        main(["run", "--config", str(path)], standalone_mode=False)


if __name__ == "__main__":
    serve(work)
