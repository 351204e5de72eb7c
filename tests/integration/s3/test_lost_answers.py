"""S3 did what it was asked, and the answer was lost: an own write is known again, and the work goes on with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config

from pg_archiver.errors import KeyTaken, StorageInterrupted
from pg_archiver.ledger.removed_rows import read_notes
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_keys import manifest_key
from pg_archiver.s3.bucket import Bucket
from pg_archiver.s3.part_sizes import SMALLEST, PartSizes
from pg_archiver.verify.verify_archive import verify
from tests.faults.s3_faults import answered, reset_after
from tests.faults.s3_proxy import Answer, Deed, Fault, Forward, Request, S3Proxy
from tests.support.owners import noted, run
from tests.support.place import Place
from tests.support.restores import events, restored

pytestmark = pytest.mark.more

KEY = "some/key"
PUT, COMPLETE, HEAD = (frozenset({name}) for name in ("PutObject", "CompleteMultipartUpload", "HeadObject"))
# The least that moto takes for a part, as S3 does.
PARTS = PartSizes(first=SMALLEST)
SMALL, LARGE = b"x" * 100, os.urandom(SMALLEST + 100)


@pytest.fixture
def proxy(place_on_both: Place) -> Iterator[S3Proxy]:
    with S3Proxy.started(place_on_both.s3.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def place(place_on_both: Place, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The place on each server in turn, with a store behind the proxy whose client asks twice."""
    client = boto3.client(
        "s3",
        endpoint_url=proxy.endpoint_url,
        aws_access_key_id=place_on_both.s3.access_key,
        aws_secret_access_key=place_on_both.s3.secret_key,
        region_name=place_on_both.s3.region,
        config=Config(
            s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 2, "mode": "standard"}
        ),
    )
    bucket = Bucket(client, place_on_both.bucket, parts=PARTS)
    monkeypatch.setattr(Place, "store", property(lambda _: bucket))
    return place_on_both


def written(bucket: Bucket, content: bytes) -> None:
    with bucket.upload(KEY) as upload:
        upload.write(content)
        upload.finish()


def without_metadata(request: Request, forward: Forward) -> Answer:
    """As stores do that keep none."""
    whole = forward(request.body)
    return replace(whole, headers=[one for one in whole.headers if not one[0].lower().startswith("x-amz-meta-")])


def in_turn(*faults: Fault) -> Fault:
    """Several faults at once; the proxy has room for one."""

    def deed(request: Request, forward: Forward) -> Answer:
        for fault in faults:
            if fault.takes(request.operation, request.path):
                return fault.deed(request, forward)
        return forward(request.body)

    return Fault(frozenset().union(*(fault.operations for fault in faults)), deed)


@pytest.mark.parametrize("times", [1, 1000], ids=["once", "always"])
@pytest.mark.parametrize(("operation", "content"), [(PUT, SMALL), (COMPLETE, LARGE)], ids=["small", "large"])
def test_an_object_whose_answer_was_lost_is_written(
    place: Place, proxy: S3Proxy, operation: frozenset[str], content: bytes, times: int
) -> None:
    fault = Fault(operation, reset_after, times=times)
    with proxy.doing(fault):
        written(place.store, content)
    assert fault.done
    assert place.keys() == [KEY]
    assert place.read(KEY) == content


@pytest.mark.parametrize(("operation", "content"), [(PUT, SMALL), (COMPLETE, LARGE)], ids=["small", "large"])
def test_where_the_store_keeps_no_metadata_the_bytes_tell(
    place: Place, proxy: S3Proxy, operation: frozenset[str], content: bytes
) -> None:
    lost, bare = Fault(operation, reset_after), Fault(HEAD, without_metadata)
    with proxy.doing(in_turn(lost, bare)):
        written(place.store, content)
    assert lost.done
    assert bare.done
    assert place.read(KEY) == content


@pytest.mark.parametrize("other", [b"y" * 100, b"y" * 99], ids=["as long", "shorter"])
def test_anothers_object_is_not_taken_for_an_own_one(place: Place, proxy: S3Proxy, other: bytes) -> None:
    def taken_meanwhile(_request: Request, _forward: Forward) -> Answer:
        place.write(KEY, other)
        return answered(412, "PreconditionFailed")(_request, _forward)

    with proxy.doing(Fault(PUT, taken_meanwhile)), pytest.raises(KeyTaken, match="left as it is"):
        written(place.store, SMALL)
    assert place.read(KEY) == other


