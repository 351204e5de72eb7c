"""DuckDB for every hour: its postgres extension reads, its httpfs extension writes Parquet, then DELETE by the range.

In an environment that holds DuckDB and nothing of ours. Nothing is read back or counted. It is not exact either:
NUMERIC without a precision becomes DOUBLE and its NaN 0.0, infinite times become finite, char(n) loses its padding.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import duckdb
from duckdb_extensions import import_extension

from bench.peers.cutoff import cutoff
from bench.peers.protocol import serve

EXTENSIONS = ("httpfs", "postgres_scanner")
OLDEST = "SELECT date_trunc('hour', min(triggered_at)) FROM source.analytics.events"
READ = "SELECT * FROM source.analytics.events WHERE triggered_at >= '{start}' AND triggered_at < '{end}'"
WRITE = "COPY ({read}) TO 's3://{bucket}/events/{start:%Y-%m-%d-%H}.parquet' (FORMAT parquet, COMPRESSION zstd)"
# Through the server itself: DuckDB's own DELETE would fetch the rows first.
DELETE = "DELETE FROM analytics.events WHERE triggered_at >= ''{start}'' AND triggered_at < ''{end}''"


def work(task: dict[str, Any]) -> None:
    """One connection, attached so that a filter on the time goes to the server."""
    postgres, s3 = task["postgres"], task["s3"]
    connection = duckdb.connect()
    for name in EXTENSIONS:
        import_extension(name, con=connection)
        connection.execute(f"LOAD {name}")
    endpoint = urlsplit(s3["endpoint_url"])
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{s3['aws_access_key_id']}', SECRET '{s3['aws_secret_access_key']}',"
        f" REGION '{s3['region_name']}', ENDPOINT '{endpoint.netloc}', URL_STYLE 'path', USE_SSL false)"
    )
    place = " ".join(f"{name}={value}" for name, value in postgres.items())
    connection.execute(f"ATTACH '{place}' AS source (TYPE postgres)")
    found = connection.execute(OLDEST).fetchone()
    hour: datetime | None = found[0] if found else None
    while hour and hour < cutoff(task["keep_days"]):
        span = {"start": hour, "end": hour + timedelta(hours=1)}
        connection.execute(WRITE.format(read=READ.format(**span), bucket=task["bucket"], **span))
        connection.execute(f"CALL postgres_execute('source', '{DELETE.format(**span)}')")
        hour = span["end"]


if __name__ == "__main__":
    serve(work)
