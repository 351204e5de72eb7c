"""Rows leave only for an object that came back exactly, and no object is ever overwritten or its key used again."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from botocore.exceptions import ClientError

from pg_archiver.archive.delete import Deleted
from pg_archiver.errors import CheckFailed, KeyTaken, Refused, StorageRefused
from pg_archiver.ledger.window_generation import State
from pg_archiver.objects.compression import decompress
from pg_archiver.objects.object_keys import manifest_key, sidecar_key
from pg_archiver.s3.bucket import Bucket
from tests.support.place import EVENTS, Place, hours_ago

ROWS = 25


def filled(place: Place) -> Place:
    place.sql(EVENTS)
    place.events(*(hours_ago(60 - minute / 60) for minute in range(1, ROWS + 1)))
    return place


def truncated(content: bytes) -> bytes:
    return content[:-1]


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def emptied(content: bytes) -> bytes:
    return b""


def lengthened(content: bytes) -> bytes:
    return content + b"\0"


def doubled(content: bytes) -> bytes:
    return content + content


def with_a_bit_flipped_in_the_middle(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def with_a_bit_flipped_in_the_header(content: bytes) -> bytes:
    return content[:4] + bytes([content[4] ^ 1]) + content[5:]


def with_one_row_less(content: bytes) -> bytes:
    lines = gzip.decompress(content).splitlines(keepends=True)
    return gzip.compress(b"".join(lines[:-1]))


def with_another_value(content: bytes) -> bytes:
    return gzip.compress(gzip.decompress(content).replace(b"1", b"7"))


def compressed_otherwise(content: bytes) -> bytes:
    return gzip.compress(gzip.decompress(content), 9)


CHANGES_OF_CONTENT = [
    truncated,
    halved,
    emptied,
    with_a_bit_flipped_in_the_middle,
    with_one_row_less,
    with_another_value,
]
TAMPERINGS = [
    *CHANGES_OF_CONTENT,
    lengthened,
    doubled,
    with_a_bit_flipped_in_the_header,
    compressed_otherwise,
]


@pytest.mark.usefixtures("by_list")
@pytest.mark.parametrize("object_of", [str, sidecar_key], ids=["data", "sidecar"])
@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.__name__)
def test_an_object_that_does_not_come_back_as_it_was_sent_is_given_up_and_exported_again(
    place: Place, tampering: Callable[[bytes], bytes], object_of: Callable[[str], str]
) -> None:
    filled(place)
    before = place.csv_of_table()
    window = place.window()
    place.export(window)
    (data_key,) = place.data_keys()
    key = object_of(data_key)
    damaged = tampering(place.read(key))
    place.write(key, damaged)
    with pytest.raises(CheckFailed, match="Nothing was deleted"):
        place.check(window)
    assert place.delete(window) == Deleted(0, 0)
    assert place.csv_of_table() == before
    assert place.ledger("state") == [(State.VOID,)]
    assert place.manifests() == []
    assert place.archive() == [Deleted(ROWS, 0)]
    assert place.read(key) == damaged
    assert place.ledger("generation, state") == [(1, State.VOID), (2, State.DELETED)]
    assert place.archived() == before


def test_a_zstd_object_that_was_cut_off_is_given_up_too(place: Place) -> None:
    place = filled(place).ordered(compression="zstd")
    window = place.window()
    place.export(window)
    (key,) = place.data_keys()
    place.write(key, truncated(place.read(key)))
    with pytest.raises(CheckFailed):
        place.check(window)
    assert place.ledger("state, cause") == [("void", "damaged")]
    assert len(place.live()) == ROWS


@pytest.mark.usefixtures("by_list")
@pytest.mark.parametrize("object_of", [str, sidecar_key], ids=["data", "sidecar"])
def test_an_object_that_is_gone_before_it_was_checked_deletes_nothing(
    place_on_both: Place, object_of: Callable[[str], str]
) -> None:
    place = filled(place_on_both)
    window = place.window()
    place.export(window)
    place.remove(object_of(place.data_keys()[0]))
    with pytest.raises(Refused, match="no longer there"):
        place.check(window)
    assert len(place.live()) == ROWS
    assert place.manifests() == []
    assert place.archive() == [Deleted(ROWS, 0)], "the next run exports the window again"


@pytest.mark.usefixtures("by_list")
@pytest.mark.parametrize("object_of", [str, manifest_key, sidecar_key], ids=["data", "manifest", "sidecar"])
def test_an_object_that_is_gone_after_it_was_checked_deletes_nothing(
    place_on_both: Place, object_of: Callable[[str], str]
) -> None:
    place = filled(place_on_both)
    window = place.stored_window()
    place.remove(object_of(place.data_keys()[0]))
    with pytest.raises(Refused, match=r"gone|was deleted|no longer there"):
        place.delete(window)
    assert len(place.live()) == ROWS
    assert place.ledger() == [(State.STORED, ROWS, 0)]


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.__name__)
def test_a_data_object_that_was_replaced_after_it_was_checked_deletes_nothing(
    place: Place, tampering: Callable[[bytes], bytes]
) -> None:
    filled(place)
    window = place.stored_window()
    (key,) = place.data_keys()
    place.write(key, tampering(place.read(key)))
    with pytest.raises(CheckFailed, match="replaced after it was checked"):
        place.delete(window)
    assert len(place.live()) == ROWS


@pytest.mark.usefixtures("by_list")
@pytest.mark.parametrize("tampering", CHANGES_OF_CONTENT, ids=lambda tampering: tampering.__name__)
def test_a_sidecar_that_was_replaced_after_it_was_checked_deletes_nothing(
    place: Place, tampering: Callable[[bytes], bytes]
) -> None:
    filled(place)
    window = place.stored_window()
    key = sidecar_key(place.data_keys()[0])
    place.write(key, tampering(place.read(key)))
    with pytest.raises(Refused):
        place.delete(window)
    assert len(place.live()) == ROWS


@pytest.mark.usefixtures("by_list")
def test_a_sidecar_that_was_only_compressed_anew_still_lists_the_rows_that_were_checked(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    key = sidecar_key(place.data_keys()[0])
    place.write(key, compressed_otherwise(place.read(key)))
    assert place.delete(window) == Deleted(ROWS, 0)


@pytest.mark.usefixtures("by_list")
def test_a_sidecar_that_names_other_rows_deletes_none_of_them(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    place.events(*(hours_ago(60 - second / 3600) for second in range(1, ROWS + 1)))
    place.sql(
        "CREATE VIEW public.late AS SELECT *, xmin, tableoid, ctid FROM analytics.events ORDER BY id DESC LIMIT 25"
    )
    late = place.sql("SELECT xmin::text, tableoid::text, ctid::text, id FROM public.late")
    lines = ["xmin,tableoid,ctid,id", *(f'{xmin},{oid},"{ctid}",{number}' for xmin, oid, ctid, number in late)]
    place.write(sidecar_key(place.data_keys()[0]), gzip.compress(("\n".join(lines) + "\n").encode()))
    with pytest.raises(CheckFailed, match="not the sidecar that was checked"):
        place.delete(window)
    assert len(place.live()) == 2 * ROWS


def test_another_manifest_under_the_key_deletes_nothing(place: Place) -> None:
    filled(place)
    window = place.window()
    place.export(window)
    place.write(manifest_key(place.data_keys()[0]), b"{}")
    with pytest.raises(CheckFailed, match="another object's manifest"):
        place.check(window)
    assert len(place.live()) == ROWS
    assert place.ledger("state") == [(State.VOID,)]


def test_a_check_that_was_cut_off_after_the_manifest_was_written_goes_on(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET state = 'exported', etag = NULL, stored_at = NULL")
    assert place.check(window) == ROWS
    assert place.delete(window) == Deleted(ROWS, 0)


def test_a_lost_ledger_uses_no_key_again_and_leaves_the_old_objects_alone(place_on_both: Place) -> None:
    place = filled(place_on_both)
    before = place.csv_of_table()
    place.archive()
    keys = place.keys()
    old = {key: place.read(key) for key in keys}
    place.sql("DROP SCHEMA archiver CASCADE")
    place.events(hours_ago(59.5))
    late = place.csv_of_table()
    assert place.archive() == [Deleted(1, 0)]
    assert {key: place.read(key) for key in old} == old
    assert len(place.data_keys()) == 2
    assert place.archived() == before + late
    assert place.ledger("generation, state") == [(1, State.VOID), (2, State.DELETED)]


@pytest.mark.usefixtures("by_list")
@pytest.mark.parametrize("left", ["data", "sidecar"])
def test_a_key_of_which_only_half_is_left_is_not_used_again(place: Place, left: str) -> None:
    filled(place)
    place.archive()
    (data_key,) = place.data_keys()
    kept = data_key if left == "data" else sidecar_key(data_key)
    content = place.read(kept)
    for key in set(place.keys()) - {kept}:
        place.remove(key)
    place.sql("DROP SCHEMA archiver CASCADE")
    place.events(hours_ago(59.5))
    assert place.archive() == [Deleted(1, 0)]
    assert place.read(kept) == content
    assert place.ledger("generation, state") == [(1, State.VOID), (2, State.DELETED)]


@dataclass(frozen=True)
class UnlookingStore(Bucket):
    """Writes without looking first, as two writers that look at the same moment would."""

    def refuse_taken(self, key: str) -> None:
        pass


@pytest.mark.parametrize("size", [10, 9 << 20], ids=["in one request", "in parts"])
def test_the_server_itself_refuses_to_overwrite_where_it_knows_how(moto_place: Place, size: int) -> None:
    place = moto_place
    store = UnlookingStore(place.client, place.bucket)
    store.create("a key", b"first")
    with store.upload("a key") as upload:
        upload.write(b"2" * size)
        with pytest.raises(KeyTaken, match="left as it is"):
            upload.finish()
    assert place.read("a key") == b"first"


def test_the_condition_is_what_stops_the_overwriting(moto_place: Place) -> None:
    place = moto_place
    place.write("a key", b"first")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        place.client.put_object(Bucket=place.bucket, Key="a key", Body=b"second", IfNoneMatch="*")
    assert place.read("a key") == b"first"


def test_an_archived_object_can_be_read_by_any_gzip(place: Place) -> None:
    filled(place)
    before = place.csv_of_table()
    place.archive()
    (key,) = place.data_keys()
    content = gzip.decompress(place.read(key))
    assert content == b"".join(decompress(io.BytesIO(place.read(key)), "gzip"))
    assert content.count(b"\n") == ROWS + 1
    assert place.archived() == before


def test_an_object_in_cold_storage_cannot_be_checked_and_deletes_nothing(moto_place: Place) -> None:
    place = filled(moto_place)
    before = place.live()
    window = place.window()
    place.export(window, replace(place.store, settings={"StorageClass": "GLACIER"}))
    with pytest.raises(StorageRefused, match=r"InvalidObjectState. .* cold storage. Fix: bring it back"):
        place.check(window)
    with pytest.raises(CheckFailed, match="not checked"):
        place.delete(window)
    assert place.live() == before
