"""How many requests the tasks of a table send to S3, whose plan has found out whether the store writes a key twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from pg_archiver.airflow.archive import TableWork
from pg_archiver.airflow.one_task import archive_table
from tests.faults.s3_faults import EVERYTHING
from tests.faults.s3_proxy import Answer, Fault, Forward, Request, S3Proxy
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.task_context import connect_airflow, context_of, set_variables, work_on


def by_chain(work: TableWork, windows: int) -> None:
    """A task of each step for each window."""
    batches, _ = work.plan(context_of())
    assert len(batches) == windows
    for batch in batches:
        assert work.export(batch, context_of())["rows"] == 1
        assert work.store(batch, context_of()) == {"rows": 1}
        assert work.delete(batch, context_of())["deleted"] == 1


def by_one_task(work: TableWork, windows: int) -> None:
    outcome = archive_table(work, context_of() | {"ti": SimpleNamespace(map_index=-1, try_number=1)})
    outcome.settle()
    assert outcome.report.deleted == windows


@pytest.mark.parametrize("windows", [1, 3])
@pytest.mark.parametrize("archive", [by_chain, by_one_task])
def test_a_window_takes_six_requests_and_two_more_where_keys_may_be_written_twice(
    place_on_both: Place, monkeypatch: pytest.MonkeyPatch, archive: Callable[[TableWork, int], None], windows: int
) -> None:
    place = place_on_both
    place.sql(EVENTS)
    place.events(*(hours_ago(60.5 - number) for number in range(windows)))
    set_variables(monkeypatch)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    of_windows: Counter[str] = Counter()

    def note(request: Request, forward: Forward) -> Answer:
        of_windows.update([request.operation] if "table" in request.path else [])
        return forward(request.body)

    with S3Proxy.started(place.s3.endpoint_url) as proxy, proxy.doing(Fault(EVERYTHING, note)):
        connect_airflow(place, monkeypatch, proxy.endpoint_url)
        archive(work_on(place, enabled=True), windows)
    looks = 2 if place.s3.name == "moto" else 4
    each = {"PutObject": 2, "GetObject": 2, "HeadObject": looks}
    assert of_windows == {operation: number * windows for operation, number in each.items()}
    assert place.sql("SELECT count(*) FROM analytics.events") == [(0,)]
