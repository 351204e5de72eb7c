"""Runs of one place that claim its archive, as the tests of ownership write them."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from pg_archiver.errors import OwnedElsewhere
from pg_archiver.ledger.ownership import FRESH, Ownership
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.object_keys import owner_key
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket
from tests.support.place import Place


@contextmanager
def run(
    place: Place,
    run_id: str,
    bucket: Bucket | None = None,
    fresh: timedelta = FRESH,
    hosts: tuple[str, str] | None = None,
    **reached: Any,
) -> Generator[Ownership]:
    """A task of a run; `reached` are other settings for its connection, and `hosts` the list that it names, if any."""

    def connect() -> psycopg.Connection[Any]:
        dsn = place.server.dsn(place.database)
        return psycopg.connect(**{**dsn, "user": place.role or dsn["user"], **reached})

    with Session.connect(connect, place.database, "test", hosts=lambda: hosts) as session:
        order = replace(place.order, run_id=run_id)
        WindowLedger(session, order).migrate()
        yield Ownership(session, bucket or place.store, order, fresh)


def claim(place: Place, run_id: str, adopt: str | None = None, **reached: Any) -> None:
    with run(place, run_id, **reached) as ownership:
        ownership.claim(adopt)


def confirm(place: Place, run_id: str, **reached: Any) -> None:
    with run(place, run_id, **reached) as ownership:
        ownership.confirm()


def refused_claim(place: Place, run_id: str, adopt: str | None = None, **reached: Any) -> str:
    """What the claim says; and the dry run before it says the same of the facts."""
    with run(place, run_id, **reached) as ownership:
        foretold = ownership.find_hindrance(adopt)
        with pytest.raises(OwnedElsewhere) as refusal:
            ownership.claim(adopt)
    said = str(refusal.value)
    assert foretold is not None
    assert foretold.partition(". So ")[0] == said.partition(". So ")[0]
    return said


def refused_confirm(place: Place, run_id: str, **reached: Any) -> str:
    with run(place, run_id, **reached) as ownership, pytest.raises(OwnedElsewhere) as refusal:
        ownership.confirm()
    return str(refusal.value)


def noted(place: Place, columns: str = "number, run_id, adopted") -> list[tuple[Any, ...]]:
    return place.sql(f"SELECT {columns} FROM archiver.owners ORDER BY number")


def key_of(place: Place, number: int) -> str:
    return owner_key(place.order.prefix, place.order.client, number)


def forged(place: Place, of: int, **changes: Any) -> bytes:
    """A marker as another database would have written it."""
    body = {"format": 1, "client": place.order.client, "number": of, "token": "another's", "run_id": "run x"}
    return json.dumps({**body, "noted_at": "2026-01-02T03:04:05Z", **changes}).encode()


@contextmanager
def twin_of(place: Place, name: str) -> Generator[Place]:
    """Another, empty database of the same client, on the same bucket."""
    database = f"{place.database}_{name}"
    place.server.create_database(database)
    with place.server.connect(database) as user:
        yield replace(place, database=database, user=user)
    with place.server.connect() as admin:
        admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)'.encode())
