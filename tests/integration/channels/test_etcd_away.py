"""An etcd that refuses, is not there, or is something else: nothing is lost, and the errors say what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from dev.etcd import EtcdServer
from dev.processes import free_port
from pg_archiver.errors import ChannelInterrupted, ChannelRefused, SettingError
from pg_archiver.events import etcd_client
from pg_archiver.events.etcd_client import EtcdClient
from tests.support.etcd_place import CHANNEL, PREFIX, EndsBeforeRemoving, EtcdKeys, Fed, SourceLostError, encode

pytestmark = pytest.mark.more

ROOT = Path(__file__).parents[3]
SECRET = "s3cret-of-etcd"


@contextmanager
def answering(status: int, body: bytes, calls: int = 1_000_000) -> Iterator[str]:
    """Something at an address that answers each request alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def own_etcd(fed: Fed, tmp_path: Path, etcd_program: Path) -> Iterator[Fed]:
    """The same database, fed by an etcd that a test may stop or lock."""
    with EtcdServer(tmp_path, etcd_program) as server:
        yield Fed(fed.events, EtcdKeys(server))


def test_a_reader_that_is_killed_between_commit_and_removal_makes_no_second_event(fed: Fed) -> None:
    fed.etcd.put("/q/test/a", "7")
    place = fed.events.place
    order = {"dsn": make_conninfo(**place.server.dsn(place.database)), "url": fed.etcd.server.url}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.etcd_reader"],
        input=json.dumps({**order, "prefix": PREFIX, "channel": CHANNEL}),
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "include")))},
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (len(fed.noted()), fed.etcd.list()) == (1, [b"/q/test/a"])
    assert fed.receive().removed == 1
    assert (len(fed.noted()), fed.etcd.list(), fed.known()) == (1, [], 0)


def test_messages_wait_while_etcd_is_away(own_etcd: Fed) -> None:
    own_etcd.etcd.put("/q/test/a", "7")
    own_etcd.etcd.server.stop()
    with pytest.raises(ChannelInterrupted, match=r"could not be reached .* Nothing was read"):
        own_etcd.receive()
    assert own_etcd.noted() == []
    own_etcd.etcd.server.start()
    assert own_etcd.receive().removed == 1


def test_etcd_that_goes_away_before_the_removal_is_said_and_nothing_comes_twice(own_etcd: Fed) -> None:
    server = own_etcd.etcd.server

    class Stopped(EtcdClient):
        def remove(self, keys: Any) -> int:
            server.stop()
            return super().remove(keys)

    own_etcd.etcd.put("/q/test/a", "7")
    with pytest.raises(ChannelInterrupted, match="is events by now and makes no second ones"):
        own_etcd.receive(Stopped(etcd_client.EtcdServer(server.url)))
    assert len(own_etcd.noted()) == 1
    server.start()
    again = own_etcd.receive()
    assert (again.messages, again.removed, len(own_etcd.noted())) == (0, 1, 1)


def test_an_etcd_that_was_made_anew_counts_from_1_and_its_messages_are_new(
    fed: Fed, tmp_path: Path, etcd_program: Path
) -> None:
    server = EtcdServer(tmp_path / "one", etcd_program)
    (tmp_path / "one").mkdir()
    there = Fed(fed.events, EtcdKeys(server))
    with server:
        first = there.etcd.put("/q/test/a", "old")
        with pytest.raises(SourceLostError):
            there.receive(EndsBeforeRemoving(etcd_client.EtcdServer(server.url)))
    # At the same addresses it is the same cluster to all who ask.
    (tmp_path / "one" / "data").rename(tmp_path / "lost")
    with server:
        assert there.etcd.put("/q/test/a", "new") == first
        assert there.receive().messages == 1
    assert [payload for _, payload in there.noted()] == ["old", "new"]
    assert there.known() == 0


def lock(etcd: EtcdKeys) -> None:
    """Lets only these log in: root, `feeder` who may read and write the keys, and `stranger` who may nothing."""
    etcd.ask("auth/user/add", name="root", password=SECRET)
    etcd.ask("auth/user/grant", user="root", role="root")
    etcd.ask("auth/role/add", name="feeds")
    below = {"key": encode(PREFIX), "range_end": encode("/q/test0")}
    etcd.ask("auth/role/grant", name="feeds", perm={"permType": "READWRITE", **below})
    for user in ("feeder", "stranger"):
        etcd.ask("auth/user/add", name=user, password=SECRET)
    etcd.ask("auth/user/grant", user="feeder", role="feeds")
    etcd.ask("auth/enable")


