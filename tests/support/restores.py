"""Bringing rows back, and comparing what came with what was there before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import OnConflict, RestoreOrder
from pg_archiver.policies.settings import parse_table
from pg_archiver.restore.restore import restore
from pg_archiver.restore.result import Restored
from tests.support.place import EVENTS, Place, hours_ago

LONG_AGO, NOW = hours_ago(24 * 300), hours_ago(0)


def restored(
    place: Place,
    start: datetime = LONG_AGO,
    end: datetime = NOW,
    into: str | None = None,
    on_conflict: str = "skip",
    **settings: Any,
) -> Restored:
    """Restores a span of the place's table, everything by default."""
    target: TableName | None = parse_table(into) if into else None
    order = RestoreOrder(place.order, start, end, target, OnConflict(on_conflict), **settings)
    with place.session() as session:
        return restore(session, place.store, order)


def remembered(place: Place) -> None:
    """Keeps a copy of the table's rows as they are now."""
    place.sql(f"DROP TABLE IF EXISTS public.before; CREATE TABLE public.before AS SELECT * FROM {place.relation}")


def differences(place: Place, relation: str | None = None) -> list[Any]:
    """The rows, as text, that the remembered table has and the other has not, and the other way round."""
    other = relation or place.relation
    one, two = "SELECT t::text FROM public.before AS t", f"SELECT t::text FROM {other} AS t"
    return place.sql(f"({one} EXCEPT ALL {two}) UNION ALL ({two} EXCEPT ALL {one})")


def events(place: Place, rows: int = 25, hours: float = 60) -> Place:
    """A table of events, that many of them old, and their copy."""
    place.sql(EVENTS)
    place.events(*(hours_ago(hours - minute / 60) for minute in range(rows)))
    remembered(place)
    return place


def keyless(place: Place, rows: int = 10) -> Place:
    """A table without a key, of which each row is there twice."""
    place.sql("CREATE TABLE public.notes (at timestamp, note text)")
    for minute in range(rows):
        for _ in range(2):
            place.sql("INSERT INTO public.notes VALUES (%s, %s)", hours_ago(60 - minute / 60), f"note {minute}")
    place = place.on("public.notes", "at")
    remembered(place)
    return place
