"""Objects on both stand-ins: small and large, finished and given up, taken, missing."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256

import pytest

from dev.s3 import RcloneS3
from pg_archiver.errors import KeyTaken, ObjectMissing, StorageInterrupted, StorageRefused
from pg_archiver.s3.bucket import Bucket
from pg_archiver.s3.part_sizes import PartSizes
from tests.support.place import Place
from tests.support.restores import events, restored

PART_BYTES = PartSizes().first
KEY = "client=a b/schema=x%2Fy/table=ü/dt=2024-01-01/hour=00/_1.g0001.csv.gz"


def uploaded(bucket: Bucket, key: str, content: bytes, piece: int) -> None:
    with bucket.upload(key) as upload:
        for start in range(0, len(content), piece):
            upload.write(content[start : start + piece])
        upload.finish()


def unfinished_uploads(place: Place) -> int:
    with suppress(place.client.exceptions.NoSuchUpload):  # what rclone answers when there are none
        return len(place.client.list_multipart_uploads(Bucket=place.bucket).get("Uploads", []))
    return 0


def test_parts_grow_so_that_few_of_them_hold_a_large_object(place: Place) -> None:
    """As parts of 8 MiB do after some thousands, here after two of 1,000 bytes each."""
    sizes = PartSizes(first=1000, each=2, largest=4000, most=8)
    assert sizes.capacity == 1000 * (1 + 1 + 2 + 2 + 4 + 4 + 4 + 4)
    bucket = Bucket(place.client, place.bucket, parts=sizes)
    sent: list[int] = []
    place.client.meta.events.register(
        "provide-client-params.s3.UploadPart", lambda params, **_: sent.append(len(params["Body"]))
    )
    for size in (*range(990, 1020), 2000, 2001, 3999, 4000, 4001, 6001, 9999, sizes.capacity):
        content = os.urandom(size)
        sent.clear()
        uploaded(bucket, f"of {size}", content, 777)
        assert place.read(f"of {size}") == content
        parts = sizes.count(size) if size >= sizes.first else 0
        assert sent == [*map(sizes.of, range(1, parts)), *([size - sum(sent[:-1])] if parts else [])]


def test_a_window_that_would_have_too_many_parts_of_one_size_is_archived_and_comes_back(place: Place) -> None:
    """As one of 300 GB would: more than 10,000 parts of 8 MiB, and some thousand that grow."""
    events(place, rows=60)
    place.sql(
        "UPDATE analytics.events SET triggered_at = (SELECT min(triggered_at) FROM analytics.events), name ="
        " (SELECT string_agg(md5(random()::text || id || n), '') FROM generate_series(1, 20) AS n)"
    )
    before = place.live()
    sizes = PartSizes(first=500, each=4, largest=4000, most=24)
    window = place.window()
    place.export(window, Bucket(place.client, place.bucket, parts=sizes))
    (data,) = place.data_keys()
    size = len(place.read(data))
    assert size > sizes.first * sizes.most, "parts of one size would not do"
    assert sizes.of(sizes.count(size)) == sizes.largest
    assert place.check(window) == 60
    place.delete(window)
    assert place.live().total() == 0
    restored(place)
    assert place.live() == before


def test_an_object_that_is_too_large_for_s3_is_a_refusal_that_names_the_setting(place: Place) -> None:
    sizes = PartSizes(first=1000, each=2, largest=4000, most=3)
    bucket = Bucket(place.client, place.bucket, parts=sizes)
    with pytest.raises(StorageRefused, match=r"more than 3 parts.*set a smaller 'window_hours'"):
        uploaded(bucket, KEY, os.urandom(sizes.capacity + 1), 500)
    assert place.keys() == []
    assert unfinished_uploads(place) == 0


class BrokenOffError(Exception):
    """Whatever ends a step in the midst of an upload."""


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 4321])
def test_an_object_of_any_size_comes_back_as_it_was_sent(place_on_both: Place, size: int) -> None:
    place = place_on_both
    content = os.urandom(size)
    uploaded(place.store, KEY, content, 3 << 20)
    with place.store.open(KEY) as answer:
        found = answer.body.read()
        etag = answer.etag
    assert sha256(found).digest() == sha256(content).digest()
    head = place.store.head(KEY)
    assert head is not None
    assert (head.size, head.etag) == (size, etag)
    assert place.keys() == [KEY]
    assert unfinished_uploads(place) == 0


def test_objects_one_after_the_other_share_memory_but_no_bytes(place: Place) -> None:
    store, rest = place.store, 4321
    with suppress(BrokenOffError), store.upload("broken off") as upload:
        upload.write(os.urandom(2 * PART_BYTES + rest))
        raise BrokenOffError
    sizes = (3 * PART_BYTES, PART_BYTES + rest, rest, 2 << 20)
    contents = {f"of {size} bytes": os.urandom(size) for size in sizes}
    for key, content in contents.items():
        uploaded(store, key, content, 1 << 20)
    for key, content in contents.items():
        with store.open(key) as answer:
            assert sha256(answer.body.read()).digest() == sha256(content).digest(), key


@pytest.mark.parametrize("size", [100, PART_BYTES + 1], ids=["small", "large"])
def test_an_upload_that_is_not_finished_leaves_no_object(place_on_both: Place, size: int) -> None:
    place = place_on_both
    with suppress(BrokenOffError), place.store.upload(KEY) as upload:
        upload.write(os.urandom(size))
        raise BrokenOffError
    assert place.store.head(KEY) is None
    assert place.keys() == []
    assert unfinished_uploads(place) == 0
    uploaded(place.store, KEY, b"later", 10)
    assert place.read(KEY) == b"later"


def test_a_key_that_is_taken_is_left_as_it_is(place_on_both: Place) -> None:
    place = place_on_both
    place.store.create(KEY, b"first")
    with pytest.raises(KeyTaken, match="left as it is"):
        place.store.create(KEY, b"second")
    for size in (10, PART_BYTES + 1):
        with pytest.raises(KeyTaken, match="left as it is"):
            uploaded(place.store, KEY, b"x", size)
    assert place.read(KEY) == b"first"
    assert unfinished_uploads(place) == 0


@pytest.mark.parametrize("size", [10, PART_BYTES + 1], ids=["small", "large"])
def test_a_key_that_is_taken_while_the_upload_runs_is_left_as_it_is(moto_place: Place, size: int) -> None:
    place = moto_place
    with place.store.upload(KEY) as upload:
        upload.write(os.urandom(size))
        place.write(KEY, b"another's")
        with pytest.raises(KeyTaken):
            upload.finish()
    assert place.read(KEY) == b"another's"
    assert unfinished_uploads(place) == 0


def test_a_small_upload_to_a_key_taken_meanwhile_is_refused_where_the_server_does_not_look(place: Place) -> None:
    with place.store.upload(KEY) as upload:
        upload.write(b"mine")
        place.write(KEY, b"another's")
        with pytest.raises(KeyTaken):
            upload.finish()
    assert place.read(KEY) == b"another's"


def test_a_missing_object_is_told_by_its_key(place_on_both: Place) -> None:
    place = place_on_both
    assert place.store.head(KEY) is None
    with pytest.raises(ObjectMissing, match="is no longer there") as caught, place.store.open(KEY):
        pytest.fail("there is nothing to read")
    assert KEY in str(caught.value)


def test_an_answer_that_is_not_understood_is_worth_another_try_and_names_the_object(place: Place) -> None:
    """A file taken from behind the server's back: it fails with an answer over which the client stumbles."""
    place.store.create(KEY, b"content")
    assert isinstance(place.s3, RcloneS3)
    (file,) = [path for path in place.s3.bucket_folder(place.bucket).rglob("*") if path.is_file()]
    file.unlink()
    with pytest.raises(StorageInterrupted, match="could not be read") as caught, place.store.open(KEY):
        pytest.fail("there is nothing to read")
    assert KEY in str(caught.value)


