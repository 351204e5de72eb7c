"""Whatever breaks a rewrite off, the table is as it was."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from pg_archiver.errors import DatabaseInterrupted
from pg_archiver.maintenance.reclaim import reclaim
from pg_archiver.postgres.base_session import ALIVE
from pg_archiver.postgres.session import Session
from tests.support.concurrency import in_background, until
from tests.support.maintenance_steps import GATE, QUICK, bloated, file_node, gated, inspected, transaction, upkeep
from tests.support.place import Place
from tests.support.reclaims import AT_THE_GATE, REWRITING, RULES, Helpers, content, reclaimed

pytestmark = pytest.mark.more


def test_a_connection_that_breaks_in_mid_rewrite_leaves_the_table_as_it_was(place: Place) -> None:
    bloated(place)
    gated(place)
    node, before, sizes = file_node(place), content(place), inspected(place).sizes
    patient = replace(QUICK, lock=timedelta(seconds=20))
    with transaction(place, GATE), in_background(lambda: reclaimed(place, patience=patient)) as work:
        until(lambda: bool(place.sql(AT_THE_GATE)))
        place.sql(f"SELECT pg_terminate_backend(pid) FROM ({REWRITING}) AS rewriting")
        assert isinstance(work.exception(), DatabaseInterrupted)
    assert (file_node(place), content(place), inspected(place).sizes) == (node, before, sizes)
    assert upkeep(place) == [("reclaim", "vacuum_full", "running")]
    assert reclaimed(place).given_back > 1_000_000
    assert [state for _, _, state in upkeep(place)] == ["failed", "done"]


def test_a_client_that_vanishes_takes_its_rewrite_with_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALIVE, "client_connection_check_interval", "100ms")
    bloated(place)
    gated(place)
    node, connections = file_node(place), []

    def connect() -> psycopg.Connection[Any]:
        connections.append(place.connect())
        return connections[-1]

    def rewrite() -> None:
        rules = replace(RULES, patience=replace(QUICK, lock=timedelta(minutes=10)))
        with Session.connect(connect, place.database, "test") as session:
            reclaim(session, place.order, rules, Helpers(place).around)

    with transaction(place, GATE), in_background(rewrite) as work:
        until(lambda: bool(place.sql(AT_THE_GATE)))
        with socket.socket(fileno=os.dup(connections[0].fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        assert isinstance(work.exception(), DatabaseInterrupted)
        until(lambda: not place.sql(REWRITING))
    assert file_node(place) == node
