"""How a batch travels from the plan to the mapped tasks, as plain JSON, and what the UI shows of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NotRequired, TypedDict

from include.archiver.models import Batch, DueWindow, Partition, TableName, Window
from include.archiver.wording import say_count


class PartitionJson(TypedDict):
    """A partition that is to be dropped whole."""

    oid: int
    table: list[str]
    parent: list[str]
    span: list[str]
    bounds: list[str]
    alone: bool
    back: NotRequired[bool]


class BatchJson(TypedDict):
    """One mapped task's work: each window as the four moments of its cell and its span.

    `label` is what the UI shows for the task. `dry_run` says that the run was planned as one, and stays so.
    """

    label: str
    dry_run: bool
    windows: list[list[str]]
    partition: NotRequired[PartitionJson]


def as_json(batch: Batch, *, dry_run: bool) -> BatchJson:
    """The batch, as XCom takes it."""
    windows = [[*_moments(due.cell), *_moments(due.span)] for due in batch]
    one = batch.partition
    plain: BatchJson = {"label": _label(batch), "dry_run": dry_run, "windows": windows}
    if one is None:
        return plain
    partition: PartitionJson = {
        "oid": one.oid,
        "table": [one.table.schema, one.table.name],
        "parent": [one.parent.schema, one.parent.name],
        "span": _moments(one.span),
        "bounds": list(one.bounds),
        "alone": one.alone,
        "back": one.back,
    }
    return {**plain, "partition": partition}


def is_dry(text: BatchJson) -> bool:
    """Whether the run was planned as a dry run; one that does not say is taken for one."""
    return text.get("dry_run") is not False


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
        back=one.get("back", False),
    )
    return Batch(windows, partition)


def _label(batch: Batch) -> str:
    """What the UI shows for a mapped task: its hours."""
    if batch.partition:
        return f"{batch.partition}, {say_count(len(batch), 'window')}"
    if len(batch) == 1:
        return str(batch.windows[0])
    return f"{batch.span}, {say_count(len(batch), 'window')}"


def _moments(window: Window) -> list[str]:
    return [window.start.isoformat(), window.end.isoformat()]


def _window(moments: Iterable[str]) -> Window:
    return Window(*map(datetime.fromisoformat, moments))
