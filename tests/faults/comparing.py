"""Restores compared by content: what comes back is what the account saw leave, row by row, no more and no less.

What must come back of a table is the last committed version of each row that no user deleted and that is not in the
table. The account knows it from the writers; nothing here asks the archiver what it has archived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import ArchiverError
from tests.faults.account import Account, Verdict, contents
from tests.faults.archiving import Run
from tests.faults.objects import Row
from tests.faults.place import Place
from tests.faults.recorder import mend_partitions


def compared(*places: Place) -> Verdict:
    """Brings back all that ever left these tables, first each into a copy, then each into the table itself.

    To be called when nobody writes. A table whose rows point to another's comes after that one.
    """
    total = Verdict()
    for place in places:
        copy = f"{place.order.table.name}_copy"
        total += Verdict(problems=restored(Run.of(place), copy)) + difference(place, copy)
    for place in places:
        mend_partitions(place)
        total += Verdict(problems=restored(Run.of(place))) + difference(place)
    return total


def restored(run: Run, into: str | None = None, **settings: Any) -> tuple[str, ...]:
    """One plain restore; what went wrong with it, by its own account."""
    try:
        found = run.restore(into, **settings)
    except ArchiverError as error:
        return (f"the restore into {into or 'the table itself'} ended with {type(error).__name__}: {error}",)
    return tuple(f"not restored into {into or 'the table itself'}: {failure}" for failure in found.failures)


def difference(place: Place, copy: str | None = None) -> Verdict:
    """How the rows of the copy, or of the table itself, differ from what should be there after the restore."""
    table = place.order.table
    expected = Account(place).last_versions()
    if copy:
        expected -= contents(place, table)
    found = contents(place, TableName(table.schema, copy) if copy else table)
    where = f"{table.schema}.{copy}" if copy else str(table)
    missing = tuple(_told(expected - found, f"did not come back into {where}"))
    return Verdict(restores=1, missing=missing, wrong=tuple(_told(found - expected, f"should not be in {where}")))


def _told(rows: Counter[Row], what: str) -> Iterable[str]:
    return (f"{row} {what}" for row in rows.elements())
