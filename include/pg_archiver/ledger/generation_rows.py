"""Rows of the ledger's table, as generations."""

from __future__ import annotations

from pg_archiver.domain.row_numbers import NONE, Positions
from pg_archiver.domain.windows import Window
from pg_archiver.ledger.window_generation import Cause, Generation, RunGeneration, State
from pg_archiver.postgres.session import Row


def to_generation(row: Row) -> Generation:
    """Return the generation of a row with the columns of `ledger/windows/fragments/generation`."""
    return Generation(
        id=row.id,
        generation=row.generation,
        state=State(row.state),
        cell=Window(row.cell_start, row.cell_end),
        span=Window(row.span_start, row.span_end),
        bucket=row.bucket,
        object_key=row.object_key,
        run_id=row.run_id,
        rows=row.rows,
        csv_bytes=row.csv_bytes,
        object_bytes=row.object_bytes,
        etag=row.etag,
        manifest=row.manifest,
        deleted_upto=row.deleted_upto,
        deleted_rows=row.deleted_rows,
        # What an older program noted is in the list alone, and what was too much for the list in the ranges alone.
        kept=(Positions.parse(row.kept) if row.kept else NONE) | Positions.of(row.kept_positions or ()),
        note=row.note,
        rebuilt=row.rebuilt_at is not None,
        token=row.token,
        sha256=row.sha256,
        deleted_by_run_id=row.deleted_by_run_id,
        sub_ranges_gone=Positions.parse(row.sub_ranges_gone) if row.sub_ranges_gone else NONE,
    )


def to_run_generation(row: Row) -> RunGeneration:
    """Return what a row of `ledger/windows/of_run` tells of one generation."""
    return RunGeneration(
        generation=row.generation,
        state=State(row.state),
        cell=Window(row.cell_start, row.cell_end),
        span=Window(row.span_start, row.span_end),
        rows=row.rows or 0,
        csv_bytes=row.csv_bytes or 0,
        object_bytes=row.object_bytes or 0,
        deleted_rows=row.deleted_rows,
        note=row.note,
        mine=row.mine,
        cause=Cause(row.cause) if row.cause else None,
        latest=row.latest,
        stuck=row.stuck,
        missed=row.range_missed,
    )
