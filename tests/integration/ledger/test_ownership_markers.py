"""What S3 may hold among the markers of an archive's owners: another's, a newer, a broken, a stray, none."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dev.processes import LOCALHOST, free_port
from dev.s3 import RcloneS3
from pg_archiver.errors import OwnedElsewhere, StorageInterrupted
from pg_archiver.objects.object_keys import owner_key
from pg_archiver.s3.bucket import Bucket
from tests.support.owners import claim, confirm, forged, key_of, noted, refused_claim, refused_confirm, run
from tests.support.place import Place

FIX = "start the run with the parameter adopt and a reason. If it is a copy, give it another 'prefix'"


def test_anothers_token_under_our_number_refuses(place_on_both: Place) -> None:
    place = place_on_both
    claim(place, "run 1")
    place.write(key_of(place, 1), forged(place, 1))
    for said in (refused_claim(place, "run 2"), refused_confirm(place, "run 1"), refused_claim(place, "run 1")):
        assert "marker 1 in S3 has the token of another database" in said
        assert f"s3://{place.bucket}/{key_of(place, 1)} was written by run run x at 2026-01-02 03:04 UTC" in said
        assert FIX in said
    assert noted(place) == [(1, "run 1", None)]
    assert len(place.keys()) == 1


def test_a_newer_number_that_the_ledger_does_not_know_refuses(place_on_both: Place) -> None:
    place = place_on_both
    claim(place, "run 1")
    place.write(key_of(place, 4), forged(place, 4))
    for said in (refused_claim(place, "run 2"), refused_confirm(place, "run 1"), refused_claim(place, "run 1")):
        assert "S3 has marker 4, which is not in the ledger of this database (ends at 1)" in said
        assert "was written by run run x at 2026-01-02 03:04 UTC" in said
    assert "So nothing was archived or deleted. Fix: if this database" in refused_claim(place, "run 2")
    assert "So nothing more was deleted. Fix: if this database" in refused_confirm(place, "run 1")
    claim(place, "run 3", "it acts now")
    assert noted(place)[-1] == (5, "run 3", "it acts now")
    confirm(place, "run 3")


@pytest.mark.parametrize("content", [b"", b"{", b"x" * 100_000, b'{"format": 2}'], ids=["empty", "cut", "long", "new"])
def test_a_marker_that_cannot_be_understood_is_unknown(place: Place, content: bytes) -> None:
    claim(place, "run 1")
    place.write(key_of(place, 1), content)
    for said in (refused_claim(place, "run 2"), refused_confirm(place, "run 1")):
        assert "marker 1 is unknown: s3://" in said
        assert "is not a marker that this version can read" in said
    claim(place, "run 2", "looked at by hand")
    confirm(place, "run 2")


def test_a_marker_that_is_still_being_written_is_looked_at_once_more(place: Place) -> None:
    claim(place, "run 1")
    whole = place.read(key_of(place, 1))
    shown = [whole[:20], whole]
    client = place.s3.client()
    client.meta.events.register(
        "before-call.s3.GetObject", lambda **_: place.write(key_of(place, 1), shown.pop(0)) if shown else None
    )
    with run(place, "run 1", Bucket(client, place.bucket)) as ownership:
        ownership.confirm()
    assert not shown


@pytest.mark.parametrize("change", [{"client": "other"}, {"number": 7}])
def test_a_marker_of_another_place_is_unknown(place: Place, change: dict[str, Any]) -> None:
    claim(place, "run 1")
    token = noted(place, "token")[0][0]
    place.write(key_of(place, 1), forged(place, 1, token=token, **change))
    assert "marker 1 is unknown" in refused_claim(place, "run 2")


def test_what_is_no_marker_among_the_markers_refuses_until_it_is_gone(place: Place) -> None:
    claim(place, "run 1")
    stray = key_of(place, 1).removesuffix("00000001") + "readme"
    place.write(stray, b"hello")
    with run(place, "run 2") as ownership:
        for ask in (ownership.claim, ownership.find_hindrance):
            with pytest.raises(OwnedElsewhere, match="readme lies where the markers of this archive's owners are"):
                ask("a reason helps nothing here")
    place.remove(stray)
    claim(place, "run 2")


def test_the_mark_of_a_folder_made_in_the_console_is_nothing(moto_place: Place) -> None:
    moto_place.write(key_of(moto_place, 1).removesuffix("00000001"), b"")
    claim(moto_place, "run 1")
    confirm(moto_place, "run 1")


def test_an_s3_that_cannot_be_asked_is_not_an_empty_one(place: Place, tmp_path: Path) -> None:
    claim(place, "run 1")
    stopped = RcloneS3(tmp_path)
    stopped.endpoint_url = f"http://{LOCALHOST}:{free_port()}"
    with run(place, "run 1", Bucket(stopped.client(), place.bucket)) as ownership:
        for ask in (ownership.claim, ownership.confirm, ownership.reconfirm, ownership.find_hindrance):
            with pytest.raises(StorageInterrupted):
                ask()


def test_a_marker_that_somebody_deleted_refuses(place_on_both: Place) -> None:
    place = place_on_both
    claim(place, "run 1")
    claim(place, "run 2")
    place.remove(key_of(place, 2))
    assert "marker 2 is not in S3, though it was" in refused_confirm(place, "run 2")
    assert "marker 2 is not in S3, though it was" in refused_claim(place, "run 3")
    confirm(place, "run 1")
    place.remove(key_of(place, 1))
    for said in (refused_claim(place, "run 3"), refused_confirm(place, "run 1")):
        assert "the bucket lost objects, or it is another bucket of the same name" in said
    claim(place, "run 3", "the bucket was emptied by hand")
    assert noted(place)[-1] == (3, "run 3", "the bucket was emptied by hand")
    confirm(place, "run 3")


def test_between_batches_s3_is_asked_only_when_its_last_answer_is_old(place: Place) -> None:
    client = place.s3.client()
    calls: Counter[str] = Counter()
    client.meta.events.register("before-call.s3", lambda model, **_: calls.update([model.name]))
    listed: list[str] = []
    client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: listed.append(params["StartAfter"])
    )
    bucket = Bucket(client, place.bucket)
    for number in range(1, 4):
        claim(place, f"run {number}")
    with run(place, "run 3", bucket) as ownership:
        ownership.reconfirm()
        assert calls == {"ListObjectsV2": 1, "GetObject": 1}
        assert listed == [key_of(place, 2)]
        ownership.reconfirm()
        assert calls.total() == 2
        place.write(key_of(place, 4), forged(place, 4))
        ownership.reconfirm()
        assert calls.total() == 2
    with run(place, "run 3", bucket, timedelta(0)) as ownership:
        for _ in range(2):
            with pytest.raises(OwnedElsewhere, match="S3 has marker 4"):
                ownership.reconfirm()


def test_an_answer_that_refused_is_asked_for_again(place: Place) -> None:
    claim(place, "run 1")
    place.write(key_of(place, 2), forged(place, 2))
    with run(place, "run 1") as ownership:
        for _ in range(2):
            with pytest.raises(OwnedElsewhere, match="S3 has marker 2"):
                ownership.reconfirm()


def test_the_key_of_a_marker_sorts_by_its_number() -> None:
    keys = [owner_key("", "c", number) for number in (1, 9, 10, 999, 1000, 99_999_999)]
    assert keys == sorted(keys)
