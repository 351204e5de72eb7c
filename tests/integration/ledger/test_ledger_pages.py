"""Years of hours in the ledger are read a page at a time, and what is not asked for is not fetched."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from pg_archiver.archive.report import report
from pg_archiver.domain.windows import Window
from pg_archiver.ledger.restores import RestoreLog
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import Names
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import events

pytestmark = pytest.mark.more

WINDOWS = 2500
SPAN = Window(hours_ago(100_000), hours_ago(0))
# A manifest of thirty columns is some kilobytes.
COLUMNS = json.dumps([{"name": f"column_{n}", "type": "timestamp without time zone", "number": n} for n in range(30)])
FILL = """
    INSERT INTO archiver.windows (
        client, table_schema, table_name, cell_start, cell_end, generation, span_start, span_end, state, bucket,
        object_key, rows, manifest, run_id
    )
    SELECT
        client, table_schema, table_name, cell_start - hours.n, cell_end - hours.n, 1, span_start - hours.n,
        span_end - hours.n, %s, bucket, object_key || hours.n, 5, manifest || jsonb_build_object('columns', %s::jsonb),
        run_id
    FROM archiver.windows, (SELECT make_interval(hours => n) AS n FROM generate_series(1, %s) AS n) AS hours
"""


class Recorded(Session):
    """Remembers how many rows the longest answer to each statement had."""

    longest: ClassVar[Counter[str]] = Counter()

    def fetch_all(self, statement: str, names: Names | None = None, /, **values: object) -> list[Row]:
        rows = super().fetch_all(statement, names, **values)
        self.longest[statement] = max(self.longest[statement], len(rows))
        return rows


@pytest.fixture
def filled(place: Place) -> Place:
    """A ledger of many windows, one of which is real."""
    events(place, rows=5)
    place.stored_window()
    place.sql("SET archiver.ledger_version = '3'")
    return place


def filled_with(place: Place, state: str) -> None:
    place.sql(FILL, state, COLUMNS, WINDOWS - 1)


def recorded(place: Place) -> Any:
    return Recorded.connect(place.connect, place.database, "test")


@pytest.mark.parametrize("name", ["open_generations", "vouched_for"])
def test_generations_with_their_manifests_come_twenty_at_a_time(filled: Place, name: str) -> None:
    filled_with(filled, "stored")
    with recorded(filled) as database:
        database.longest.clear()
        ledger = WindowLedger(database, filled.order)
        tracemalloc.start()
        rows: Iterator[Any] = (
            ledger.list_open_generations(SPAN) if name == "open_generations" else ledger.list_vouched_for()
        )
        cells = [row.cell.start for row in rows]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert database.longest[f"ledger/windows/{name}"] == 20
    assert len(cells) == len(set(cells)) == WINDOWS
    assert cells == sorted(cells)
    assert peak < 5_000_000, "all of them take ten times as much"


def test_a_report_of_very_many_windows_keeps_only_what_there_is_to_say(filled: Place) -> None:
    filled.sql("UPDATE archiver.windows SET state = 'void'")
    filled_with(filled, "deleted")
    with recorded(filled) as database:
        database.longest.clear()
        tracemalloc.start()
        result = report(database, filled.order, [])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (result.windows, result.objects, result.rows) == (WINDOWS, WINDOWS - 1, 5 * (WINDOWS - 1))
    assert database.longest["ledger/windows/of_run"] == 1000
    assert peak < 4_000_000


def test_what_a_report_hands_on_is_cut_where_it_gets_long(filled: Place) -> None:
    filled_with(filled, "stored")
    with filled.session() as session:
        result = report(session, filled.order, [])
    assert len(result.unfinished) == WINDOWS
    told = result.as_dict()["unfinished"]
    assert isinstance(told, list)
    assert (len(told), told[-1]) == (101, "and 2,400 more")


def test_the_holds_of_a_restore_of_years_are_one(place: Place) -> None:
    place.sql(EVENTS)
    with place.session() as session:
        WindowLedger(session, place.order).migrate()
        place.sql("SET archiver.ledger_version = '3'")
        place.sql(
            "INSERT INTO archiver.restores (client, table_schema, table_name, bucket, object_key, generation,"
            " target_schema, target_table, target_oid, span_start, span_end, rows, run_id, hold_until)"
            " SELECT 'c', 'analytics', 'events', 'b', 'k', 1, 'analytics', 'events', 1, at, at + interval '1 hour', 1,"
            " 'r', now() + interval '1 day' + n * interval '1 second'"
            " FROM generate_series(1, 3000) AS n, LATERAL (SELECT %s::timestamp + n * interval '1 hour' AS at) AS hours"
            " WHERE n <> 2000",
            hours_ago(5000),
        )
        found = RestoreLog(session, place.order).list_holds(SPAN)
    first, second = hours_ago(5000), hours_ago(5000) + timedelta(hours=2001)
    assert [one.span for one in found] == [
        Window(first + timedelta(hours=1), first + timedelta(hours=2000)),
        Window(second, first + timedelta(hours=3001)),
    ]
    assert found[0].until < found[1].until
