"""Which small windows of a batch share a connection's work: a snapshot, a statement of the ledger, a delete. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pg_archiver.domain.windows import DueWindow

# However few rows they hold: locks on all of them are held as long as the first one takes and the last one.
MOST_TOGETHER = 48
# A group holds no more rows than so many of its kind would make one delete batch.
_A_BATCH = 10


@dataclass(frozen=True)
class Turn:
    """Windows whose turn it is, in their order: together as a group, or one after the other."""

    windows: tuple[DueWindow, ...]
    together: bool


def most_rows(batch_size: int) -> int:
    """Return how many rows a group may hold, and so each of its windows."""
    return max(1, batch_size // _A_BATCH)


def cut_into_turns(windows: Sequence[DueWindow], rows: Mapping[DueWindow, int], batch_size: int) -> list[Turn]:
    """Return the windows in their order: as groups of windows that follow each other, and those that go by themselves.

    `rows` says how many each holds; one of which it says nothing goes by itself, as does one without any.
    """
    most = most_rows(batch_size)
    runs: list[list[DueWindow]] = []
    held = 0
    for window in windows:
        number = rows.get(window, 0)
        small = 0 < number <= most
        if runs and small and held and held + number <= most and len(runs[-1]) < MOST_TOGETHER:
            runs[-1].append(window)
            held += number
        else:
            runs.append([window])
            held = number if small else 0
    turns: list[Turn] = []
    for run in runs:
        together = len(run) > 1
        if turns and not together and not turns[-1].together:
            turns[-1] = Turn((*turns[-1].windows, *run), together=False)
        else:
            turns.append(Turn(tuple(run), together))
    return turns
