"""Keys in a real etcd, and the channel of a database that they feed."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import requests

from dev.etcd import EtcdServer, EtcdTls
from pg_archiver.events import etcd_client
from pg_archiver.events.channels import EtcdSource, Received, receive_channel
from pg_archiver.events.etcd_client import EtcdClient
from tests.support.events import Events

CHANNEL = "/q/test"
PREFIX = "/q/test/"


def encode(content: str | bytes) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


@dataclass
class EtcdKeys:
    """The keys of an etcd, by its own gateway."""

    server: EtcdServer
    token: str | None = None
    tls: EtcdTls | None = None

    def ask(self, path: str, **order: Any) -> dict[str, Any]:
        headers = {"Authorization": self.token} if self.token else {}
        certificates = self.tls.of_clients if self.tls else {}
        url = f"{self.server.url}/v3/{path}"
        answer = requests.post(url, json=order, headers=headers, timeout=30, **certificates)
        assert answer.ok, answer.text
        return dict(answer.json())

    def put(self, key: str | bytes, value: str | bytes = "1") -> int:
        """Puts a value, and returns its revision."""
        answer = self.ask("kv/put", key=encode(key), value=encode(value))
        return int(answer["header"]["revision"])

    def put_many(self, keys: list[str], value: str = "1") -> None:
        for start in range(0, len(keys), 100):
            puts = [{"request_put": {"key": encode(key), "value": encode(value)}} for key in keys[start : start + 100]]
            self.ask("kv/txn", success=puts)

    def list(self) -> list[bytes]:
        """All keys that there are."""
        answer = self.ask("kv/range", key="AA==", range_end="AA==", keys_only=True)
        return [base64.b64decode(row["key"]) for row in answer.get("kvs", ())]

    def clear(self) -> None:
        self.ask("kv/deleterange", key="AA==", range_end="AA==")


@dataclass(frozen=True)
class Fed:
    """A database whose channel is fed from an etcd."""

    events: Events
    etcd: EtcdKeys

    def client(self, **server: Any) -> EtcdClient:
        return EtcdClient(etcd_client.EtcdServer(**{"url": self.etcd.server.url, **server}))

    def receive(self, client: EtcdClient | None = None, prefix: str = PREFIX, channel: str = CHANNEL) -> Received:
        with client or self.client() as used:
            return receive_channel(self.events.session, EtcdSource(used, prefix), channel)

    def noted(self, columns: str = "key, payload") -> list[tuple[Any, ...]]:
        return self.events.noted(columns)

    def known(self) -> int:
        """How many messages are known that may still be at their source."""
        ((number,),) = self.events.place.sql("SELECT count(*) FROM archiver.received_messages")
        return int(number)


class SourceLostError(Exception):
    """Stands for whatever ends a reading."""


class EndsBeforeRemoving(EtcdClient):
    """A client whose process ends when it is to remove something."""

    def remove(self, keys: Any) -> int:
        raise SourceLostError
