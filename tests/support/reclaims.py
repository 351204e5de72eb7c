"""Rewrites of a table by night, as the tests of `reclaim` ask for them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pg_archiver.maintenance.disk_room import FreeSpace
from pg_archiver.maintenance.reclaim import ReclaimContext, Reclaimed, ReclaimRules, reclaim
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.off_hours import OffHours
from tests.support.maintenance_steps import PLENTY, QUICK
from tests.support.place import Place

NIGHT = datetime(2026, 6, 10, 2, tzinfo=UTC)
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
RULES = ReclaimRules(Strategy.VACUUM_FULL, 20, 100_000, OffHours.parse("01:00-05:00 UTC"), patience=QUICK)
REWRITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%VACUUM (FULL)%'"
    " AND pid <> pg_backend_pid()"
)
READ = "SELECT count(*) FROM analytics.events"
AT_THE_GATE = "SELECT 1 FROM pg_stat_progress_cluster WHERE phase = 'rebuilding index'"


class Helpers:
    """A clock that a test sets, a disk, and an online way that only notes that it was taken."""

    def __init__(self, place: Place, now: datetime = NIGHT, space: FreeSpace = PLENTY) -> None:
        self.now = now
        self.compacted = 0
        self.around = ReclaimContext(lambda: self.now, space, place.session, self._compact)

    def _compact(self) -> str:
        self.compacted += 1
        return "compacted"


def reclaimed(place: Place, rules: ReclaimRules = RULES, helpers: Helpers | None = None, **changes: Any) -> Reclaimed:
    with place.session() as session:
        return reclaim(session, place.order, replace(rules, **changes), (helpers or Helpers(place)).around)


def content(place: Place) -> Counter[tuple[str, ...]]:
    return place.live()
