"""How the windows of a run are dealt out to Airflow's mapped tasks. No I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from itertools import accumulate

from pg_archiver.domain.tables import Partition
from pg_archiver.domain.windows import HOURS_A_DAY, DueWindow, Window
from pg_archiver.domain.work import Batch
from pg_archiver.policies.settings import TablePolicy

# The longest batch that `windows_per_task: auto` makes. It bounds a run to 48 windows for each mapped instance,
# so that what the plan hands to Airflow stays small; what is left over is the next run's.
LONGEST_AUTO_BATCH = 48
_MOMENT = timedelta(microseconds=1)
# What Airflow is given to do on a usual day by `windows_per_task: auto`: instances of each of the three mapped steps,
# over all tables. A task instance costs about 0.43 s on two cores, so these three times 2,400 keep them busy for 52
# minutes; a table's plan and report come on top.
MAPPED_A_DAY = 2400
# Into how many mapped instances of each step `auto` cuts a backlog, as far as its longest batch allows.
BACKLOG_TASKS = 8


def sort_by_turn(windows: Iterable[DueWindow], half_exported: Collection[Window]) -> list[DueWindow]:
    """Return the windows oldest first, and last those that an earlier run could not export: they may fail again.

    Whatever becomes of them then, be it that the server dies of a row, the others have had their turn.
    """
    return sorted(windows, key=lambda window: (window.cell in half_exported, window.cell))


def make_way(
    found: Sequence[DueWindow], unfinished: Sequence[DueWindow], half_exported: Collection[Window]
) -> tuple[list[DueWindow], list[DueWindow]]:
    """Return windows of which no two hold a row in common, and those that wait for a later plan because of them.

    Only windows of different lengths overlap: a table's `window_hours` was another one when earlier runs began theirs.
    What has been exported is finished as it is, and what was found there waits, so that no row is archived twice. One
    whose export did not finish holds nothing, and may be of a row that cannot be read: it waits for what was found.
    """
    cells = {window.cell for window in found}
    others = [window for window in unfinished if window.cell not in cells]
    begun = [window for window in others if window.cell not in half_exported]
    free, waiting = _part(found, begun)
    kept, later = _part([window for window in others if window.cell in half_exported], [*begun, *found])
    return [*begun, *free, *kept], [*waiting, *later]


def _part(windows: Sequence[DueWindow], before: Sequence[DueWindow]) -> tuple[list[DueWindow], list[DueWindow]]:
    """Return the windows that overlap none of those before, and the others."""
    if not windows or not before:
        return list(windows), []
    spans = sorted(window.span for window in before)
    starts = [span.start for span in spans]
    # The latest end of all spans that begin so early.
    ends = list(accumulate((span.end for span in spans), max))
    free: list[DueWindow] = []
    waiting: list[DueWindow] = []
    for window in windows:
        place = bisect_left(starts, window.span.end)
        overlaps = place > 0 and ends[place - 1] > window.span.start
        (waiting if overlaps else free).append(window)
    return free, waiting


def carry(
    windows: Sequence[DueWindow], most: int, half_exported: Collection[Window]
) -> tuple[list[DueWindow], list[DueWindow]]:
    """Return the windows of this run, `most` at most, and those that are left; both in their turns.

    One of those that an earlier run could not export is always among the first: a run that tried none of them would
    succeed, as if nothing were wrong.
    """
    doubtful = [window for window in windows if window.cell in half_exported]
    taken = list(windows[:most])
    if doubtful and taken and doubtful[0] not in taken:
        taken[-1] = doubtful[0]
    chosen = frozenset(taken)
    return taken, [window for window in windows if window not in chosen]


def carried_span(due: Window, left: Sequence[DueWindow]) -> Window:
    """Return the part of what is due of which no window is left for a later run."""
    if not left:
        return due
    return Window(due.start, max(due.start + _MOMENT, min(window.cell.start for window in left)))


def choose(cut: Sequence[Batch], most: int, half_exported: Collection[Window]) -> list[Batch]:
    """Return the batches that one run carries; one with a window that an earlier run could not export is among them."""
    taken = list(cut[:most])
    doubtful = [batch for batch in cut if any(window.cell in half_exported for window in batch)]
    if doubtful and taken and not any(batch in taken for batch in doubtful):
        taken[-1] = doubtful[0]
    return taken


def cut_into_batches(
    windows: Sequence[DueWindow],
    partitions: Sequence[Partition],
    policy: TablePolicy,
    tables: int,
    half_exported: Collection[Window] = (),
) -> list[Batch]:
    """Return a batch for each whole partition with its windows, and batches of the other windows.

    Oldest first, but after all others those of nothing but windows that an earlier run could not export.
    """
    whole = [
        Batch(tuple(window for window in windows if one.span.start <= window.cell.start < one.span.end), one)
        for one in partitions
    ]
    taken = {window.cell for batch in whole for window in batch}
    rest = [window for window in windows if window.cell not in taken]
    size = _batch_size(policy, len(rest), max(1, policy.max_mapped_windows - len(whole)), tables)
    parts = [Batch(tuple(part)) for part in cut_windows(rest, size)]
    return sorted(whole + parts, key=lambda batch: (_is_doubtful(batch, half_exported), batch.span))


def _is_doubtful(batch: Batch, half_exported: Collection[Window]) -> bool:
    """Return whether it holds only windows that may fail again; without a window it is a partition to be ended."""
    return bool(len(batch)) and all(window.cell in half_exported for window in batch)


def longest_batch(policy: TablePolicy) -> int:
    """Return how many windows one batch may hold at most."""
    return LONGEST_AUTO_BATCH if policy.windows_per_task == "auto" else policy.windows_per_task


def _batch_size(policy: TablePolicy, windows: int, tasks: int, tables: int) -> int:
    if policy.windows_per_task == "auto":
        least = least_windows_per_task(tables, policy.hours)
        most = most_tasks(windows, policy.hours, tasks)
        return windows_per_task(windows, most, LONGEST_AUTO_BATCH, least)
    return policy.windows_per_task


def most_tasks(windows: int, window_hours: int, max_mapped_windows: int) -> int:
    """Return how many mapped task instances so many windows are spread over by `windows_per_task: auto`.

    As many as there may be while they are two days' windows at most. More are a backlog, over which Airflow would take
    longer to start tasks than these take to work, so it becomes a few long tasks: enough to keep a pool busy.
    """
    if windows <= 2 * HOURS_A_DAY // window_hours:
        return max_mapped_windows
    return min(BACKLOG_TASKS, max_mapped_windows)


def windows_per_task(windows: int, max_mapped_windows: int, longest: int, least: int = 1) -> int:
    """Return how many windows one mapped task instance carries: `least` while they are few, more in a backlog.

    Airflow pays for each task instance whatever it does, and refuses more than 1024 of one task.
    """
    needed = -(-windows // max_mapped_windows)
    return max(1, min(max(needed, least), longest))


def least_windows_per_task(tables: int, window_hours: int) -> int:
    """Return how many windows a mapped task instance carries on a usual day, when so many tables are archived each day.

    One, as long as the windows of a day of all tables together take no more than MAPPED_A_DAY instances of a step;
    more tables share these, down to one instance for the whole day of a table.
    """
    windows_a_day = max(1, HOURS_A_DAY // window_hours)
    instances = max(1, MAPPED_A_DAY // max(1, tables))
    return -(-windows_a_day // min(instances, windows_a_day))


def cut_windows(windows: Sequence[DueWindow], size: int) -> list[list[DueWindow]]:
    """Return the windows in their order, `size` at a time; each window is in exactly one batch."""
    return [list(windows[first : first + size]) for first in range(0, len(windows), size)]
