"""Tables of which versions are archived, and what is left of them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.domain.versions import KeepVersions
from pg_archiver.domain.windows import MOST_WINDOW_HOURS_OF_VERSIONS, DueWindow
from pg_archiver.errors import Interrupted
from pg_archiver.ledger.window_ledger import CountDeleted
from tests.support.place import Place
from tests.support.version_writers import check_newer, write

# Of each of five documents four versions, a day apart, all of one year of the grid.
DOCS = """
    CREATE TABLE public.docs (
        doc_id int, version bigint, at timestamp NOT NULL, body text, PRIMARY KEY (doc_id, version)
    );
    CREATE INDEX docs_at ON public.docs (at);
    INSERT INTO public.docs
    SELECT doc, version, timestamp '2026-01-01' + version * interval '1 day', 'body ' || version
    FROM generate_series(1, 5) AS doc, generate_series(1, 4) AS version
"""
KEEP_3 = KeepVersions(3, ("doc_id",), "version")


@dataclass(frozen=True)
class ArchivedVersions:
    """A table at a place, of which the newest versions of each document stay."""

    place: Place

    @classmethod
    def made_by(cls, place: Place, made: str = DOCS, versions: KeepVersions = KEEP_3) -> ArchivedVersions:
        place.sql(made)
        return cls(place.on("public.docs", "at")).keeping(versions)

    def keeping(self, versions: KeepVersions | None, **changes: Any) -> ArchivedVersions:
        """The same table, of which these stay."""
        hours = MOST_WINDOW_HOURS_OF_VERSIONS
        return ArchivedVersions(self.place.ordered(versions=versions, **changes).with_policy(window_hours=hours))

    def keep(self, number: int, **changes: Any) -> ArchivedVersions:
        return self.keeping(replace(KEEP_3, keep=number, **changes))

    def sql(self, statement: str, *values: object) -> list[Any]:
        return self.place.sql(statement, *values)

    def archive(self, run: str = "run 1") -> list[Deleted]:
        """A whole run, with an id of its own."""
        return self.place.ordered(run_id=run).archive(keep_days=0)

    def stored(self) -> list[DueWindow]:
        """The windows that are due, exported and checked, not yet deleted."""
        windows = self.place.windows(keep_days=0)
        for window in windows:
            self.place.export(window)
            self.place.check(window)
        return windows

    def delete(self, windows: list[DueWindow], count: CountDeleted | None = None) -> int:
        """Delete their rows; return how many went."""
        with self.place.session() as session:
            order = self.place.order
            return sum(delete(session, self.place.store, order, one, lambda: False, count).rows for one in windows)

    def left(self, key: int = 1) -> list[int]:
        found = self.sql("SELECT version FROM public.docs WHERE doc_id = %s ORDER BY version", key)
        return [int(row[0]) for row in found]

    def all_left(self) -> dict[int, list[int]]:
        found = self.sql("SELECT doc_id, array_agg(version ORDER BY version) FROM public.docs GROUP BY 1 ORDER BY 1")
        return {row[0]: row[1] for row in found}


# What an archive has taken away, as the database saw it go.
GONE = """
    CREATE TABLE public.gone (doc_id int, version bigint);
    CREATE FUNCTION public.note_gone() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('test.writer', true) IS DISTINCT FROM 'on' THEN
            INSERT INTO public.gone VALUES (OLD.doc_id, OLD.version);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_gone AFTER DELETE ON public.docs FOR EACH ROW EXECUTE FUNCTION public.note_gone()
"""
OF_WRITERS = """
    CREATE TABLE public.docs (
        doc_id int, version bigint, at timestamp NOT NULL DEFAULT '2026-01-01', PRIMARY KEY (doc_id, version)
    );
    CREATE INDEX docs_at ON public.docs (at);
    INSERT INTO public.docs SELECT doc, version FROM generate_series(1, 4) AS doc, generate_series(1, 5) AS version
"""

WRITERS = 4


def archive_beside_writers(place: Place, operations: int) -> int:
    """Archives again and again while writers insert, delete and renumber; returns how many rows it followed.

    A trigger of the table finds out if one of the newest goes, and breaks that batch off.
    """
    docs = ArchivedVersions.made_by(place, OF_WRITERS).keeping(KEEP_3, batch_size=50)
    place.sql(f"{check_newer('public.docs')}; {GONE}")
    runs, each = 0, operations // WRITERS
    with ThreadPoolExecutor(WRITERS) as pool:
        working = [pool.submit(write, place.connect, "public.docs", number, each) for number in range(WRITERS)]
        while not all(one.done() for one in working):
            runs += 1
            # Others may break it off, as by a deadlock.
            with suppress(Interrupted):
                docs.archive(f"run {runs}")
        changed = [one.result() for one in working]
    for run in ("last run", "very last run"):
        docs.archive(run)
    inserted, deleted = (sum(counts) for counts in zip(*changed, strict=True))
    gone = Counter((str(key), str(version)) for key, version in docs.sql("SELECT doc_id, version FROM public.gone"))
    # Every row that went is in an object, and was counted once.
    assert gone.total() == docs.sql("SELECT sum(deleted_rows)::int FROM archiver.windows")[0][0] > 0
    ((rows,),) = docs.sql("SELECT count(*)::int FROM public.docs")
    assert rows == 20 + inserted - deleted - gone.total()
    assert not gone - Counter((row[0], row[1]) for row in docs.place.archived().elements())
    assert all(len(left) <= 3 for left in docs.all_left().values())
    return int(20 + inserted)