def test_logins(own_etcd: Fed) -> None:
    etcd = own_etcd.etcd
    etcd.put("/q/test/a", "7")
    lock(etcd)
    refused: list[dict[str, str]] = [
        {},
        {"user": "feeder"},
        {"user": "feeder", "password": f"{SECRET}x"},
        {"user": "nobody", "password": SECRET},
        {"user": "stranger", "password": SECRET},
        {"token": "abc.1"},
    ]
    for login in refused:
        with pytest.raises(ChannelRefused, match=r"refuses the request \(etcdserver: .*Nothing was read") as raised:
            own_etcd.receive(own_etcd.client(**login))
        assert SECRET not in str(raised.value)
        assert SECRET not in repr(own_etcd.client(**login).server)
    assert own_etcd.noted() == []
    assert own_etcd.receive(own_etcd.client(user="feeder", password=SECRET)).removed == 1
    token = etcd.ask("auth/authenticate", name="feeder", password=SECRET)["token"]
    etcd.token = token
    etcd.put("/q/test/b")
    assert own_etcd.receive(own_etcd.client(token=token)).removed == 1


def test_a_login_that_is_over_is_renewed(own_etcd: Fed) -> None:
    lock(own_etcd.etcd)
    own_etcd.etcd.token = own_etcd.etcd.ask("auth/authenticate", name="feeder", password=SECRET)["token"]
    with own_etcd.client(user="feeder", password=SECRET) as client:
        assert client.list_keys(PREFIX, 10).keys == ()
        # It forgets all logins.
        own_etcd.etcd.server.stop()
        own_etcd.etcd.server.start()
        assert client.list_keys(PREFIX, 10).keys == ()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>hello</html>"),
        (200, b"[]"),
        (404, b"Not Found\n"),
        (302, b""),
        (200, b'{"kvs": [{"mod_revision": "1"}]}'),
        (200, b'{"kvs": [{"key": "***", "mod_revision": "1"}]}'),
        (200, b'{"kvs": [{"key": "YQ==", "mod_revision": "many"}]}'),
    ],
)
def test_something_else_at_that_address_is_refused(fed: Fed, status: int, body: bytes) -> None:
    with answering(status, body) as url, pytest.raises(ChannelRefused, match="does not answer as etcd"):
        fed.receive(fed.client(url=url))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, b"busy"),
        (502, b"{}"),
        (503, b'{"error": "etcdserver: no leader", "message": "etcdserver: no leader", "code": 14}'),
    ],
)
def test_a_source_that_is_not_able_to_now_is_tried_again_later(fed: Fed, status: int, body: bytes) -> None:
    with answering(status, body) as url, pytest.raises(ChannelInterrupted, match="Nothing was read"):
        fed.receive(fed.client(url=url))


def test_what_another_program_says_is_not_repeated(fed: Fed) -> None:
    body = json.dumps({"message": f"the password is {SECRET}", "code": 7}).encode()
    with answering(403, body) as url, pytest.raises(ChannelRefused, match="status 403") as raised:
        fed.receive(fed.client(url=url))
    assert SECRET not in str(raised.value)


def test_nobody_at_that_address(fed: Fed) -> None:
    port = free_port()
    with pytest.raises(ChannelInterrupted, match=f"etcd at 127.0.0.1:{port} could not be reached"):
        fed.receive(fed.client(url=f"http://127.0.0.1:{port}"))


def test_a_certificate_that_nobody_vouches_for(fed: Fed, tmp_path: Path) -> None:
    missing = fed.client(url=fed.etcd.server.url.replace("http:", "https:"), ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(ChannelRefused, match="does not show a certificate that is trusted"):
        fed.receive(missing)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "etcd:2379",
        "ftp://etcd:2379",
        f"http://root:{SECRET}@etcd:2379",
        "http://etcd:99999",
        "http://etcd:2379/?a=b",
    ],
)
def test_addresses_that_cannot_be_used(url: str) -> None:
    with pytest.raises(SettingError, match="the address of etcd cannot be used") as raised:
        etcd_client.EtcdServer(url)
    assert SECRET not in str(raised.value)