def test_another_write_of_the_very_same_bytes_is_anothers(place: Place, proxy: S3Proxy) -> None:
    """Its token says so, where the store keeps one."""

    def taken_meanwhile(request: Request, forward: Forward) -> Answer:
        Bucket(place.client, place.bucket).create(KEY, SMALL)
        return answered(412, "PreconditionFailed")(request, forward)

    with proxy.doing(Fault(PUT, taken_meanwhile)), pytest.raises(KeyTaken, match="left as it is"):
        written(place.store, SMALL)


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(("status", "code"), [(409, "ConditionalRequestConflict"), (404, "NoSuchUpload"), (500, "500")])
def test_a_write_that_did_not_happen_is_worth_another_try(
    place: Place, proxy: S3Proxy, content: bytes, status: int, code: str
) -> None:
    """409 tells of another write at the same moment, not of a key that is taken."""
    with proxy.doing(Fault(PUT | COMPLETE, answered(status, code))), pytest.raises(StorageInterrupted, match=code):
        written(place.store, content)
    assert place.keys() == []
    written(place.store, content)
    assert place.read(KEY) == content


@pytest.mark.parametrize(
    ("refused", "says"),
    [(reset_after, "is not known"), (answered(404, "404"), "it is not there now")],
    ids=["nobody answers", "it is gone"],
)
def test_what_cannot_be_told_is_in_doubt(place: Place, proxy: S3Proxy, refused: Deed, says: str) -> None:
    taken = Fault(PUT, answered(412, "PreconditionFailed"))
    with proxy.doing(in_turn(taken, Fault(HEAD, refused, after=1))), pytest.raises(StorageInterrupted, match=says):
        written(place.store, SMALL)


def test_an_own_object_that_is_not_whole_is_in_doubt(place: Place, proxy: S3Proxy) -> None:
    """Some servers show an object while they take it in."""

    def half(request: Request, forward: Forward) -> Answer:
        whole = forward(request.body)
        headers = [
            ("Content-Length", "50") if name == "Content-Length" else (name, value) for name, value in whole.headers
        ]
        return replace(whole, headers=headers)

    lost, shown = Fault(PUT, reset_after), Fault(HEAD, half)
    with proxy.doing(in_turn(lost, shown)), pytest.raises(StorageInterrupted):
        written(place.store, SMALL)


def swallowed(operation: frozenset[str], times: int) -> Callable[[], Fault]:
    return lambda: Fault(operation, reset_after, times=times)


@pytest.mark.parametrize("times", [1, 1000], ids=["once", "always"])
@pytest.mark.parametrize("operation", [PUT, COMPLETE], ids=["PutObject", "CompleteMultipartUpload"])
def test_an_archive_whose_answers_are_lost_has_one_generation_and_leaves_nothing_behind(
    place: Place, proxy: S3Proxy, operation: frozenset[str], times: int
) -> None:
    events(place, rows=40)
    if operation == COMPLETE:
        place.sql(
            "UPDATE analytics.events SET name = (SELECT string_agg(md5(random()::text || id || n), '')"
            " FROM generate_series(1, 9000) AS n)"
        )
    before = place.live()
    fault = Fault(operation, reset_after, times=times)
    with proxy.doing(fault):
        place.archive()
    assert fault.done
    assert place.live().total() == 0
    assert [state for (state,) in place.ledger("state")] == ["deleted"]
    assert [generation for (generation,) in place.ledger("generation")] == [1]
    (data,) = place.data_keys()
    assert place.keys() == [data, manifest_key(data)]
    manifest = Manifest.parse(place.read(manifest_key(data)), data)
    assert (manifest.rows, manifest.data.bytes) == (40, len(place.read(data)))
    with place.session() as session:
        result = verify(session, place.store, place.order)
    assert (result.objects, result.problems, result.notes) == (1, [], [])
    assert restored(place).restored == 40
    assert place.live() == before


def test_the_answer_to_a_note_of_rows_that_stayed_may_be_lost(place: Place, proxy: S3Proxy) -> None:
    events(place, rows=5)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id = 3")
    fault = Fault(PUT, reset_after, key=".kept.")
    with proxy.doing(fault):
        assert place.delete(window).rows == 4
    assert fault.done
    (data,) = place.data_keys()
    (note,) = read_notes(place.store, Manifest.parse(place.read(manifest_key(data)), data)).notes
    assert list(note.kept) == [3]


def test_the_answer_to_the_marker_of_who_acts_may_be_lost(place: Place, proxy: S3Proxy) -> None:
    fault = Fault(PUT, reset_after, key="_owner")
    with proxy.doing(fault), run(place, "run 1", place.store) as ownership:
        ownership.claim()
    assert fault.done
    assert noted(place, "number, confirmed_at IS NOT NULL") == [(1, True)]
    with run(place, "run 1", place.store) as ownership:
        ownership.confirm()


def test_each_write_has_a_token_of_its_own(place: Place) -> None:
    tokens: list[Any] = []
    for number, content in enumerate((SMALL, SMALL, LARGE, LARGE)):
        with place.store.upload(f"{number}") as upload:
            upload.write(content)
            upload.finish()
        found = place.client.head_object(Bucket=place.bucket, Key=f"{number}")["Metadata"]
        tokens += [value for name, value in found.items() if name.lower() == "archiver-write"]
    assert len(set(tokens)) == 4
    assert {len(token) for token in tokens} == {32}
