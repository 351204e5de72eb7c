"""A process that ends anywhere in the work on a group leaves what a plain rerun continues with, and loses nothing."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from pg_archiver.archive.delete import delete_all
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.store import store_all
from pg_archiver.errors import ArchiverError
from pg_archiver.postgres.session import Session
from tests.support.broken_session import BrokenSession
from tests.support.groups import ROWS, archive_windows, small_windows
from tests.support.place import Place

pytestmark = pytest.mark.more

_WINDOWS = 3
# More statements than a group takes in any step.
_MOST = 60


def broken_off(place: Place, ends_before: int | None) -> bool:
    """Archives what is due; in each step the connection ends before the statement of this number. Whether any did."""
    windows, reached = place.windows(), False

    def step(session: Session, number: int) -> None:
        if number == 0:
            export_all(session, place.store, place.order, windows)
        elif number == 1:
            store_all(session, place.store, place.order, windows)
        else:
            delete_all(session, place.store, place.order, windows, lambda: False)

    for number in range(3):
        try:
            with BrokenSession.connect(place.connect, place.database, "test") as session:
                assert isinstance(session, BrokenSession)
                process = session.process
                session.begin(partial(place.sql, "SELECT pg_terminate_backend(%s)", process), ends_before)
                step(session, number)
        except ArchiverError:
            reached = True
            # The rows that are to go next are those of a step that came to its end.
            with place.session() as again:
                step(again, number)
    return reached


def test_a_connection_that_ends_before_any_statement_costs_a_rerun_and_no_row(place: Place) -> None:
    expected: Counter[tuple[str, ...]] = Counter()
    for ends_before in range(_MOST):
        # Hours that no run has seen, so that they go together.
        place = small_windows(place, _WINDOWS, first=100 + _WINDOWS * ends_before)
        expected += place.csv_of_table()
        reached = broken_off(place, ends_before)
        archive_windows(place)
        assert place.csv_of_table().total() == 0, ends_before
        if not reached:
            break
    else:
        pytest.fail("a step takes more statements than that")
    assert expected.total() > 15 * _WINDOWS * ROWS
    assert archived_once(place) == expected
    assert place.sql("SELECT count(*) FROM archiver.windows WHERE state NOT IN ('deleted', 'void')") == [(0,)]


def archived_once(place: Place) -> Counter[tuple[str, ...]]:
    """The rows that left, by the objects of the generations that are `deleted`; each whole."""
    left = {key for (key,) in place.sql("SELECT object_key FROM archiver.windows WHERE state = 'deleted'")}
    rows: Counter[tuple[str, ...]] = Counter()
    for manifest in place.manifests():
        if manifest.data.key in left:
            rows += place.rows_of(manifest)
    return rows
