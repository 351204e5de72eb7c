"""An etcd that is asked over TLS, by the Airflow connection that the policy file names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.etcd import EtcdServer, EtcdTls
from pg_archiver.airflow.event_channels import read_server
from pg_archiver.errors import ChannelInterrupted, ChannelRefused
from pg_archiver.events.etcd_client import EtcdClient
from tests.integration.channels.test_channels_in_airflow import connect
from tests.support.certificates import Authority
from tests.support.etcd_place import PREFIX, EtcdKeys, Fed

pytestmark = pytest.mark.more


@pytest.fixture
def tls(tmp_path: Path) -> EtcdTls:
    authority = Authority(tmp_path)
    return EtcdTls(authority.file, authority.sign("server"), authority.sign("client"))


@pytest.fixture
def fed_by_tls(fed: Fed, tls: EtcdTls, tmp_path: Path, etcd_program: Path) -> Iterator[Fed]:
    """The same database, fed by an etcd that shows a certificate, and wants one of its clients."""
    with EtcdServer(tmp_path, etcd_program, tls) as server:
        own = Fed(fed.events, EtcdKeys(server, tls=tls))
        own.etcd.put(f"{PREFIX}1", '{"id": 7}')
        yield own


def client_of(fed: Fed, monkeypatch: pytest.MonkeyPatch, ca: Path | None, own: tuple[Path, Path] | None) -> EtcdClient:
    """The client that the Airflow connection with these files makes."""
    extra = {"ca_file": ca and str(ca)}
    if own:
        extra |= {"certificate_file": str(own[0]), "key_file": str(own[1])}
    given = json.dumps({name: value for name, value in extra.items() if value})
    connect(monkeypatch, "ETCD_TLS", fed.etcd.server.url, schema="https", extra=given)
    return EtcdClient(read_server("etcd_tls"))


def test_messages_come_over_tls_from_an_etcd_that_knows_us(
    fed_by_tls: Fed, tls: EtcdTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = fed_by_tls.receive(client_of(fed_by_tls, monkeypatch, tls.ca, tls.client))
    assert (received.messages, received.removed) == (1, 1)
    assert fed_by_tls.noted() == [({"key": f"{PREFIX}1"}, {"id": 7})]
    assert fed_by_tls.etcd.list() == []


def test_a_certificate_that_is_not_trusted_is_refused_and_keys_stay(
    fed_by_tls: Fed, tls: EtcdTls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ca in (None, Authority(tmp_path, "another").file):
        client = client_of(fed_by_tls, monkeypatch, ca, tls.client)
        with pytest.raises(ChannelRefused, match=r"does not show a certificate that is trusted.*Nothing was read"):
            fed_by_tls.receive(client)
    assert fed_by_tls.noted() == []
    assert len(fed_by_tls.etcd.list()) == 1


def test_an_etcd_that_does_not_know_us_gives_nothing_away(
    fed_by_tls: Fed, tls: EtcdTls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for own in (None, Authority(tmp_path, "stranger").sign("strange client")):
        client = client_of(fed_by_tls, monkeypatch, tls.ca, own)
        with pytest.raises((ChannelRefused, ChannelInterrupted), match="Nothing was read"):
            fed_by_tls.receive(client)
    assert fed_by_tls.noted() == []
    assert len(fed_by_tls.etcd.list()) == 1
