"""The logins around jobs, on the usual server and on an older one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.postgres import PostgresServer
from dev.repack_server import repack_server
from dev.s3 import S3Server
from tests.support.jobs import Tenants
from tests.support.place import Place
from tests.support.server_folder import server_folder


@pytest.fixture(scope="package")
def fifteen() -> Iterator[PostgresServer]:
    with server_folder() as folder, repack_server(folder) as found:
        yield found.server


@pytest.fixture(params=["17", pytest.param("15", marks=pytest.mark.more)])
def tenants(request: pytest.FixtureRequest, rclone: S3Server) -> Iterator[Tenants]:
    """On either server: memberships are other ones from 16 on."""
    server = request.getfixturevalue("server" if request.param == "17" else "fifteen")
    with Place.made(server, rclone, 400_000 + request.node.parent.session.items.index(request.node)) as place:
        yield Tenants.made(place)
