"""An etcd, and a database whose channel it feeds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dev.etcd import EtcdServer, unpack_etcd
from tests.support.etcd_place import CHANNEL, EtcdKeys, Fed
from tests.support.events import Events
from tests.support.place import Place


@pytest.fixture(scope="session")
def etcd_program() -> Iterator[Path]:
    unpacked = unpack_etcd()
    yield unpacked
    shutil.rmtree(unpacked)


@pytest.fixture(scope="session")
def etcd_server(etcd_program: Path) -> Iterator[EtcdServer]:
    with TemporaryDirectory() as folder, EtcdServer(Path(folder), etcd_program) as server:
        yield server


@pytest.fixture
def fed(place: Place, etcd_server: EtcdServer) -> Iterator[Fed]:
    """A database with a binding of the channel, and an etcd without keys."""
    etcd = EtcdKeys(etcd_server)
    etcd.clear()
    with Events.of(place) as events:
        events.open_channel(topic="", channel=CHANNEL)
        yield Fed(events, etcd)
