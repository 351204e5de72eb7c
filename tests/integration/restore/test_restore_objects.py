"""What a restore finds in S3 it believes only after a look: damage, loss and other people's objects."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from pg_archiver.errors import Unfinished
from pg_archiver.objects.object_keys import manifest_key, sidecar_key
from pg_archiver.restore.result import Restored
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import differences, events, remembered, restored

Damage = Callable[[Place, str], None]


def flip_a_bit(place: Place, key: str) -> None:
    content = bytearray(place.read(key))
    content[len(content) // 2] ^= 1
    place.write(key, bytes(content))


def cut_short(place: Place, key: str) -> None:
    place.write(key, place.read(key)[:-20])


def other_rows(place: Place, key: str) -> None:
    """A whole and valid object with one digit changed: only the checksum tells."""
    content = gzip.decompress(place.read(key))
    place.write(key, gzip.compress(content.replace(b"event at", b"EVENT at", 1)))


def no_csv(place: Place, key: str) -> None:
    """It fails as a value before its end tells that it is damaged."""
    content = gzip.decompress(place.read(key)).split(b"\n")
    place.write(key, gzip.compress(b"\n".join([content[0], b"not a number,secret,secret,secret", *content[2:]])))


def one_row_more(place: Place, key: str) -> None:
    content = gzip.decompress(place.read(key))
    place.write(key, gzip.compress(content + content.splitlines(keepends=True)[-1]))


def bytes_after_the_end(place: Place, key: str) -> None:
    place.write(key, place.read(key) + b"\0" * 10)


def gone(place: Place, key: str) -> None:
    place.remove(key)


def refusal(result: Restored) -> str:
    with pytest.raises(Unfinished) as caught:
        result.refuse_failures()
    return str(caught.value)


@pytest.mark.parametrize("damage", [flip_a_bit, cut_short, other_rows, no_csv, one_row_more, bytes_after_the_end, gone])
def test_a_damaged_object_is_left_out_whole_and_the_others_come_back(place: Place, damage: Damage) -> None:
    events(place, rows=90)
    place.archive()
    bad, good = place.data_keys()
    whole = place.read(bad)
    damage(place, bad)
    result = restored(place)
    assert bad in refusal(result)
    assert good not in refusal(result)
    assert "secret" not in refusal(result)
    assert "fit" not in refusal(result), "the reason is the damage, whatever it looked like on the way"
    assert result.restored == 30
    place.write(bad, whole)
    again = restored(place)
    assert (again.restored, again.failures) == (60, [])
    assert differences(place) == []


def test_while_the_newest_object_of_a_window_is_damaged_older_versions_do_not_come_in_its_place(place: Place) -> None:
    place.sql(EVENTS)
    for version in ("old", "new"):
        place.sql(
            "INSERT INTO analytics.events OVERRIDING SYSTEM VALUE VALUES (1, %s, %s, NULL)", hours_ago(60), version
        )
        place.archive()
    _, new = place.data_keys()
    whole = place.read(new)
    flip_a_bit(place, new)
    result = restored(place)
    assert "waits until the newer object" in refusal(result)
    assert place.live().total() == 0
    place.write(new, whole)
    assert restored(place).failures == []
    assert place.sql("SELECT name FROM analytics.events") == [("new",)]


@pytest.mark.usefixtures("by_list")
@pytest.mark.parametrize("hours", [(60, 70), (70, 60)])
def test_while_an_object_is_damaged_an_older_version_of_its_row_does_not_come_from_another_window(
    place: Place, hours: tuple[int, int]
) -> None:
    """The list beside the object tells which rows it holds."""
    place.sql(EVENTS)
    for version, hour in zip(("old", "new"), hours, strict=True):
        place.sql(
            "INSERT INTO analytics.events OVERRIDING SYSTEM VALUE VALUES (1, %s, %s, NULL), (%s, %s, %s, NULL)",
            hours_ago(hour), version, hour, hours_ago(hour), version,
        )  # fmt: skip
        place.archive()
    new = next(manifest.data.key for manifest in place.manifests() if manifest.cell.start == hours_ago(hours[1]))
    whole = place.read(new)
    flip_a_bit(place, new)
    result = restored(place)
    assert (result.restored, result.superseded) == (1, 1)
    assert new in refusal(result)
    place.write(new, whole)
    assert restored(place).failures == []
    assert place.sql("SELECT id, name FROM analytics.events ORDER BY id") == sorted(
        [(1, "new"), (hours[0], "old"), (hours[1], "new")]
    )


def test_where_there_is_no_list_it_is_told(place: Place) -> None:
    events(place, rows=90)
    place.archive()
    bad = place.data_keys()[1]
    flip_a_bit(place, bad)
    result = restored(place)
    assert result.restored == 60
    assert "older versions of its rows may have come in from other windows" in refusal(result)


@pytest.mark.usefixtures("by_list")
def test_where_that_list_is_damaged_too_it_is_told(place: Place) -> None:
    events(place, rows=90)
    place.archive()
    bad = place.data_keys()[1]
    place.remove(bad)
    place.remove(sidecar_key(bad))
    result = restored(place)
    assert result.restored == 60
    assert "older versions of its rows may have come in from other windows" in refusal(result)


def test_where_a_manifest_cannot_be_read_older_versions_of_its_window_wait(place: Place) -> None:
    place.sql(EVENTS)
    for version in ("old", "new"):
        place.sql(
            "INSERT INTO analytics.events OVERRIDING SYSTEM VALUE VALUES (1, %s, %s, NULL)", hours_ago(60), version
        )
        place.archive()
    place.write(manifest_key(place.data_keys()[1]), b"{}")
    place.sql("DROP SCHEMA archiver CASCADE")
    assert "waits until the newer object" in refusal(restored(place))
    assert place.live().total() == 0


def test_an_object_without_a_manifest_does_not_exist_where_no_ledger_knows_it(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    (key,) = place.data_keys()
    place.remove(manifest_key(key))
    place.sql("DROP SCHEMA archiver CASCADE")
    result = restored(place)
    assert result.objects == 0
    assert result.found_nothing


WRONG: list[tuple[str, object, str]] = [
    ("client", "somebody else", "of client 'somebody else'"),
    ("table", "other", "speaks of table analytics.other"),
    ("table_schema", "other", "speaks of table other.events"),
    ("generation", 2, "not where it should lie"),
    ("span_start", "yesterday", "not a manifest"),
    ("format", 3, "not a manifest"),
    ("rows", 3, "holds 60 rows instead of 3"),
    ("columns", [{"name": "id", "type": "bigint", "number": 1}], "has other columns than its manifest says"),
    (
        "columns",
        [
            {"name": name, "type": "text", "number": number}
            for number, name in enumerate(("id", "triggered_at", "data", "name"))
        ],
        "has other columns than its manifest says",
    ),
]


@pytest.mark.parametrize(("field", "value", "words"), WRONG)
def test_a_manifest_that_is_not_this_table_s_is_refused_where_no_ledger_knows_better(
    place: Place, field: str, value: object, words: str
) -> None:
    events(place, rows=90)
    place.archive()
    key = manifest_key(place.data_keys()[0])
    place.write(key, json.dumps(json.loads(place.read(key)) | {field: value}).encode())
    place.sql("DROP SCHEMA archiver CASCADE")
    result = restored(place)
    assert words in refusal(result)
    assert result.restored == 30


@pytest.mark.parametrize(("field", "value", "_words"), [*WRONG, ("", None, "it is gone")])
def test_with_the_ledger_s_own_copy_of_a_manifest_that_is_damaged_everything_comes_back(
    place: Place, field: str, value: object, _words: str
) -> None:
    events(place, rows=90)
    place.archive()
    key = manifest_key(place.data_keys()[0])
    if field:
        place.write(key, json.dumps(json.loads(place.read(key)) | {field: value}).encode())
    else:
        place.remove(key)
    result = restored(place)
    assert (result.restored, result.failures) == (90, [])
    assert [note for note in result.notes if "is missing or damaged; the ledger's own copy was used" in note]
    assert differences(place) == []


def test_what_a_later_version_adds_to_a_manifest_is_ignored(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    key = manifest_key(place.data_keys()[0])
    place.write(key, json.dumps(json.loads(place.read(key)) | {"of_a_later_version": 1}).encode())
    place.sql("DROP SCHEMA archiver CASCADE")
    assert restored(place).restored == 5


def test_a_manifest_moved_from_another_hour_is_refused(place: Place) -> None:
    events(place, rows=90)
    place.archive()
    first, second = map(manifest_key, place.data_keys())
    place.write(first, place.read(second))
    place.sql("DROP SCHEMA archiver CASCADE")
    result = restored(place)
    assert "not where it should lie" in refusal(result)
    assert result.restored == 30


def test_with_the_ledger_lost_the_note_beside_the_object_tells_which_rows_stayed(place: Place) -> None:
    events(place, rows=5)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id = 3")
    place.delete(window)
    place.sql("DROP SCHEMA archiver CASCADE; DELETE FROM analytics.events")
    result = restored(place)
    assert (result.restored, result.kept) == (4, 1)
    assert place.sql("SELECT count(*) FROM analytics.events WHERE id = 3") == [(0,)]


def test_a_ledger_that_only_took_the_key_knows_nothing_of_the_object(place: Place) -> None:
    """After the loss of the ledger an export voids the generations whose keys are taken; their rows had left."""
    events(place, rows=5)
    place.archive()
    place.sql("DROP SCHEMA archiver CASCADE")
    place.events(hours_ago(60 - 1 / 60))
    place.archive()
    assert place.ledger("generation, state") == [(1, "void"), (2, "deleted")]
    assert restored(place).restored == 6


def test_the_span_finds_windows_of_any_length(place: Place) -> None:
    place = events(place, rows=5, hours=100).with_policy(window_hours=168)
    place.archive(keep_days=0)
    result = restored(place, hours_ago(100 - 1 / 60), hours_ago(100 - 3 / 60))
    assert result.restored == 2
    assert restored(place, hours_ago(24 * 30), hours_ago(24 * 29)).rows_read == 0
    remembered(place)
    assert restored(place, hours_ago(100) + timedelta(minutes=30), hours_ago(90)).restored == 0
