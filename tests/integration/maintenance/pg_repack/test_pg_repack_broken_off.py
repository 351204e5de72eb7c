"""Whatever breaks a pg_repack off, nothing stays behind; and another's is left alone."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from pg_archiver.errors import ArchiverError, Busy, DatabaseInterrupted, Stopped
from pg_archiver.maintenance import pg_repack
from pg_archiver.maintenance.pg_repack import Repacker
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.postgres.activity import StatementMonitor
from tests.support.concurrency import until
from tests.support.maintenance_steps import bloated, file_node, inspected, transaction, upkeep
from tests.support.place import Place
from tests.support.repacks import (
    LEFT,
    analyzed_and_gated,
    clients,
    ended,
    in_the_middle,
    killed_in_the_middle,
    reclaimed,
)

pytestmark = pytest.mark.more


@pytest.mark.parametrize("busy", [False, True])
def test_a_run_that_is_told_to_stop_leaves_nothing_behind(place: Place, client: Repacker, busy: bool) -> None:
    bloated(place)
    if busy:
        analyzed_and_gated(place)
    asked: list[bool] = []
    node = file_node(place)

    @contextmanager
    def stop_requested() -> Generator[Callable[[], bool]]:
        yield lambda: bool(asked)

    stoppable = replace(client, stop_requested=stop_requested)
    with in_the_middle(place, lambda: reclaimed(place, stoppable), busy=busy) as (running, _):
        assert place.sql(LEFT)
        asked.append(True)
        assert isinstance(running.exception(), Stopped)
        # The client goes on with its tidying up where this process has no time left.
        until(lambda: clients() == [] and place.sql(LEFT) == [])
    assert file_node(place) == node
    assert reclaimed(place, client).given_back > 1_000_000


def test_it_is_stopped_when_it_takes_too_long(place: Place, client: Repacker) -> None:
    bloated(place)
    brief = timedelta(milliseconds=10)
    with transaction(place, "SELECT 1"), pytest.raises(DatabaseInterrupted, match="did not end within"):
        reclaimed(place, client, longest=brief)
    assert place.sql(LEFT) == []


@pytest.mark.parametrize("strategy", [Strategy.PG_REPACK, Strategy.NONE])
def test_what_a_killed_one_left_is_removed_by_the_next_run(place: Place, client: Repacker, strategy: Strategy) -> None:
    bloated(place)
    before = place.live()
    killed_in_the_middle(place, client)
    place.sql("UPDATE analytics.events SET name = name WHERE id = 20")
    done = reclaimed(place, client, strategy=strategy)
    assert "removed what a pg_repack that broke off had left: " in done.notes[0]
    assert "trigger repack_trigger" in done.notes[0]
    assert done.notes[0] in upkeep(place, "note")[-1][0]
    assert place.sql(LEFT) == []
    assert place.live() == before


def test_one_whose_program_dies_is_tidied_up_after_as_soon_as_its_session_is_gone(
    place: Place, client: Repacker
) -> None:
    bloated(place)
    node = file_node(place)
    with in_the_middle(place, lambda: reclaimed(place, client)) as (running, _):
        (program,) = clients()
        program.send_signal(signal.SIGTERM)
        assert isinstance(running.exception(), ArchiverError)
        assert file_node(place) == node
        until(lambda: ended(place))
    reclaimed(place, client)
    assert place.sql(LEFT) == []


def test_somebody_elses_pg_repack_is_left_to_its_work(place: Place, client: Repacker) -> None:
    bloated(place)

    def other() -> None:
        with place.session() as session:
            pg_repack.repack(session, inspected(place).parts[0], client, timedelta(minutes=1), StatementMonitor())

    with in_the_middle(place, other) as (running, user):
        for strategy in (Strategy.PG_REPACK, Strategy.VACUUM_FULL):
            with pytest.raises(Busy, match=r"a pg_repack is running on analytics\.events"):
                reclaimed(place, client, strategy=strategy)
        assert place.sql(LEFT)
        user.rollback()
        running.result()


def test_a_users_own_trigger_of_that_name_stays(place: Place, client: Repacker) -> None:
    bloated(place)
    place.sql("CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
    place.sql("CREATE TRIGGER repack_trigger BEFORE INSERT ON analytics.events FOR EACH ROW EXECUTE FUNCTION own()")
    with pytest.raises(DatabaseInterrupted, match="already has a trigger"):
        reclaimed(place, client)
    assert place.sql(LEFT) == [("repack_trigger",)]


def test_a_connection_lost_in_the_middle_is_an_interruption(place: Place, client: Repacker) -> None:
    bloated(place)
    with in_the_middle(place, lambda: reclaimed(place, client)) as (running, _):
        place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_repack'")
        error = running.exception()
    assert isinstance(error, DatabaseInterrupted | psycopg.Error)
    assert reclaimed(place, client).given_back > 1_000_000
    assert place.sql(LEFT) == []
