"""A process that reads a channel's source and dies before it removes any: `python -m tests.support.etcd_reader`."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from pg_archiver.events.channels import EtcdSource, receive_channel
from pg_archiver.events.etcd_client import EtcdClient, EtcdServer
from pg_archiver.postgres.dsn import Dsn
from pg_archiver.postgres.session import Session


class Killed(EtcdClient):
    """A client at whose first removal the process is killed."""

    def remove(self, keys: Any) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().remove(keys)


def main() -> None:
    order = json.load(sys.stdin)
    dsn = Dsn.parse(order["dsn"])
    with Session.connect(dsn.connect, dsn.name, "etcd reader") as session, Killed(EtcdServer(order["url"])) as client:
        receive_channel(session, EtcdSource(client, order["prefix"]), order["channel"])


if __name__ == "__main__":
    main()
