"""How a batch travels from the plan to the mapped tasks, as plain JSON, and what the UI shows of it.

Each mapped task fetches the batches of all, so hours that follow each other are told as one run of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NotRequired, TypedDict

from pg_archiver.domain.tables import Partition, TableName
from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.domain.wording import say_count
from pg_archiver.domain.work import Batch


class PartitionJson(TypedDict):
    """A partition that is to be dropped whole."""

    oid: int
    table: list[str]
    parent: list[str]
    span: list[str]
    bounds: list[str]
    alone: bool
    back: NotRequired[bool]


class RunJson(TypedDict):
    """Whole windows of so many seconds each, one after the other."""

    start: str
    seconds: int
    windows: int


class BatchJson(TypedDict):
    """One mapped task's work: each window as the four moments of its cell and its span, or two and more as a run.

    `label` is what the UI shows for the task. `dry_run` says that the run was planned as one, and stays so.
    """

    label: str
    dry_run: bool
    windows: list[list[str] | RunJson]
    partition: NotRequired[PartitionJson]


def to_json(batch: Batch, *, dry_run: bool) -> BatchJson:
    """Return the batch, as XCom takes it."""
    windows = list(map(_run, _group_runs(batch)))
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
    """Return whether the run was planned as a dry run; one that does not say is taken for one."""
    return text.get("dry_run") is not False


def from_json(text: BatchJson) -> Batch:
    """Return the batch that `to_json` wrote."""
    windows = tuple(window for run in text["windows"] for window in _windows(run))
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


def _group_runs(windows: Iterable[DueWindow]) -> Iterator[list[DueWindow]]:
    """Yield the windows in their order, whole ones of the same length together where one follows the other."""
    run: list[DueWindow] = []
    for window in windows:
        if run and not (_is_whole(run[-1]) and _is_whole(window) and _is_next(run[-1], window)):
            yield run
            run = []
        run.append(window)
    if run:
        yield run


def _is_whole(window: DueWindow) -> bool:
    return window.cell == window.span


def _is_next(window: DueWindow, following: DueWindow) -> bool:
    same = following.cell.end - following.cell.start == window.cell.end - window.cell.start
    return same and following.cell.start == window.cell.end


def _run(windows: list[DueWindow]) -> list[str] | RunJson:
    first = windows[0]
    if len(windows) == 1:
        return [*_moments(first.cell), *_moments(first.span)]
    seconds = (first.cell.end - first.cell.start) // timedelta(seconds=1)
    return {"start": first.cell.start.isoformat(), "seconds": seconds, "windows": len(windows)}


def _windows(run: list[str] | RunJson) -> Iterator[DueWindow]:
    if isinstance(run, list):
        yield DueWindow(_window(run[:2]), _window(run[2:]))
        return
    start, step = datetime.fromisoformat(run["start"]), timedelta(seconds=run["seconds"])
    for number in range(run["windows"]):
        cell = Window(start + number * step, start + (number + 1) * step)
        yield DueWindow(cell, cell)


def _label(batch: Batch) -> str:
    """Return what the UI shows for a mapped task: its hours."""
    if batch.partition:
        return f"{batch.partition}, {say_count(len(batch), 'window')}"
    if len(batch) == 1:
        return str(batch.windows[0])
    return f"{batch.span}, {say_count(len(batch), 'window')}"


def _moments(window: Window) -> list[str]:
    return [window.start.isoformat(), window.end.isoformat()]


def _window(moments: Iterable[str]) -> Window:
    return Window(*map(datetime.fromisoformat, moments))
