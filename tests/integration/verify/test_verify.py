"""verify: a hole anywhere in the archive is found and named, and a whole archive is told to be whole."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pg_archiver.errors import Unfinished
from pg_archiver.objects.object_keys import manifest_key, sidecar_key, table_folder
from pg_archiver.s3.bucket import Bucket, Listed
from pg_archiver.verify.result import Verified
from pg_archiver.verify.verify_archive import verify
from tests.integration.restore.test_restore_objects import flip_a_bit, gone, one_row_more, other_rows
from tests.support.owners import claim
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import events, keyless, restored

DOCS = Path(__file__).parents[3] / "docs"


def verified(place: Place) -> Verified:
    with place.session() as session:
        return verify(session, place.store, place.order)


def itself(key: str) -> str:
    return key


def test_a_whole_archive_is_told_to_be_whole(place_on_both: Place) -> None:
    place = events(place_on_both, rows=90)
    place.archive()
    place.events(hours_ago(60))
    place.archive()
    result = verified(place)
    assert (result.objects, result.rows, result.problems, result.notes) == (3, 91, [], [])
    result.refuse_problems()


def test_an_empty_archive_is_whole(place: Place) -> None:
    place.sql(EVENTS)
    assert verified(place) == Verified()


@pytest.mark.parametrize(
    ("damage", "object_of"),
    [
        (flip_a_bit, itself),
        (other_rows, itself),
        (one_row_more, itself),
        (gone, itself),
        (flip_a_bit, sidecar_key),
        (one_row_more, sidecar_key),
        (gone, sidecar_key),
    ],
)
@pytest.mark.usefixtures("by_list")
def test_every_hole_is_found_and_named(
    place: Place,
    damage: Callable[[Place, str], None],
    object_of: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    events(place, rows=90)
    place.archive()
    bad, good = place.data_keys()
    damage(place, object_of(bad))
    result = verified(place)
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert any(object_of(bad) in record.getMessage() for record in errors)
    with pytest.raises(Unfinished) as caught:
        result.refuse_problems()
    assert object_of(bad) in str(caught.value)
    assert good not in str(caught.value)
    assert result.objects == 1


@pytest.mark.parametrize("lost", [1, 3], ids=["the manifest", "all of it"])
def test_what_the_ledger_vouches_for_must_be_there(place: Place, lost: int, caplog: pytest.LogCaptureFixture) -> None:
    events(place, rows=5)
    place.archive()
    (key,) = place.data_keys()
    for one in (manifest_key(key), key)[:lost]:
        place.remove(one)
    (problem,) = verified(place).problems
    assert [record.levelname for record in caplog.records if problem in record.getMessage()] == ["ERROR"]
    assert f"{manifest_key(key)} is missing or unusable, but by the ledger 5 of its 5 rows were deleted" in problem


def test_a_manifest_that_says_something_else_than_the_ledger_is_found(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    (key,) = map(manifest_key, place.data_keys())
    place.write(key, place.read(key).replace(b'"run_id": "run 1"', b'"run_id": "run 2"'))
    (problem,) = verified(place).problems
    assert "differs from the ledger" in problem


def test_leftovers_of_runs_that_broke_off_are_noted_and_are_no_holes(place: Place) -> None:
    events(place, rows=5)
    place.export(place.window())
    (left,) = place.data_keys()
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET state = 'void', note = 'given up'")
    place.archive()
    result = verified(place)
    assert (result.objects, result.problems) == (1, [])
    (note,) = result.notes
    sizes = {left: len(place.read(left))}
    assert note == (
        f"1 object(s) without a manifest, left by runs that broke off, {sum(sizes.values())} bytes in all: "
        f"{', '.join(f'{key} ({size} bytes)' for key, size in sizes.items())}"
    )


def test_of_many_leftovers_the_first_ones_are_named(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    (data,) = place.data_keys()
    for number in range(10, 20):
        place.write(data.replace("g0001", f"g00{number}"), b"x" * 2_000)
    (note,) = verified(place).notes
    assert "10 object(s) without a manifest, left by runs that broke off, 20.0 kB in all, first: " in note
    assert note.count("(2.0 kB)") == 5
    assert "g0010" in note


def test_an_object_that_a_run_has_in_hand_is_no_leftover(place: Place) -> None:
    events(place, rows=5)
    window = place.window()
    place.export(window)
    assert verified(place).notes == []
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET state = 'planned'")
    assert verified(place).notes == []
    place.sql("DROP SCHEMA archiver CASCADE")
    assert "1 object(s) without a manifest" in verified(place).notes[0]


def test_what_a_run_writes_while_its_hour_is_listed_is_no_leftover(place: Place) -> None:
    """The listing of the hour was made before its manifest came."""
    events(place, rows=5)
    window = place.window()
    place.export(window)

    class Meanwhile(Bucket):
        def list_objects(self, folder: str, after: str | None = None) -> Iterator[Listed]:
            found = list(super().list_objects(folder, after))
            place.check(window)
            return iter(found)

    with place.session() as session:
        result = verify(session, Meanwhile(place.client, place.bucket), place.order)
    assert (result.problems, result.notes) == ([], [])


def test_an_archive_is_listed_for_its_notes_and_once_more(place: Place) -> None:
    events(place, rows=90)
    place.archive()
    place.write(f"{place.data_keys()[0]}.left", b"x")
    listed: list[str] = []
    place.client.meta.events.register(
        "before-call.s3.ListObjectsV2", lambda params, **_: listed.append(params["query_string"]["prefix"])
    )
    assert "1 object(s) without a manifest" in verified(place).notes[0]
    assert listed == [table_folder("", place.order.client, place.order.table)] * 2


def test_rows_that_stayed_are_no_holes(place: Place) -> None:
    events(place, rows=5)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id = 3")
    place.delete(window)
    result = verified(place)
    assert (result.problems, result.notes) == ([], [])


def moved(place: Place, **changes: str) -> Place:
    """The same place, where the policy has come to point elsewhere since."""
    if "bucket" in changes:
        place.s3.create_bucket(changes["bucket"])
    return replace(place.ordered(**changes), bucket=changes.get("bucket", place.bucket))


@pytest.mark.parametrize(("what", "to"), [("prefix", "v2"), ("bucket", "another")])
def test_after_a_change_of_prefix_or_bucket_what_lies_elsewhere_is_read_back_too(
    place: Place, what: str, to: str
) -> None:
    events(place, rows=90)
    place.archive()
    now = moved(place, **{what: f"{to}-{place.bucket}"})
    now.events(hours_ago(70))
    now.archive()
    result = verified(now)
    assert (result.objects, result.rows, result.elsewhere, result.problems) == (3, 91, 2, [])
    (note,) = result.notes
    assert f"2 objects of the ledger's elsewhere: below s3://{place.bucket}/" in note
    bad, good = (key for key in place.data_keys() if not key.startswith("v2"))
    place.remove(bad)
    flip_a_bit(place, good)
    lost, damaged = sorted(verified(now).problems, key=lambda problem: "is not there" not in problem)
    assert bad in lost
    assert good in damaged


def test_objects_moved_to_another_bucket_by_the_recipe_are_the_archive_from_then_on(place: Place) -> None:
    events(place, rows=90)
    claim(place, "before the move")
    place.archive()
    now = moved(place, bucket=f"new-{place.bucket}")
    for key in list(place.store.list_keys("")):
        place.client.copy_object(Bucket=now.bucket, Key=key, CopySource={"Bucket": place.bucket, "Key": key})
        place.remove(key)
    page = (DOCS / "how-to" / "move-a-bucket-or-prefix.md").read_text(encoding="utf-8")
    recipe = textwrap.dedent(page.partition("```sql\n")[2].partition("```")[0])
    place.sql(recipe.replace("'new'", f"'{now.bucket}'").replace("'old'", f"'{place.bucket}'"))
    result = verified(now)
    assert (result.objects, result.rows, result.elsewhere, result.problems, result.notes) == (2, 90, 0, [], [])
    claim(now, "after the move")
    now.events(hours_ago(70))
    now.archive()
    assert verified(now).rows == 91
    assert restored(now).restored == 91


def test_a_prefix_back_and_forth_reads_each_object_once(place: Place) -> None:
    events(place, rows=5)
    moved(place, prefix="some/where").archive()
    place.events(hours_ago(70))
    place.archive()
    for now in (place, moved(place, prefix="some/where")):
        result = verified(now)
        assert (result.objects, result.elsewhere, result.problems) == (2, 1, [])


def test_a_bucket_that_cannot_be_read_is_named_and_the_others_are_read(place: Place) -> None:
    events(place, rows=90)
    place.archive()
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET bucket = 'not-there-any-more' WHERE id = 1")
    (problem,) = verified(place).problems
    assert "bucket not-there-any-more does not exist" in problem
    assert "1 object could not be read, first s3://not-there-any-more/" in problem
    gone = moved(place, bucket=f"new-{place.bucket}")
    gone.client.delete_bucket(Bucket=gone.bucket)
    result = verified(gone)
    assert (result.objects, len(result.problems)) == (1, 2)
    assert f"bucket {gone.bucket} does not exist" in result.problems[1]


def test_a_damaged_manifest_of_a_generation_that_was_given_up_is_no_problem(place: Place) -> None:
    events(place, rows=5)
    window = place.stored_window()
    (key,) = place.data_keys()
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET state = 'void'")
    place.write(manifest_key(key), b"{")
    place.export(window)
    place.check(window)
    place.delete(window)
    result = verified(place)
    assert (result.objects, result.problems) == (1, [])
    (note,) = result.notes
    assert f"{manifest_key(key)} is not a manifest" in note
    assert "The ledger abandoned that generation, and none of its rows left" in note


@pytest.mark.parametrize("left", ["rebuilt", "taken"])
def test_a_damaged_manifest_of_which_the_ledger_knows_nothing_at_first_hand_is_a_problem(
    place: Place, left: str
) -> None:
    events(place, rows=5)
    place.archive()
    if left == "rebuilt":
        place.sql("SET archiver.ledger_version = '3'")
        place.sql("UPDATE archiver.windows SET state = 'void', rebuilt_at = now(), deleted_rows = 0, deleted_upto = 0")
    else:
        place.sql("SET archiver.ledger_version = '3'")
        place.sql(
            "UPDATE archiver.windows"
            " SET state = 'void', manifest = NULL, rows = NULL, deleted_rows = 0, deleted_upto = 0"
        )
    (key,) = place.data_keys()
    place.write(manifest_key(key), b"{")
    (problem,) = verified(place).problems
    assert f"{manifest_key(key)} is not a manifest" in problem


def test_the_object_of_a_damaged_manifest_is_read_back_by_the_ledgers_own_copy(place: Place) -> None:
    events(place, rows=90)
    place.archive()
    one, other = place.data_keys()
    place.write(manifest_key(one), b"{")
    place.write(manifest_key(other), b"{")
    flip_a_bit(place, other)
    result = verified(place)
    assert (result.objects, result.rows, result.notes) == (1, 60, [])
    whole, damaged = result.problems
    assert f"{manifest_key(one)} is not a manifest" in whole
    assert "its object is whole by the ledger's own copy of the manifest" in whole
    assert f"{manifest_key(other)} is not a manifest" in damaged
    assert f"{other}: " in damaged


@pytest.mark.more
def test_an_archive_of_many_pages_of_the_ledger_is_read_whole(place: Place) -> None:
    place.sql(EVENTS)
    place.events(*(hours_ago(60 + hour) for hour in range(45)))
    place.archive()
    gone = place.data_keys()[30]
    place.remove(gone)
    for now in (place, moved(place, prefix="elsewhere")):
        result = verified(now)
        assert (result.objects, len(result.problems)) == (44, 1)
        assert gone in result.problems[0]


def test_what_a_rebuilt_ledger_lost_of_a_table_without_a_key_is_told(place: Place) -> None:
    """The commits of `store` were lost with a failed server, in a version whose rows have no token yet."""
    place = keyless(place)
    place.export(place.window())
    place.check(place.window())
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET state = 'void', manifest = NULL, rows = NULL")
    assert verified(place).notes == []
    place.sql("UPDATE archiver.windows SET token = NULL")
    result = verified(place)
    assert result.problems == []
    assert "whether the rows of" in result.notes[0]
    assert "into a new table only" in result.notes[0]


def test_a_ledger_of_an_older_version_is_read_as_it_is(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    place.sql("ALTER TABLE archiver.windows DROP COLUMN rebuilt_at, DROP COLUMN cause")
    result = verified(place)
    assert (result.objects, result.problems) == (1, [])
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET state = 'void', deleted_rows = 0, deleted_upto = 0")
    assert verified(place).objects == 1
