"""How the windows of a run are dealt out to Airflow's mapped tasks. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from include.archiver.models import Batch, DueWindow, Partition
from include.archiver.policy import TablePolicy
from include.archiver.windows import batches, least_windows_per_task, most_tasks, windows_per_task

# The longest batch that `windows_per_task: auto` makes. It bounds a run to 48 windows for each mapped instance,
# so that what the plan hands to Airflow stays small; what is left over is the next run's.
LONGEST_AUTO_BATCH = 48


def cut_into_batches(
    windows: Sequence[DueWindow], partitions: Sequence[Partition], policy: TablePolicy, tables: int
) -> list[Batch]:
    """A batch for each whole partition with its windows, and batches of the other windows; oldest first."""
    whole = [
        Batch(tuple(window for window in windows if one.span.start <= window.cell.start < one.span.end), one)
        for one in partitions
    ]
    taken = {window.cell for batch in whole for window in batch}
    rest = [window for window in windows if window.cell not in taken]
    size = _batch_size(policy, len(rest), max(1, policy.max_mapped_windows - len(whole)), tables)
    parts = [Batch(tuple(part)) for part in batches(rest, size)]
    return sorted(whole + parts, key=lambda batch: batch.span)


def longest_batch(policy: TablePolicy) -> int:
    """How many windows one batch may hold at most."""
    return LONGEST_AUTO_BATCH if policy.windows_per_task == "auto" else policy.windows_per_task


def _batch_size(policy: TablePolicy, windows: int, tasks: int, tables: int) -> int:
    if policy.windows_per_task == "auto":
        least = least_windows_per_task(tables, policy.window_hours)
        most = most_tasks(windows, policy.window_hours, tasks)
        return windows_per_task(windows, most, LONGEST_AUTO_BATCH, least)
    return policy.windows_per_task
