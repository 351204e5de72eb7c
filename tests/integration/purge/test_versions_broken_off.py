"""A purge of old versions whose session ends before any statement: what is gone is counted, and the newest stay."""

from __future__ import annotations

import pytest

from pg_archiver.errors import ArchiverError
from tests.integration.purge.test_purge_broken_off import run
from tests.support.place import Place
from tests.support.purges import COUNTED
from tests.support.versions import DOCS, Versions

pytestmark = pytest.mark.more


def fresh(place: Place) -> Versions:
    place.sql(f"DROP TABLE IF EXISTS public.docs, public.counted; {DOCS}")
    place.sql(COUNTED)
    return Versions(place, place.on("public.docs").order.table)


def test_a_session_that_ends_before_any_statement(place: Place) -> None:
    Versions.made_by(place).migrate()
    statements = run(fresh(place))
    assert sum(name.startswith("purge/versions/delete") for name in statements) == 1
    broken = 0
    for number in range(0, len(statements), max(1, len(statements) // 20)):
        docs = fresh(place)
        try:
            run(docs, number)
        except ArchiverError:
            broken += 1
        assert sum(docs.counts()) == 20 - docs.rows()
        assert all(left[-3:] == [2, 3, 4] for left in docs.all_left().values())
        run(docs)
        assert docs.all_left() == {key: [2, 3, 4] for key in range(1, 6)}
        assert sum(docs.counts()) == 5
    assert broken >= 15
