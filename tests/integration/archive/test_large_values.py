"""A value of 100 MB in one row comes back, and what it costs is bounded."""

from __future__ import annotations

import pytest

from tests.support.memory_of_steps import peaks
from tests.support.place import Place, hours_ago

pytestmark = pytest.mark.more

LARGE = 100_000_000
SUMS = "SELECT id, at, length(content), md5(content), length(bytes), md5(bytes) FROM public.things ORDER BY id"


def test_values_of_100_mb_come_back_and_memory_stays_bounded(place: Place) -> None:
    place.sql("CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, content text, bytes bytea)")
    place.sql("ALTER TABLE public.things ALTER content SET STORAGE EXTERNAL, ALTER bytes SET STORAGE EXTERNAL")
    # A megabyte that repeats itself is noise to a compressor that looks back 32 KiB.
    place.sql(
        "INSERT INTO public.things"
        " WITH noise AS (SELECT string_agg(sha512(n::text::bytea), '') AS bytes FROM generate_series(1, 15625) AS n)"
        " SELECT 1, %s, repeat(left(encode(bytes, 'base64'), 999999) || '\"', 100), NULL FROM noise"
        " UNION ALL SELECT 2, %s, NULL, decode(repeat(encode(bytes, 'hex'), 50), 'hex') FROM noise",
        hours_ago(60),
        hours_ago(60),
    )
    place = place.on("public.things", "at")
    before = place.sql(SUMS)
    assert [row[2] or row[4] for row in before] == [LARGE, LARGE // 2]
    found = peaks(place, place.window())
    # In CSV the larger row has 100 MB; which the driver holds three times over as it arrives.
    assert max(found.values()) - found["before"] < 4 * LARGE / 1e6, found
    assert place.sql(SUMS) == before
    assert place.ledger("rows, deleted_rows") == [(2, 2)]
