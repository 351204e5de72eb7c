"""A dry run of a restore is in nobody's way: it holds no lock and no transaction beyond one object."""

from __future__ import annotations

from typing import Any

import pytest

from pg_archiver.s3.bucket import Bucket
from tests.support.place import Place, hours_ago
from tests.support.restores import events, keyless, restored

HELD = (
    "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation"
    " WHERE relname = 'events' AND mode <> 'AccessShareLock' AND pid <> pg_backend_pid()"
)
OPEN = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_xid IS NOT NULL"
)


@pytest.mark.parametrize("into", [None, "public.copy"])
def test_a_dry_run_holds_no_lock_on_the_table_and_no_transaction_from_object_to_object(
    place: Place, monkeypatch: pytest.MonkeyPatch, into: str | None
) -> None:
    events(place, rows=200)
    place.archive()
    seen: list[tuple[int, int]] = []
    reading = Bucket.open

    def looking(bucket: Bucket, key: str) -> Any:
        if key.endswith(".manifest.json"):
            seen.append((place.sql(HELD)[0][0], place.sql(OPEN)[0][0]))
        elif "/_" not in key:
            assert place.sql(HELD) == [(0,)]
        return reading(bucket, key)

    monkeypatch.setattr(Bucket, "open", looking)
    result = restored(place.ordered(dry_run=True), into=into)
    assert result.restored == 200
    assert seen == [(0, 0)] * 4


def test_a_dry_run_of_a_ledger_of_an_older_version_leaves_it_as_it_is(place: Place) -> None:
    events(place)
    place.archive()
    place.sql("ALTER TABLE archiver.restores DROP COLUMN positions; DELETE FROM archiver.migrations WHERE number = 15")
    assert restored(place.ordered(dry_run=True)).restored == 25
    assert place.sql("SELECT count(*) FROM archiver.migrations WHERE number = 15") == [(0,)]
    assert restored(place, hours_ago(61), hours_ago(59)).restored == 25


def test_a_dry_run_does_not_count_rows_without_a_key_that_came_back_before(place: Place) -> None:
    place = keyless(place)
    place.archive()
    assert restored(place).restored == 20
    again = restored(place.ordered(dry_run=True))
    assert (again.restored, again.already) == (0, 20)
