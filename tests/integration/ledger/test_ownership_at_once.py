"""Claims at the same moment: of one run, of several, and of two databases that think they own the same archive."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
import pytest

from pg_archiver.errors import OwnedElsewhere, StorageInterrupted, Superseded
from pg_archiver.s3.bucket import Bucket
from tests.support.concurrency import at_once
from tests.support.owners import claim, confirm, key_of, noted, refused_confirm, run, twin_of
from tests.support.place import Place


def test_two_runs_of_one_database_side_by_side_both_go_on(place_on_both: Place) -> None:
    claim(place_on_both, "run 1")
    claim(place_on_both, "backfill")
    for run_id in ("run 1", "backfill", "run 1"):
        confirm(place_on_both, run_id)


def test_a_run_that_begins_while_another_looks_hinders_it_not(place: Place) -> None:
    """Its number is in S3 when the other has read of the ledger what it had to know to ask S3."""
    claim(place, "run 1")
    client = place.s3.client()
    client.meta.events.register_first("before-call.s3.ListObjectsV2", lambda **_: claim(place, "backfill"))
    with run(place, "run 1", Bucket(client, place.bucket)) as ownership:
        ownership.confirm()
    assert len(place.keys()) == 2


def test_claims_of_one_run_at_once_are_one_and_those_of_two_runs_two(place_on_both: Place) -> None:
    for done in at_once([partial(claim, place_on_both, run_id) for run_id in ("run 1", "run 1", "run 2", "run 2")]):
        done.result()
    assert sorted(run_id for _, run_id, _ in noted(place_on_both)) == ["run 1", "run 2"]
    for run_id in ("run 1", "run 2"):
        confirm(place_on_both, run_id)


def test_a_claim_whose_number_was_taken_by_one_without_the_lock_may_be_tried_again(place: Place) -> None:
    claim(place, "run 1")
    client = place.s3.client()

    def overtaken(**_: Any) -> None:
        with suppress(psycopg.errors.UniqueViolation):
            place.sql(
                "INSERT INTO archiver.owners SELECT client, bucket, prefix, 2, 'x', 'run x', host, port,"
                " system_identifier, database_oid FROM archiver.owners WHERE number = 1"
            )

    client.meta.events.register("before-call.s3.GetObject", overtaken)
    with run(place, "run 2", Bucket(client, place.bucket)) as ownership:
        # What was there when the ledger was read makes it number 3; so the number is taken after that.
        place.sql("DELETE FROM archiver.owners WHERE number = 2")
        with pytest.raises(Superseded, match="another claim noted number 2 at the same moment"):
            ownership.claim()
        ownership.claim()
    assert [number for number, _, _ in noted(place)] == [1, 2, 3]


def test_a_write_that_was_sent_twice_because_its_answer_was_lost_is_ours(moto_place: Place) -> None:
    place = moto_place
    client = place.s3.client()
    sent: list[str] = []

    def write_first(params: dict[str, Any], **_: Any) -> None:
        if not sent:
            sent.append(params["url_path"])
            place.write(
                key_of(place, 1), params["body"] if isinstance(params["body"], bytes) else params["body"].read()
            )

    client.meta.events.register("before-call.s3.PutObject", write_first)
    with run(place, "run 1", Bucket(client, place.bucket)) as ownership:
        ownership.claim()
        ownership.confirm()
    assert sent


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_databases_that_write_at_the_same_moment_one_goes_on(place_on_both: Place, attempt: int) -> None:
    """Both found the number free. Some servers then refuse the second write, others let it replace the first."""
    both = threading.Barrier(2)
    with twin_of(place_on_both, "twin") as twin:
        pair = (place_on_both, twin)
        done = at_once([partial(_may_claim, one, both) for one in pair])
        claimed = [one for one, result in zip(pair, done, strict=True) if result.result()]
        passed = [one for one in claimed if _may_delete(one)]
        assert len(passed) <= 1
        if place_on_both.s3.name == "moto":  # rclone may mix what two write; then neither goes on
            assert passed == claimed
            assert passed
        for one in pair:
            with run(one, "run 2") as ownership:
                assert (ownership.find_hindrance() is None) == (one in passed)


def test_a_write_that_replaces_the_other_after_it_was_confirmed_stops_its_deletes(place: Place) -> None:
    def begin(**_: Any) -> None:
        claim(place, "run 1")
        confirm(place, "run 1")

    with twin_of(place, "late") as late:
        client = place.s3.client()
        client.meta.events.register("before-call.s3.PutObject", begin)
        with run(late, "run 1", Bucket(client, place.bucket)) as ownership:
            ownership.claim()
            ownership.confirm()
    assert "marker 1 in S3 has the token of another database" in refused_confirm(place, "run 1")


def _may_claim(place: Place, both: threading.Barrier) -> bool:
    def wait(**_: Any) -> None:
        both.wait(30)

    client = place.s3.client()
    client.meta.events.register("before-call.s3.PutObject", wait)
    with run(place, "run 1", Bucket(client, place.bucket)) as ownership:
        try:
            try:
                ownership.claim()
            except StorageInterrupted:  # what rclone may answer while two write the same file; Airflow tries again
                claim(place, "run 1")
        except OwnedElsewhere:
            return False
    return True


def _may_delete(place: Place) -> bool:
    try:
        confirm(place, "run 1")
    except OwnedElsewhere:
        return False
    return True
