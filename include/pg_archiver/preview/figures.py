"""The figures of a preview: what they are called, and how they are told."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from pg_archiver.domain.sizes import format_bytes
from pg_archiver.domain.windows import Window
from pg_archiver.domain.wording import say_count
from pg_archiver.preview import costs
from pg_archiver.preview.costs import Requests


@dataclass(frozen=True)
class Volume:
    """The rows that are due, in bytes: as CSV, and as compressed objects, sidecars and manifests."""

    csv_bytes: int
    data_bytes: int
    sidecar_bytes: int
    manifest_bytes: int
    sampled_rows: int

    @property
    def stored_bytes(self) -> int:
        """All that would lie in the bucket."""
        return self.data_bytes + self.sidecar_bytes + self.manifest_bytes


@dataclass(frozen=True)
class DiskSpace:
    """Bytes that would come back: to the table for new rows, by dropped partitions, and by a rewrite after it all.

    None where no statistics tell how many rows the table has.
    """

    in_table: int | None
    by_partitions: int
    by_reclaim: int | None


@dataclass(frozen=True)
class Figures:
    """What an archive of one table comes to.

    `rows` are the planner's estimate where they were not `counted`. `volume` is None where no row could be sampled.
    Where it is not `complete`, more runs than `runs` are needed. `batches` are mapped task instances of each step; the
    runs that are `alone` have none, because one task takes each of them from plan to report.
    """

    keep_days: int
    keep_days_from: str
    cutoff: datetime | None
    span: Window | None
    windows: int
    rows: int
    counted: bool = True
    volume: Volume | None = None
    objects: int = 0
    batches: int = 0
    runs: int = 0
    alone: int = 0
    complete: bool = True
    requests: Requests = field(default_factory=Requests)
    disk: DiskSpace | None = None
    partitions: tuple[str, ...] = ()
    unfinished: int = 0
    notes: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    """Why nothing of what is due can ever leave; a run fails because of it."""

    @property
    def nothing_due(self) -> bool:
        """Whether a run would find nothing to do."""
        return not self.windows and not self.partitions

    @property
    def seconds(self) -> float | None:
        """About how long it takes, at the rates of `costs.RATES`."""
        if self.volume is None:
            return None
        tasks = self.batches * costs.TASKS_A_BATCH + (self.runs - self.alone) * costs.TASKS_A_RUN + self.alone
        return costs.seconds_for(self.volume.csv_bytes, self.windows, tasks)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for XCom."""
        return asdict(self) | {
            "cutoff": self.cutoff.isoformat() if self.cutoff else None,
            "span": [self.span.start.isoformat(), self.span.end.isoformat()] if self.span else None,
            "partitions": list(self.partitions),
            "notes": list(self.notes),
            "never": list(self.never),
            "seconds": self.seconds,
            "request_dollars": self.requests.dollars,
            "month_dollars": costs.dollars_a_month(self.volume.stored_bytes) if self.volume else None,
        }

    def lines(self, compression: str, storage_class: str | None) -> list[str]:
        """Return the figures as human-readable lines."""
        told = [f"keeps     {_days(self.keep_days)}, from {self.keep_days_from}"]
        if self.cutoff:
            told += [f"cutoff    {self.cutoff:%Y-%m-%d %H:%M} UTC: only older rows are due"]
        if self.nothing_due:
            told += ["due       nothing is due: a run would archive and delete nothing"]
        else:
            told += self._lines_of_work(compression, storage_class)
        told += [f"partition {one} would be dropped whole" for one in self.partitions]
        if self.unfinished:
            windows = say_count(self.unfinished, "window")
            told += [f"ledger    {windows} begun by earlier runs and not finished; the next run continues with them"]
        return told + [f"note      {note}" for note in self.notes]

    def _lines_of_work(self, compression: str, storage_class: str | None) -> list[str]:
        rows = f"{'' if self.counted else 'about '}{say_count(self.rows, 'row')}"
        how = "counted" if self.counted else "the planner's estimate, because counting takes long"
        span = f", {self.span.start:%Y-%m-%d %H:%M} to {self.span.end:%Y-%m-%d %H:%M}" if self.span else ""
        more = "" if self.complete else " and more"
        told = [
            f"due       {rows} ({how}) in {say_count(self.windows, 'window')}{span}",
            f"work      {say_count(self.runs, 'run')}{more}; {self._say_tasks()}; "
            f"{say_count(self.objects, 'object')} in S3",
        ]
        told += self._lines_of_volume(compression, storage_class)
        if self.disk:
            told += _lines_of_disk(self.disk)
        return told

    def _say_tasks(self) -> str:
        batches = f"{say_count(self.batches, 'batch', 'batches')} of windows, each with a task to export, to store and "
        told = [f"{batches}to delete"] if self.batches or not self.alone else []
        if self.alone:
            told.append(f"one task for all of {'each run' if not told else say_count(self.alone, 'run')}")
        return ", and ".join(told)

    def _lines_of_volume(self, compression: str, storage_class: str | None) -> list[str]:
        volume, requests = self.volume, self.requests
        if volume is None:
            return ["size      not known: no row could be sampled"]
        other = f"; storage_class {storage_class} has other prices" if storage_class else ""
        month = costs.dollars_a_month(volume.stored_bytes)
        beside = format_bytes(volume.sidecar_bytes + volume.manifest_bytes)
        return [
            f"size      about {format_bytes(volume.csv_bytes)} as CSV, {format_bytes(volume.data_bytes)} as "
            f"{compression}, and {beside} beside it (from a sample of "
            f"{say_count(volume.sampled_rows, 'row')})",
            f"requests  about {requests.total:,}: {requests.put:,} PUT, {requests.post:,} POST, {requests.get:,} GET, "
            f"{requests.head:,} HEAD",
            f"price     {costs.format_dollars(requests.dollars)} once for the requests, and "
            f"{costs.format_dollars(month)} for each month of storage ({costs.PRICES}{other})",
            f"time      about {_minutes(self.seconds or 0)} of work once tasks get their slots ({costs.RATES})",
        ]


def _lines_of_disk(disk: DiskSpace) -> list[str]:
    if disk.in_table is None:
        inside = (
            "disk      how much becomes free inside the table is not known: it has no statistics; run ANALYZE on it"
        )
    else:
        inside = (
            f"disk      about {format_bytes(disk.in_table)} become free inside the table and its indexes after VACUUM, "
            f"for new rows; the disk itself gets none of that"
        )
    told = [inside]
    if disk.by_partitions:
        told.append(f"disk      {format_bytes(disk.by_partitions)} come back to the disk by dropped partitions")
    if disk.by_reclaim:
        told.append(
            f"disk      about {format_bytes(disk.by_reclaim)} would come back to the disk by a rewrite after all of "
            f"this (the DAG maintenance), what is free inside the table today included"
        )
    return told


def _days(days: int) -> str:
    return "everything (-1)" if days < 0 else say_count(days, "day")


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    hour = 60
    if minutes < 2 * hour:
        return say_count(minutes, "minute")
    return f"{minutes // hour:,} hours {minutes % hour} minutes"
