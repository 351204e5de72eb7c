"""The ledger: what happened to each window, kept in the client database beside the rows it speaks of.

Every change of state names the state it starts from. A process that was overtaken (its lock lost, its window
taken over by another run) finds no such row, and learns that its work is void instead of doing harm.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from pg_archiver.domain.row_numbers import Positions
from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import CheckFailed, Superseded
from pg_archiver.ledger.generation_rows import to_generation, to_run_generation
from pg_archiver.ledger.lazy_notes import flush
from pg_archiver.ledger.migrations import LedgerTables, refuse_foreign
from pg_archiver.ledger.notes_of_stayed_rows import Past
from pg_archiver.ledger.server_past import read_past
from pg_archiver.ledger.window_generation import Cause, Generation, RunGeneration, State
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_keys import object_key
from pg_archiver.postgres.session import Row, Session

# Generations that are fetched at a time; each brings its manifest, of some kilobytes.
_PAGE_ROWS = 20
# Without their manifests.
_PAGE_ROWS_OF_RUN = 1000
# Rows that stayed are listed one by one up to so many, and noted as ranges in any case.
_MOST_LISTED = 1000
# Called in the transaction in which rows leave, on its session, with their number.
CountDeleted = Callable[[Session, int], None]
_FIRST_PAGE: dict[str, object] = {"after_start": "-infinity", "after_end": "-infinity", "after_generation": 0}


def manifest_of(row: Generation, window: DueWindow | Window) -> Manifest:
    """Return what the ledger knows of an exported generation.

    Raises:
        CheckFailed: its entry is not a manifest.
    """
    return Manifest.parse(row.manifest, f"the ledger's entry for window {window}")


class WindowLedger(LedgerTables):
    """The windows of one table of one client."""

    def __init__(self, session: Session, order: WorkOrder, count_deleted: CountDeleted | None = None) -> None:
        """Read and write through this connection, for this client and table.

        `count_deleted` is called wherever rows are noted as deleted, in the transaction in which they leave.
        """
        super().__init__(session)
        self._order = order
        self._count_deleted = count_deleted
        self._subject = {"client": order.client, "schema": order.table.schema, "table": order.table.name}
        self._found = False

    def find_latest(self, cell: Window) -> Generation | None:
        """Return the newest generation of this window, None if there is none."""
        rows = self._session.fetch_all(
            "ledger/windows/latest_generation", **self._subject, cell_start=cell.start, cell_end=cell.end
        )
        # A ledger with all columns that this asks for has the restores, too.
        self._session.notes_restores = True
        return to_generation(rows[0]) if rows else None

    def read_ahead(self, window: DueWindow, state: State) -> Manifest | None:
        """Return the window's manifest if it is in this state now, to read ahead; what counts is asked in its turn."""
        row = self.find_latest(window.cell)
        if row is not None and row.state is state and row.bucket == self._order.bucket:
            with suppress(CheckFailed):
                return manifest_of(row, window)
        return None

    def find_by_object(self, bucket: str, key: str) -> Generation | None:
        """Return the generation that took this key, None if the ledger has none."""
        # A dry run may find no ledger at all, and makes none.
        self._found = self._found or self.exists()
        if not self._found:
            return None
        rows = self._session.fetch_all("ledger/windows/by_object", bucket=bucket, object_key=key)
        return to_generation(rows[0]) if rows else None

    def begin(self, window: DueWindow, generation: int) -> Generation:
        """Start a generation: from now on its key is taken, whatever becomes of it.

        Raises:
            Superseded: another run has begun the same one just now.
        """
        order = self._order
        key = object_key(order.prefix, order.client, order.table, window.cell, generation, order.compression)
        rows = self._session.fetch_all(
            "ledger/windows/begin",
            **self._subject,
            cell_start=window.cell.start,
            cell_end=window.cell.end,
            span_start=window.span.start,
            span_end=window.span.end,
            generation=generation,
            bucket=order.bucket,
            object_key=key,
            run_id=order.run_id,
            token=secrets.token_hex(8),
            commit=self._session.commit,
        )
        if not rows:
            raise Superseded(
                f"window {window.cell}: another run began generation {generation} at the same moment, or its key is "
                "taken in this ledger. This run exported nothing of it"
            )
        return replace(to_generation(rows[0]), handed_over=rows[0].handed_over)

    def note_failure(self, row: Generation, note: str) -> None:
        """Note why the export of this generation failed; the next try ends it and begins another."""
        self._session.execute("ledger/windows/note_failure", id=row.id, note=note)

    def mark_exported(self, row: Generation, manifest: Manifest) -> None:
        """Note that the object is in S3, not yet read back."""
        self._change(
            row,
            "ledger/windows/mark_exported",
            manifest=manifest.to_json().decode(),
            rows=manifest.rows,
            csv_bytes=manifest.data.content_bytes,
            object_bytes=manifest.data.bytes,
            sha256=manifest.data.sha256,
        )

    def mark_stored(self, row: Generation, etag: str) -> None:
        """Note that the object was read back and checked; its rows may be deleted from now on."""
        self._change(row, "ledger/windows/mark_stored", etag=etag)

    def note_progress(self, row: Generation, after: int, upto: int, deleted: int, kept: Positions) -> None:
        """Note a delete batch in its transaction: rows `after` to `upto` are processed, `kept` were left."""
        self._change(
            row,
            "ledger/windows/note_progress",
            after=after,
            upto=upto,
            deleted=deleted,
            kept=str(kept),
            kept_rows=len(kept),
            most_listed=_MOST_LISTED,
        )
        self._count(deleted)

    def note_sub_ranges(self, row: Generation, gone: Positions, deleted: int) -> None:
        """Note a delete by range in its transaction: just the rows of these sub-ranges left, so many they were."""
        self._change(row, "ledger/windows/note_sub_ranges", gone=str(gone), deleted=deleted)
        self._count(deleted)

    def mark_deleted(self, row: Generation, note: str | None, cause: Cause | None = None) -> None:
        """Note that nothing more is to be deleted because of this generation."""
        self._change(row, "ledger/windows/mark_deleted", note=note, cause=cause)

    def end_sub_ranges(
        self, row: Generation, note: str | None, cause: Cause | None = None, *, missed: bool = False
    ) -> None:
        """Note that nothing more is to be deleted because of a generation whose rows left by ranges of time.

        The row tells by their numbers which of them stayed; `missed` is as of `mark_void`.
        """
        self._change(
            row,
            "ledger/windows/end_sub_ranges",
            note=note,
            cause=cause,
            missed=missed,
            upto=row.deleted_upto,
            gone=str(row.sub_ranges_gone),
            **_describe_kept(row.kept),
        )

    def mark_void(self, row: Generation, note: str, cause: Cause | None = None, *, missed: bool = False) -> None:
        """End a generation of which nothing was deleted; the rows are exported again under a new key.

        `missed` is whether they could not leave by ranges of time, being no longer those that were exported.
        """
        self._change(row, "ledger/windows/mark_void", note=note, cause=cause, missed=missed)

    def abandon(self, row: Generation, note: str) -> None:
        """Abandon a generation, whether or not part of its rows was deleted already."""
        if row.sub_ranges_gone and row.deleted_upto:
            self.end_sub_ranges(row, note, Cause.GIVEN_UP)
        elif row.deleted_rows:
            self.mark_deleted(row, note, Cause.GIVEN_UP)
        else:
            self.mark_void(row, note, Cause.GIVEN_UP)

    def needs_list(self, cell: Window) -> bool:
        """Return whether rows of the window could not leave by ranges of time, twice in a row."""
        values: dict[str, object] = {**self._subject, "cell_start": cell.start, "cell_end": cell.end}
        return bool(self._session.fetch_one("ledger/windows/needs_list", **values).found)

    def list_open_windows(self, due: Window) -> list[DueWindow]:
        """Return what earlier runs left unfinished within the span that is due."""
        rows = self._session.fetch_all("ledger/windows/open_windows", **self._subject, start=due.start, end=due.end)
        return [DueWindow(Window(row.cell_start, row.cell_end), Window(row.span_start, row.span_end)) for row in rows]

    def list_half_exported(self, due: Window) -> frozenset[Window]:
        """Return the windows whose export another run began and did not finish, because it failed or died."""
        rows = self._session.fetch_all(
            "ledger/windows/half_exported", **self._subject, start=due.start, end=due.end, run_id=self._order.run_id
        )
        return frozenset(Window(row.cell_start, row.cell_end) for row in rows)

    def list_open_generations(self, span: Window) -> Iterator[Generation]:
        """Yield the generations that are not at their end, of the windows within the span, some at a time."""
        values: dict[str, object] = {**self._subject, "end": span.end, "limit": _PAGE_ROWS}
        start, after = span.start, _FIRST_PAGE
        while rows := self._session.fetch_all("ledger/windows/open_generations", **values, start=start, **after):
            yield from map(to_generation, rows)
            start, after = rows[-1].cell_start, _after(rows[-1])

    def list_of_run(self, span: Window | None) -> Iterator[RunGeneration]:
        """Yield the generations that this run made or finished, and those still open within the span, if it has one.

        The oldest window first, some at a time.
        """
        start, end = (span.start, span.end) if span else (None, None)
        values: dict[str, object] = {**self._subject, "start": start, "end": end, "run_id": self._order.run_id}
        after = _FIRST_PAGE
        while rows := self._session.fetch_all("ledger/windows/of_run", **values, **after, limit=_PAGE_ROWS_OF_RUN):
            yield from map(to_run_generation, rows)
            after = _after(rows[-1])

    def has_archived(self) -> bool:
        """Return whether rows of this table have left, by this ledger."""
        return self.exists() and bool(self._session.fetch_one("ledger/windows/has_archived", **self._subject).found)

    def has_deleted_before_enabling(self) -> bool:
        """Return whether rows of this client had left before a client had to be enabled.

        A ledger that no run of this version has met yet does not hold the note of it, but still tells.
        """
        refuse_foreign(self._session)
        there = self._session.fetch_one("ledger/schema/schema_exists")
        if not there.windows:
            return False
        statement = "ledger/windows/enabled_before" if there.enabled_before else "ledger/windows/has_deleted"
        return bool(self._session.fetch_one(statement, client=self._order.client).found)

    def list_vouched_for(self) -> Iterator[Generation]:
        """Yield the generations whose objects were checked and not abandoned, some at a time, the oldest window first.

        Whoever takes them may take his time: no transaction is open in between.
        """
        after = _FIRST_PAGE
        while rows := self._session.fetch_all("ledger/windows/vouched_for", **self._subject, **after, limit=_PAGE_ROWS):
            yield from map(to_generation, rows)
            after = _after(rows[-1])

    def read_past(self) -> Past:
        """Return which past of the database this is, if the server tells; it stays the same for a session."""
        return read_past(self._session)

    def flush(self) -> None:
        """Wait until what was noted is kept (`lazy_notes`)."""
        flush(self._session)

    def read_clock(self) -> datetime:
        """Return the server's clock."""
        moment: datetime = self._session.fetch_one("postgres/session/clock").now
        return moment

    def rebuild(self, manifest: Manifest, upto: int, kept: Positions) -> int:
        """Take in a generation that only its manifest tells of; return 1, or 0 where the ledger knows it already.

        Args:
            manifest: what the object's manifest says.
            upto: how many of its rows the delete processed, as far as that is known; 0 where it is not.
            kept: the numbers of those rows that were left in the table.
        """
        return self._session.execute(
            "ledger/windows/rebuild",
            **self._subject,
            cell_start=manifest.cell_start,
            cell_end=manifest.cell_end,
            span_start=manifest.span_start,
            span_end=manifest.span_end,
            generation=manifest.generation,
            state=State.DELETED if upto > len(kept) else State.VOID,
            bucket=self._order.bucket,
            object_key=manifest.data.key,
            rows=manifest.rows,
            csv_bytes=manifest.data.content_bytes,
            object_bytes=manifest.data.bytes,
            sha256=manifest.data.sha256,
            manifest=manifest.to_json().decode(),
            upto=upto,
            **_describe_kept(kept),
            token=manifest.token,
            run_id=manifest.run_id,
            note="rebuilt from the manifest in S3",
        )

    def _count(self, deleted: int) -> None:
        if deleted and self._count_deleted:
            self._count_deleted(self._session, deleted)

    def _change(self, row: Generation, statement: str, **values: object) -> None:
        """Note something of a generation, in the name of this run.

        Raises:
            Superseded: it is no longer in the state that the statement asks for.
        """
        values |= {"id": row.id, "run_id": self._order.run_id, "commit": self._session.commit}
        changed = self._session.execute(statement, **values)
        if changed != 1:
            raise taken_over(row)


def taken_over(row: Generation) -> Superseded:
    """Return what is raised where a generation is no longer in the state that a step has to find it in."""
    return Superseded(
        f"window {row.cell} (generation {row.generation}) was taken over by another run while this one worked "
        "on it. Nothing more was deleted"
    )


def _describe_kept(kept: Positions) -> dict[str, object]:
    listed = list(kept) if len(kept) <= _MOST_LISTED else None
    return {"kept": str(kept), "kept_rows": len(kept), "kept_positions": listed}


def _after(row: Row) -> dict[str, object]:
    """Return where the page after this row begins."""
    return {"after_start": row.cell_start, "after_end": row.cell_end, "after_generation": row.generation}
