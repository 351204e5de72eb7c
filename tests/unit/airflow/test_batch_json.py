"""A batch comes back from XCom as it went there, and is small however many windows it holds."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.airflow.batch_json import from_json, to_json
from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.domain.work import Batch
from pg_archiver.policies.table_policies import MOST_WINDOWS_A_RUN

FIRST = datetime(2020, 1, 1)  # noqa: DTZ001 (column time)
HOUR = timedelta(hours=1)


def window(start: int, hours: int = 1, cut: int = 0) -> DueWindow:
    """A window of so many hours, of which only the minutes after the first `cut` are due."""
    cell = Window(FIRST + start * HOUR, FIRST + (start + hours) * HOUR)
    return DueWindow(cell, Window(cell.start + timedelta(minutes=cut), cell.end))


@given(
    st.lists(
        st.builds(window, st.integers(0, 30), st.sampled_from([1, 1, 1, 24]), st.sampled_from([0, 0, 0, 7])), min_size=1
    )
)
def test_a_batch_comes_back_as_it_was(windows: list[DueWindow]) -> None:
    batch = Batch(tuple(sorted(windows, key=lambda one: (one.span.start, one.span.end))))
    assert from_json(json.loads(json.dumps(to_json(batch, dry_run=False)))) == batch


def test_consecutive_hours_take_the_room_of_one() -> None:
    many = to_json(Batch(tuple(map(window, range(MOST_WINDOWS_A_RUN)))), dry_run=False)
    assert len(json.dumps(many)) < 200
    assert len(from_json(many)) == MOST_WINDOWS_A_RUN


def test_what_an_older_version_planned_is_read() -> None:
    moments = ["2020-01-01T00:00:00", "2020-01-01T01:00:00"]
    assert from_json({"label": "one", "dry_run": False, "windows": [[*moments, *moments]]}) == Batch((window(0),))
    assert to_json(Batch((window(0),)), dry_run=False)["windows"] == [[*moments, *moments]]
