"""A plain script, as many are written: pages by LIMIT and OFFSET into a CSV, an upload, a DELETE by the same range.

It is here for its speed. It loses rows that are committed while it uploads, overwrites the object of an hour that gets
late rows, writes JSON as Python prints it, and cannot tell NULL from ''.
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import boto3
import psycopg

from bench.peers.hours import hours_before_cutoff
from bench.peers.protocol import serve

PAGE_ROWS = 5000
PAGE = """
    SELECT * FROM analytics.events WHERE triggered_at >= %s AND triggered_at < %s LIMIT %s OFFSET %s
"""
DELETE = "DELETE FROM analytics.events WHERE triggered_at >= %s AND triggered_at < %s"


def work(task: dict[str, Any]) -> None:
    """Every hour before the cutoff, one after the other."""
    client = boto3.client("s3", **task["s3"])
    database = task["postgres"]["dbname"]
    with tempfile.TemporaryDirectory() as folder, psycopg.connect(**task["postgres"]) as connection:
        for start, end in hours_before_cutoff(connection, task["keep_days"]):
            path = Path(folder) / f"{start:%Y-%m-%d-%H}.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                offset = 0
                while True:
                    cursor = connection.execute(PAGE, [start, end, PAGE_ROWS, offset])
                    if offset == 0:
                        writer.writerow([column.name for column in cursor.description or ()])
                    rows = cursor.fetchall()
                    writer.writerows(rows)
                    offset += len(rows)
                    if len(rows) < PAGE_ROWS:
                        break
            if offset:
                client.upload_file(str(path), task["bucket"], f"{database}/analytics/events/{path.name}")
                connection.execute(DELETE, [start, end])
                connection.commit()
            path.unlink()


if __name__ == "__main__":
    serve(work)
