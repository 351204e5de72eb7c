"""Tables of which the newest versions of each key stay, and what is left of them."""

from __future__ import annotations

from typing import Any

from pg_archiver.domain.versions import KeepVersions
from pg_archiver.policies.retention import KeepDays
from tests.support.place import Place
from tests.support.purges import Purges

AT_ONCE = KeepDays(0, "keep_days of job 'versions'")
DOCS = """
    CREATE TABLE public.docs (doc_id int, version bigint, body text, PRIMARY KEY (doc_id, version));
    INSERT INTO public.docs SELECT doc, version, 'body'
    FROM generate_series(1, 5) AS doc, generate_series(1, 4) AS version
"""
# The seed's own table of versions of one key.
SEED = """
    CREATE TABLE public.docs (doc_id int, version bigint, body text, PRIMARY KEY (doc_id, version));
    INSERT INTO public.docs SELECT 1, unnest('{1,5,10,20,100}'::int[])
"""
KEEP_3 = KeepVersions(3, ("doc_id",), "version", timed=False)


class Versions(Purges):
    """A table without a time column, unless the order says otherwise."""

    @classmethod
    def made_by(cls, place: Place, made: str = DOCS) -> Versions:
        return cls.of(place, "public.docs", made=made)  # type: ignore[return-value]

    def order(self, **changes: Any) -> Any:
        return super().order(**{"keep": AT_ONCE, "versions": KEEP_3, **changes})

    def left(self, key: int = 1) -> list[int]:
        found = self.place.sql("SELECT version FROM public.docs WHERE doc_id = %s ORDER BY version", key)
        return [int(row[0]) for row in found]

    def all_left(self) -> dict[int, list[int]]:
        found = self.place.sql(
            "SELECT doc_id, array_agg(version ORDER BY version) FROM public.docs GROUP BY 1 ORDER BY 1"
        )
        return {row[0]: row[1] for row in found}
