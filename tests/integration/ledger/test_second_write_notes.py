"""What a store has shown is noted in the ledger, and believed by other processes for a day, for this store alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import boto3
import pytest

from pg_archiver.ledger.second_writes import SecondWriteNotes
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.s3.bucket import Bucket
from tests.support.place import Place

NOTED = "SELECT client, bucket, prefix, endpoint, refused, asked_at <= clock_timestamp() FROM archiver.second_writes"


class Process:
    """A process of its own: a bucket that knows nothing yet, and what it sends."""

    def __init__(self, place: Place) -> None:
        self.place, self.sent = place, Counter[str]()
        client = place.s3.client()
        client.meta.events.register("before-call.s3.*", lambda model, **_: self.sent.update([model.name]))
        self.bucket = Bucket(client, place.bucket)

    def find_out(self) -> None:
        with self.place.session() as session:
            WindowLedger(session, self.place.order).migrate()
            SecondWriteNotes(session, self.bucket, self.place.order).find_out()

    def recall(self) -> bool | None:
        with self.place.session() as session:
            return SecondWriteNotes(session, self.bucket, self.place.order).recall()

    def believes(self) -> bool:
        return self.bucket.second_writes.are_refused(f"client={self.place.order.client}/x")


def test_what_was_found_out_is_noted_and_not_asked_again(place_on_both: Place) -> None:
    place, refuses = place_on_both, place_on_both.s3.name == "moto"
    first, second = Process(place), Process(place)
    first.find_out()
    assert first.sent == {"PutObject": 2}
    assert place.sql(NOTED) == [(place.order.client, place.bucket, "", place.s3.endpoint_url, refuses, True)]
    assert second.recall() is refuses
    second.find_out()
    assert not second.sent
    assert first.believes() is second.believes() is refuses
    assert place.keys() == [f"client={place.order.client}/_second_write"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("asked_at = clock_timestamp() - interval '24 hours'", "a day ago"),
        ("asked_at = clock_timestamp() + interval '1 hour'", "by a wrong clock"),
        ("endpoint = 'https://elsewhere'", "another store"),
        ("bucket = 'another'", "another bucket"),
        ("prefix = 'another'", "another prefix"),
        ("client = 'another'", "another client"),
    ],
)
def test_a_note_of_long_ago_or_of_another_store_counts_for_nothing(moto_place: Place, change: str, why: str) -> None:
    Process(moto_place).find_out()
    moto_place.sql(f"UPDATE archiver.second_writes SET {change}")
    later = Process(moto_place)
    assert later.recall() is None, why
    assert not later.believes()
    later.find_out()
    assert later.sent == {"PutObject": 1}
    assert later.believes()


def test_the_age_of_a_note_counts(moto_place: Place) -> None:
    Process(moto_place).find_out()
    moto_place.sql("UPDATE archiver.second_writes SET asked_at = clock_timestamp() - interval '23 hours'")
    later = Process(moto_place)
    assert later.recall() is True
    assert later.believes()


def test_what_could_not_be_found_out_is_not_noted(moto_place: Place) -> None:
    unheard = Process(moto_place)
    unheard.bucket = replace(unheard.bucket, name="no-such-bucket")
    unheard.find_out()
    assert moto_place.sql(NOTED) == []
    assert not unheard.believes()


def test_a_ledger_of_an_older_version_knows_nothing(moto_place: Place) -> None:
    assert Process(moto_place).recall() is None
    with moto_place.session() as session:
        WindowLedger(session, moto_place.order).migrate()
    moto_place.sql("DROP TABLE archiver.second_writes")
    assert Process(moto_place).recall() is None


def test_the_login_in_an_address_is_not_noted(moto_place: Place) -> None:
    client = boto3.client(
        "s3",
        endpoint_url="http://me:secret@127.0.0.1:1",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    assert Bucket(client, moto_place.bucket).endpoint == "127.0.0.1:1"
