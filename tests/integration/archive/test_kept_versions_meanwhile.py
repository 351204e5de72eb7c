"""Whatever writers do while versions are archived, the newest of each key stay, and what goes is in an object."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from pg_archiver.errors import Interrupted
from tests.support.archived_versions import GONE, KEEP_3, OF_WRITERS, ArchivedVersions
from tests.support.place import Place
from tests.support.version_writers import check_newer, write

WRITERS = 4


@pytest.mark.parametrize("operations", [1_200, pytest.param(20_000, marks=pytest.mark.more)])
def test_writers_of_every_kind_never_lose_one_of_the_newest(place: Place, operations: int) -> None:
    docs = ArchivedVersions.made_by(place, OF_WRITERS).keeping(KEEP_3, batch_size=50)
    place.sql(f"{check_newer('public.docs')}; {GONE}")
    runs = 0
    with ThreadPoolExecutor(WRITERS) as pool:
        working = [
            pool.submit(write, place.connect, "public.docs", number, operations // WRITERS) for number in range(WRITERS)
        ]
        while not all(one.done() for one in working):
            runs += 1
            archive_once(docs, f"run {runs}")
        changed = [one.result() for one in working]
    for run in ("last run", "very last run"):
        docs.archive(run)
    inserted, deleted = (sum(counts) for counts in zip(*changed, strict=True))
    gone = Counter(tuple(map(str, row)) for row in docs.sql("SELECT doc_id, version FROM public.gone"))
    # Every row that went is in an object, and was counted once.
    assert gone.total() == docs.sql("SELECT sum(deleted_rows)::int FROM archiver.windows")[0][0] > 0
    rows = docs.sql("SELECT count(*)::int FROM public.docs")[0][0]
    assert rows == 20 + inserted - deleted - gone.total()
    assert not gone - Counter((row[0], row[1]) for row in docs.place.archived().elements())
    assert all(len(left) <= 3 for left in docs.all_left().values())


def archive_once(docs: ArchivedVersions, run: str) -> None:
    """A run that others may break off, as by a deadlock."""
    try:
        docs.archive(run)
    except Interrupted:
        return