def test_what_goes_wrong_while_an_object_is_read_keeps_its_name(place: Place) -> None:
    place.store.create(KEY, b"content")
    with pytest.raises(BrokenOffError), place.store.open(KEY):
        raise BrokenOffError


def test_a_missing_bucket_is_told_by_its_name(place_on_both: Place) -> None:
    bucket = Bucket(place_on_both.client, "nowhere-to-be-seen")
    with pytest.raises(StorageRefused, match="nowhere-to-be-seen does not exist"):
        bucket.check("", writing=True)
    with pytest.raises(StorageRefused):
        bucket.create(KEY, b"content")


@pytest.mark.parametrize("thorough", [False, True], ids=["quick", "thorough"])
@pytest.mark.parametrize("prefix", ["", "some/where"])
def test_a_check_leaves_nothing_behind(place_on_both: Place, prefix: str, thorough: bool) -> None:
    place = place_on_both
    place.store.check(prefix, writing=True, thorough=thorough)
    assert place.keys() == []
    assert unfinished_uploads(place) == 0


def test_the_settings_go_with_every_object(moto_place: Place) -> None:
    place = moto_place
    settings = {"StorageClass": "STANDARD_IA", "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "a-key"}
    bucket = Bucket(place.client, place.bucket, settings)
    bucket.check("", writing=True)
    bucket.create("small", b"content")
    uploaded(bucket, "large", os.urandom(PART_BYTES + 1), 1 << 20)
    for key in ("small", "large"):
        head = place.client.head_object(Bucket=place.bucket, Key=key)
        assert head["StorageClass"] == "STANDARD_IA"
        assert head["ServerSideEncryption"] == "aws:kms"


def test_keys_are_listed_in_order_and_from_a_key_on_if_asked(place_on_both: Place) -> None:
    for name in ("folder/3", "folder/1", "folder/2", "other/4"):
        place_on_both.store.create(name, b"x")
    assert list(place_on_both.store.list_keys("folder/")) == ["folder/1", "folder/2", "folder/3"]
    assert list(place_on_both.store.list_keys("folder/", after="folder/1")) == ["folder/2", "folder/3"]
    assert list(place_on_both.store.list_keys("folder/", after="folder/0")) == ["folder/1", "folder/2", "folder/3"]
    assert list(place_on_both.store.list_keys("folder/", after="folder/3")) == []


def test_a_bucket_that_keeps_every_object_for_a_while_takes_small_and_large_ones(moto_place: Place) -> None:
    """Default retention (object lock): every upload must name the algorithm of its checksum there."""
    name = f"{moto_place.bucket}-locked"
    moto_place.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    moto_place.client.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    bucket = Bucket(moto_place.client, name)
    bucket.check("", writing=True)
    for key, content in (("small", b"x"), ("large", os.urandom(PART_BYTES + 1))):
        uploaded(bucket, key, content, 3 << 20)
        with bucket.open(key) as answer:
            assert answer.body.read() == content
