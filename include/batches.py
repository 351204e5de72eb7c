"""How a batch travels from the plan to the mapped tasks, as plain JSON, and what the UI shows of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NotRequired, TypedDict

from include.archiver.models import Batch, DueWindow, Partition, TableName, Window


class PartitionJson(TypedDict):
    """A partition that is to be dropped whole."""

    oid: int
    table: list[str]
    parent: list[str]
    span: list[str]
    bounds: list[str]
    alone: bool


class BatchJson(TypedDict):
    """One mapped task's work: each window as the four moments of its cell and its span."""

    windows: list[list[str]]
    partition: NotRequired[PartitionJson]


def as_json(batch: Batch) -> BatchJson:
    """The batch, as XCom takes it."""
    windows = [[*_moments(due.cell), *_moments(due.span)] for due in batch]
    one = batch.partition
    if one is None:
        return {"windows": windows}
    partition: PartitionJson = {
        "oid": one.oid,
        "table": [one.table.schema, one.table.name],
        "parent": [one.parent.schema, one.parent.name],
        "span": _moments(one.span),
        "bounds": list(one.bounds),
        "alone": one.alone,
    }
    return {"windows": windows, "partition": partition}


def from_json(text: BatchJson) -> Batch:
    """The batch that `as_json` wrote."""
    windows = tuple(DueWindow(_window(four[:2]), _window(four[2:])) for four in text["windows"])
    one = text.get("partition")
    if one is None:
        return Batch(windows)
    lower, upper = one["bounds"]
    partition = Partition(
        oid=one["oid"],
        table=TableName(*one["table"]),
        parent=TableName(*one["parent"]),
        span=_window(one["span"]),
        bounds=(lower, upper),
        alone=one["alone"],
    )
    return Batch(windows, partition)


def label(text: BatchJson) -> str:
    """What the UI shows for a mapped task: its hours."""
    batch = from_json(text)
    if batch.partition:
        return f"{batch.partition}, {len(batch)} windows"
    if len(batch) == 1:
        return str(batch.windows[0])
    return f"{len(batch)} windows, {batch.span.start:%Y-%m-%d %H:%M} to {batch.span.end:%Y-%m-%d %H:%M}"


def _moments(window: Window) -> list[str]:
    return [window.start.isoformat(), window.end.isoformat()]


def _window(moments: Iterable[str]) -> Window:
    return Window(*map(datetime.fromisoformat, moments))
