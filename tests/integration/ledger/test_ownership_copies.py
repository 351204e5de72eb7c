"""Copies of whole servers, which have the same ledger, system identifier and oids as their original."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dev.postgres import PostgresServer
from dev.s3 import S3Server
from tests.faults.standby import standby_of
from tests.support.any_place import founded
from tests.support.concurrency import until
from tests.support.owners import claim, confirm, refused_claim, refused_confirm
from tests.support.place import Place

pytestmark = pytest.mark.more

_numbers = itertools.count(1)


@pytest.fixture
def original(tmp_path: Path, rclone: S3Server) -> Iterator[Place]:
    """A database on a server of its own, which may be stopped."""
    with PostgresServer(tmp_path / "original") as server:
        name = f"original{next(_numbers)}"
        parts = founded(server, rclone, name, run_id="run 1")
        with server.connect(name) as user:
            yield Place(**parts, user=user)


@contextmanager
def copied(place: Place, *, same_port: bool) -> Iterator[Place]:
    """The same database on a copy of its server's files; the original is stopped for that, and stays so."""
    server = place.server
    server.stop()
    directory = server.directory.parent / "copy"
    directory.mkdir()
    for name in ("data", "password", *(["port"] if same_port else [])):
        copy = shutil.copytree if (server.directory / name).is_dir() else shutil.copy
        copy(server.directory / name, directory / name)
    with PostgresServer(directory) as twin:
        assert (twin.port == server.port) == same_port
        yield replace(place, server=twin)


def test_a_copy_beside_its_original_refuses_when_the_original_has_acted(original: Place) -> None:
    claim(original, "run 1")
    with copied(original, same_port=False) as copy:
        original.server.start()
        claim(original, "run 2")
        for said in (refused_claim(copy, "run 2"), refused_confirm(copy, "run 1")):
            assert f"the port of the connection was '{original.server.port}' and is '{copy.server.port}' now" in said
            assert "S3 has marker 2, which is not in the ledger of this database (ends at 1)" in said
            assert "was written by run run 2 at " in said
        for run_id in ("run 1", "run 2"):
            confirm(original, run_id)


def test_an_original_refuses_when_its_copy_was_adopted_and_may_be_adopted_back(original: Place) -> None:
    claim(original, "run 1")
    with copied(original, same_port=False) as copy:
        original.server.start()
        said = refused_claim(copy, "run 2")
        assert "S3 has marker" not in said
        assert f"and is '{copy.server.port}' now" in said
        claim(copy, "run 2", "the old server is to go")
        confirm(copy, "run 2")
        for said in (refused_confirm(original, "run 1"), refused_claim(original, "run 3")):
            assert "S3 has marker 2, which is not in the ledger of this database (ends at 1)" in said
            assert "the port" not in said
        claim(original, "run 3", "the old server stays after all")
        confirm(original, "run 3")
        assert "S3 has marker 3" in refused_confirm(copy, "run 2")
        assert "cannot do so twice" in refused_claim(copy, "run 2", "the old server is to go")


def test_a_restore_to_an_earlier_moment_in_the_originals_place_refuses(original: Place) -> None:
    """Nothing tells it from its original but what that one did after the moment."""
    claim(original, "run 1")
    with copied(original, same_port=True) as copy:
        copy.server.stop()
        original.server.start()
        claim(original, "run 2")
        original.server.stop()
        copy.server.start()
        for said in (refused_claim(copy, "run 3"), refused_confirm(copy, "run 1")):
            assert "S3 has marker 2, which is not in the ledger of this database (ends at 1)" in said
            assert "the port" not in said
        claim(copy, "run 3", "restored to yesterday")
        confirm(copy, "run 3")


def test_an_original_refuses_when_a_copy_in_its_place_has_acted(original: Place) -> None:
    claim(original, "run 1")
    with copied(original, same_port=True) as copy:
        claim(copy, "run 2")
        confirm(copy, "run 2")
        copy.server.stop()
        original.server.start()
        for said in (refused_claim(original, "run 3"), refused_confirm(original, "run 1")):
            assert "S3 has marker 2, which is not in the ledger of this database (ends at 1)" in said


def test_a_standby_that_takes_over_at_the_same_address_goes_on(original: Place) -> None:
    claim(original, "run 1")
    with standby_of(original.server, original.server.directory.parent / "standby") as standby:
        promoted = replace(original, server=standby)
        claim(original, "run 2")
        until(lambda: _position(original) == _position(promoted))
        original.server.kill()
        _take_over(original, standby)
        assert promoted.server.port == original.server.port
        for run_id in ("run 1", "run 2"):
            confirm(promoted, run_id)
        claim(promoted, "run 3")
        confirm(promoted, "run 3")


def test_a_standby_that_never_got_the_last_claim_refuses(original: Place) -> None:
    """What else it lacks nobody knows: deletes may be among it."""
    claim(original, "run 1")
    with standby_of(original.server, original.server.directory.parent / "standby") as standby:
        promoted = replace(original, server=standby)
        until(lambda: _position(original) == _position(promoted))
        standby.stop()
        claim(original, "run 2")
        original.server.kill()
        standby.start()
        _take_over(original, standby)
        assert "S3 has marker 2" in refused_claim(promoted, "run 3")


def _take_over(original: Place, standby: PostgresServer) -> None:
    """The standby becomes the primary where the dead one was."""
    with standby.connect() as admin:
        assert admin.execute("SELECT pg_promote()").fetchone() == (True,)
    standby.stop()
    shutil.copy(original.server.directory / "port", standby.directory / "port")
    standby.start()


def _position(place: Place) -> object:
    with place.server.connect(place.database) as connection:
        return connection.execute(
            "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
        ).fetchone()
