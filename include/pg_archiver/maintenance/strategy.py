"""Which way of giving space back fits a table at this moment, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.domain.sizes import format_bytes
from pg_archiver.maintenance.disk_room import Room
from pg_archiver.maintenance.inspection import Inspection
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.off_hours import OffHours

# A rewrite is taken to read and write this many bytes a second, a fifth of what two cores were seen to do.
_READ_RATE = 100_000_000
_WRITE_RATE = 25_000_000


@dataclass(frozen=True)
class Conditions:
    """All that the choice depends on besides the table's own condition.

    `remaining` is what is left of the off-hours span, None outside of it. `room` is that of the part whose rewrite
    needs most. A person who forces it overrides the hour and the threshold, not the disk. `no_repack` is why
    pg_repack cannot be used, empty where it can.
    """

    wanted: Strategy
    min_percent: int
    min_bytes: int
    off_hours: OffHours
    remaining: timedelta | None
    room: Room
    force: bool = False
    no_repack: str = "not looked for"


@dataclass(frozen=True)
class Choice:
    """A strategy, never `auto`, and the reasons as text."""

    strategy: Strategy
    why: str

    def __str__(self) -> str:
        return f"{self.strategy}: {self.why}"


def choose(found: Inspection, conditions: Conditions) -> Choice:
    """Return the policy's strategy, or the one that `auto` chooses; `none` if there is too little to give back."""
    if conditions.wanted is Strategy.NONE:
        return Choice(Strategy.NONE, "the policy's reclaim is none")
    space = f"{format_bytes(found.free.total)} of {format_bytes(found.sizes.total)} ({found.free_percent:.0f}%)"
    if not _worth(found, conditions) and not conditions.force:
        return Choice(
            Strategy.NONE,
            f"only {space} could be given back, {found.method}; reclaim_min_percent is {conditions.min_percent} and "
            f"reclaim_min_mb is {conditions.min_bytes // 1_000_000}",
        )
    if conditions.wanted is not Strategy.AUTO:
        return Choice(conditions.wanted, f"as set; {space} could be given back, {found.method}")
    hindrance = _hindrance(found, conditions)
    if hindrance is None:
        return Choice(
            Strategy.VACUUM_FULL,
            f"{space} could be given back, the hour is right and the disk suffices; it {conditions.room}",
        )
    return _online(found, conditions, space, hindrance)


def _online(found: Inspection, conditions: Conditions, space: str, hindrance: str) -> Choice:
    """Return the strategy with which everybody continues to work."""
    toast, total = format_bytes(found.free.toast), format_bytes(found.free.total)
    in_toast = f"{toast} of the {total} that could be given back are in TOAST"
    if _mostly_toast(found) and conditions.room.enough and not conditions.no_repack:
        return Choice(
            Strategy.PG_REPACK,
            f"{in_toast}, which compact cannot free; {hindrance}, and pg_repack is there, which keeps nobody out for "
            f"long; it {conditions.room}",
        )
    if not _worth_without_toast(found, conditions):
        return Choice(Strategy.NONE, f"{in_toast}, which only a rewrite frees, and {hindrance}")
    left = f"; {format_bytes(found.free.toast)} in TOAST stay" if found.free.toast else ""
    return Choice(Strategy.COMPACT, f"{space} could be given back, and {hindrance}{left}")


def hour_hindrance(off_hours: OffHours, remaining: timedelta | None, *, force: bool) -> str | None:
    """Return why the table may not be locked for long now, None where it may; the arguments are as in `Conditions`."""
    return None if force or remaining is not None else f"it is not within maintenance_window, {off_hours}"


def disk_hindrance(room: Room) -> str | None:
    """Return why the table may not be copied, None where it may."""
    return None if room.enough else f"the disk does not suffice or is not known: a rewrite {room}"


def seconds_for(found: Inspection) -> float:
    """Return how long a rewrite may take, estimated on the safe side."""
    return found.sizes.total / _READ_RATE + (found.sizes - found.free).total / _WRITE_RATE


def _hindrance(found: Inspection, conditions: Conditions) -> str | None:
    out_of_hours = hour_hindrance(conditions.off_hours, conditions.remaining, force=conditions.force)
    hindrance = out_of_hours or disk_hindrance(conditions.room)
    if hindrance or conditions.remaining is None:
        return hindrance
    seconds, left = seconds_for(found), conditions.remaining.total_seconds()
    if seconds > left:
        return (
            f"a rewrite may take {seconds / 60:.0f} minutes, and {left / 60:.0f} are left of maintenance_window, "
            f"{conditions.off_hours}"
        )
    return None


def _worth(found: Inspection, conditions: Conditions) -> bool:
    return found.free_percent >= conditions.min_percent and found.free.total >= max(1, conditions.min_bytes)


def _mostly_toast(found: Inspection) -> bool:
    return found.free.toast > found.free.heap + found.free.indexes


def _worth_without_toast(found: Inspection, conditions: Conditions) -> bool:
    free = found.free.heap + found.free.indexes
    enough = free >= max(1, conditions.min_bytes) and 100 * free >= conditions.min_percent * found.sizes.total
    return enough or (conditions.force and free > 0)
