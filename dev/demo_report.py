"""What the demo prints at its end."""

from collections.abc import Sequence

from dev.demo_checks import Evidence
from dev.s3 import RcloneS3
from dev.stack import BUCKET, Stack

_HEADER = ("client", "N", "rows before", "archived", "windows", "objects", "MB", "rows left", "seconds")


def table_lines(seen: Sequence[Evidence]) -> list[str]:
    """Return a table with a line a client, numbers to the right."""
    cells = [_HEADER, *(_cells(one) for one in seen)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(_HEADER))]
    return [
        "  ".join(
            text.rjust(width) if place else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]


def proof_line(seen: Sequence[Evidence]) -> str:
    """Return what the checks have shown, in one sentence."""
    there = sum(one.before.count + one.added for one in seen)
    left, archived = sum(one.after.count for one in seen), sum(one.archive.rows.count for one in seen)
    return (
        f"Of {there:,} rows, {archived:,} are in S3 and {left:,} in their tables: each in one place exactly, digit by "
        f"digit, read from outside with COPY and csv; none lost, none twice."
    )


def closing_lines(stack: Stack, seen: Sequence[Evidence]) -> list[str]:
    """Return where the objects lie and how to look at all of it."""
    lines = [
        f"{one.client.name}: {one.added:,} of its rows were written while it was archived" for one in seen if one.added
    ]
    lines += [f"objects   s3://{BUCKET}/client=<client>/schema=<schema>/table=<table>/dt=<day>/hour=<hour>/"]
    if isinstance(stack.s3, RcloneS3):
        lines += [f"as files  {stack.s3.bucket_folder(BUCKET)}"]
    return [*lines, "to look   make ui    (Airflow in a browser, on what this demo left)"]


def _cells(seen: Evidence) -> tuple[str, ...]:
    archive = seen.archive
    return (
        seen.client.name,
        str(seen.client.keep_days),
        f"{seen.before.count + seen.added:,}",
        f"{archive.rows.count:,}",
        f"{len(archive.windows):,}",
        f"{archive.objects:,}",
        f"{archive.bytes / 1e6:.1f}",
        f"{seen.after.count:,}",
        f"{seen.outcome.seconds:.0f}",
    )
