"""Tables that pg_repack works on, and a pg_repack that is held in the middle of its work."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psutil

from pg_archiver.errors import DatabaseInterrupted
from pg_archiver.maintenance import pg_repack
from pg_archiver.maintenance.disk_room import FreeSpace
from pg_archiver.maintenance.pg_repack import Repacker
from pg_archiver.maintenance.reclaim import ReclaimContext, Reclaimed, ReclaimRules, reclaim
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.off_hours import OffHours
from pg_archiver.postgres.activity import StatementMonitor
from tests.support.concurrency import in_background, until
from tests.support.maintenance_steps import GATE, PLENTY, QUICK, gated, inspected, transaction
from tests.support.place import Place
from tests.support.reclaims import NOON

RULES = ReclaimRules(Strategy.PG_REPACK, 20, 100_000, OffHours.parse("01:00-05:00 UTC"), patience=QUICK)
AT_THE_GATE = (
    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'pg_repack' AND NOT granted"
    " AND relation = 'gate'::regclass"
)
COPIED = "SELECT 1 FROM pg_class WHERE relnamespace = 'repack'::regnamespace AND relname ~ '^table_'"
LEFT = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'repack'::regnamespace AND relname ~ '[0-9]$' UNION ALL"
    " SELECT tgname FROM pg_trigger WHERE tgname = 'repack_trigger'"
)


def reclaimed(place: Place, client: Repacker, space: FreeSpace = PLENTY, **changes: Any) -> Reclaimed:
    around = ReclaimContext(lambda: NOON, space, place.session, lambda: "compacted", client)
    with place.session() as session:
        return reclaim(session, place.order, replace(RULES, **changes), around)


def analyzed_and_gated(place: Place) -> None:
    """A table whose copy gets no further than an index that waits for a user's lock, and its fresh statistics."""
    gated(place)
    place.sql("VACUUM ANALYZE analytics.events")


@contextmanager
def in_the_middle(place: Place, work: Callable[[], object], *, busy: bool = False) -> Generator[tuple[Any, Any]]:
    """Holds a pg_repack, which `work` starts, in the middle; gives the work, and the user whose transaction holds it.

    It waits for the end of transactions older than its copy; or it is `busy` with an index.
    """
    hold, held = (GATE, AT_THE_GATE) if busy else ("SELECT 1", COPIED)
    with transaction(place, hold) as user, in_background(work) as running:
        try:
            until(lambda: running.done() or bool(place.sql(held)))
            yield running, user
        finally:
            user.rollback()


def clients() -> list[psutil.Process]:
    """The running pg_repack programs of this test."""
    return [one for one in psutil.Process().children() if "--no-kill-backend" in one.cmdline()]


def ended(place: Place) -> bool:
    return not place.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'pg_repack'")


def killed_in_the_middle(place: Place, client: Repacker) -> None:
    """What a task and its client leave that both vanish in the middle."""

    def alone() -> None:
        with place.session() as session:
            pg_repack.repack(session, inspected(place).parts[0], client, timedelta(minutes=1), StatementMonitor())

    with in_the_middle(place, alone) as (running, _):
        (program,) = clients()
        program.send_signal(signal.SIGKILL)
        assert isinstance(running.exception(), DatabaseInterrupted)
        until(lambda: ended(place))
    assert "repack_trigger" in [name for (name,) in place.sql(LEFT)]
