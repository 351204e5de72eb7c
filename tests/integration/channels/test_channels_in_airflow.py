"""Channels that an etcd feeds, by the policy file and an Airflow connection, as runs of events read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from pg_archiver.airflow.event_channels import receive_channels
from pg_archiver.policies.yaml_file import Client, load
from tests.support.etcd_place import CHANNEL, PREFIX, Fed


@pytest.fixture
def client(fed: Fed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client with one channel of a real etcd and one of an etcd that is not there."""
    connect(monkeypatch, "ETCD_MAIN", fed.etcd.server.url)
    channels = {
        CHANNEL: {"etcd": "etcd_main", "prefix": PREFIX},
        "/q/other": {"etcd": "etcd_none", "prefix": "/q/other/"},
    }
    events = {"conn_id": "rds_events", "channels": channels}
    named = {"name": "acme", "database": fed.events.place.database, "own_jobs": True, "events": events}
    path = tmp_path / "policies.yaml"
    instance = {"conn_id": "rds_main", "jobs": {"actions": ["function"]}, "clients": [named]}
    path.write_text(yaml.safe_dump({"defaults": {"bucket": "archive"}, "instances": [instance]}))
    return load(path).clients[0]


def connect(monkeypatch: pytest.MonkeyPatch, name: str, url: str, **settings: Any) -> None:
    address = urlsplit(url)
    connection = {"conn_type": "http", "host": address.hostname, "port": address.port, "schema": "http", **settings}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))


def test_messages_become_events_and_what_is_wrong_with_another_channel_is_told(fed: Fed, client: Client) -> None:
    fed.etcd.put(f"{PREFIX}1", '{"id": 7}')
    (told,) = receive_channels(client, fed.events.session)
    assert fed.noted() == [({"key": f"{PREFIX}1"}, {"id": 7})]
    assert fed.etcd.list() == []
    assert told.startswith("client acme, channel /q/other (etcd 'etcd_none'): there is no Airflow connection")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": ""}, "has no host"),
        ({"extra": json.dumps({"verify": False})}, "has verify in its extra"),
        ({"extra": json.dumps({"key_file": "/key"})}, "has one of certificate_file and key_file"),
    ],
)
def test_a_connection_that_cannot_be_used_is_told_and_keys_stay(
    fed: Fed, client: Client, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], said: str
) -> None:
    connect(monkeypatch, "ETCD_MAIN", fed.etcd.server.url, **settings)
    fed.etcd.put(f"{PREFIX}1")
    told = receive_channels(client, fed.events.session)
    assert any(said in one for one in told)
    assert fed.noted() == []
    assert len(fed.etcd.list()) == 1
