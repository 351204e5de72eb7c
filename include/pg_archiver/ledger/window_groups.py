"""The ledger's statements on several windows at once, each of which keeps the rules of the one on a single window."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.errors import Superseded
from pg_archiver.ledger.generation_rows import to_generation
from pg_archiver.ledger.window_generation import Generation, State
from pg_archiver.ledger.window_ledger import WindowLedger, taken_over
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_keys import object_key
from pg_archiver.postgres.catalog_look import spans_of


class GroupLedger(WindowLedger):
    """The windows of one table of one client, several at a time."""

    def find_latest_of(self, windows: Sequence[DueWindow]) -> dict[DueWindow, Generation]:
        """Return the newest generation of each window that has one."""
        rows = self._session.fetch_all("ledger/windows/latest_generations", **self._subject, **_cells(windows))
        found = {row.cell: row for row in map(to_generation, rows)}
        return {window: found[window.cell] for window in windows if window.cell in found}

    def count_rows(self, windows: Sequence[DueWindow], state: State) -> dict[DueWindow, int]:
        """Return how many rows each window has that is in this state now; what counts is asked in its turn."""
        values: dict[str, object] = {**self._subject, **_cells(windows), "state": state}
        rows = self._session.fetch_all("ledger/windows/rows_of_latest", **values)
        return {windows[row.number - 1]: row.rows for row in rows}

    def list_fresh(self, windows: Sequence[DueWindow]) -> list[DueWindow]:
        """Return those without any generation yet, in their order."""
        rows = self._session.fetch_all("ledger/windows/fresh", **self._subject, **_cells(windows))
        numbers = {row.number for row in rows}
        return [window for number, window in enumerate(windows, 1) if number in numbers]

    def list_held(self, windows: Sequence[DueWindow]) -> frozenset[DueWindow]:
        """Return those with restored rows that are to stay for now."""
        subject = {name: self._subject[name] for name in ("schema", "table")}
        rows = self._session.fetch_all("ledger/restores/held", **subject, **_cells(windows))
        return frozenset(windows[row.number - 1] for row in rows)

    def begin_all(self, windows: Sequence[DueWindow]) -> dict[DueWindow, Generation]:
        """Start the first generation of each, as `begin` does; those that another run has begun are left out."""
        order = self._order
        keys = [
            object_key(order.prefix, order.client, order.table, window.cell, 1, order.compression) for window in windows
        ]
        cells, spans = _cells(windows), spans_of([window.span for window in windows])
        rows = self._session.fetch_all(
            "ledger/windows/begin_all",
            **self._subject,
            cell_starts=cells["starts"],
            cell_ends=cells["ends"],
            span_starts=spans["starts"],
            span_ends=spans["ends"],
            object_keys=keys,
            tokens=[secrets.token_hex(8) for _ in windows],
            bucket=order.bucket,
            run_id=order.run_id,
            commit=self._session.commit,
        )
        begun = {row.cell: row for row in (replace(to_generation(one), handed_over=one.handed_over) for one in rows)}
        return {window: begun[window.cell] for window in windows if window.cell in begun}

    def mark_exported_all(self, exported: Sequence[tuple[Generation, Manifest]]) -> frozenset[int]:
        """Note that these objects are in S3, not yet read back; return the ids of those that were still to be."""
        manifests = [manifest for _, manifest in exported]
        rows = self._session.fetch_all(
            "ledger/windows/mark_exported_all",
            ids=[row.id for row, _ in exported],
            manifests=[manifest.to_json().decode() for manifest in manifests],
            rows_of_each=[manifest.rows for manifest in manifests],
            csv_bytes_of_each=[manifest.data.content_bytes for manifest in manifests],
            object_bytes_of_each=[manifest.data.bytes for manifest in manifests],
            sha256_of_each=[manifest.data.sha256 for manifest in manifests],
            commit=self._session.commit,
        )
        return frozenset(row.id for row in rows)

    def mark_stored_all(self, etags: Mapping[int, str]) -> frozenset[int]:
        """Note of these generations, by id, that their objects were checked; return those that were exported."""
        values: dict[str, object] = {"ids": list(etags), "etags": list(etags.values())}
        rows = self._session.fetch_all("ledger/windows/mark_stored_all", **values, commit=self._session.commit)
        return frozenset(row.id for row in rows)

    def end_all_by_range(self, rows: Sequence[Generation]) -> None:
        """Note in the transaction in which they leave that all rows of these generations did, and end them.

        Raises:
            Superseded: one of them is no longer as it was.
        """
        ended = self._session.fetch_all(
            "ledger/windows/end_all_by_range",
            ids=[row.id for row in rows],
            rows_of_each=[row.rows for row in rows],
            run_id=self._order.run_id,
            commit=self._session.commit,
        )
        if len(ended) != len(rows):
            if len(rows) == 1:
                raise taken_over(rows[0])
            raise Superseded(
                f"{len(rows) - len(ended)} of {len(rows)} windows were taken over by another run while this one worked "
                "on them. Nothing more was deleted"
            )
        self._count(sum(row.rows or 0 for row in rows))


def _cells(windows: Sequence[DueWindow]) -> dict[str, object]:
    cells: list[Window] = [window.cell for window in windows]
    return spans_of(cells)
