"""Which of several notes counts, where a database has had more than one past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from pg_archiver.domain.row_numbers import NONE, Positions
from pg_archiver.ledger.notes_of_stayed_rows import KeptNote, Past, judge

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def note(
    upto: int,
    *kept: int,
    hour: int | None = 0,
    timeline: int | None = 1,
    system: str | None = "one",
) -> KeptNote:
    """A note of format 2, or of format 1 if it has no hour."""
    told = {} if hour is None else {"system_identifier": system, "timeline": timeline}
    return KeptNote.model_validate(
        {
            "format": 1 if hour is None else 2,
            "data_key": "key",
            "data_sha256": "digest",
            "deleted_upto": upto,
            "kept": kept,
            "written_at": None if hour is None else NOON + timedelta(hours=hour),
            **told,
        }
    )


def test_one_note_says_what_it_says() -> None:
    judged = judge([note(10, 3, 5)])
    assert (judged.upto, judged.kept, judged.disputed, judged.doubtful) == (10, Positions.of([3, 5]), NONE, False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (note(10, 3), note(10, 4, timeline=2, hour=1)),
        (note(10, 3), note(5, timeline=2, hour=1)),
        (note(10, 3), note(10, 4, hour=1)),
        (note(10, 3, timeline=None), note(10, 4, timeline=None, hour=1)),
        (note(10, 3, timeline=7), note(10, 4, system="two", hour=1)),
        (note(5, 3), note(10, 3, 7, hour=1)),
        (note(5, 3, hour=None), note(10, 3, 7, hour=None)),
        (note(5, 3, hour=None), note(10, 3, 7)),
    ],
    ids=["timeline", "fewer rows", "clock", "no timeline", "another server", "one past", "format 1", "a newer version"],
)
def test_the_later_one_counts_where_that_is_proven(before: KeptNote, after: KeptNote) -> None:
    for notes in ([before, after], [after, before]):
        judged = judge(notes)
        assert (judged.upto, judged.kept, judged.disputed) == (after.deleted_upto, after.kept, NONE)
        assert judged.lasting == (after,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (note(10, 3, hour=None), note(10, 4, hour=None)),
        (note(10, 3, hour=None), note(10, 4)),
        (note(10, 3), note(10, 4)),
        (note(10, 3, timeline=2), note(10, 4, timeline=1, hour=1)),
    ],
    ids=["format 1", "format 1 and 2", "the same moment", "timeline and clock contradict each other"],
)
def test_where_the_order_cannot_be_proven_the_rows_of_which_they_differ_are_disputed(
    one: KeptNote, other: KeptNote
) -> None:
    for notes in ([one, other], [other, one]):
        judged = judge(notes)
        assert (judged.upto, judged.kept, judged.disputed) == (10, NONE, Positions.of([3, 4]))


def test_a_delete_that_goes_backwards_in_one_past_is_none_and_its_rows_are_disputed() -> None:
    judged = judge([note(10, 2, 7), note(5, 2, hour=1)])
    assert (judged.upto, judged.kept, judged.disputed) == (10, Positions.of([2, 7]), Positions.of([6, 8, 9, 10]))


def test_what_stayed_by_all_is_not_disputed() -> None:
    judged = judge([note(10, 1, 3, hour=None), note(10, 1, 4, hour=None)])
    assert (judged.kept, judged.disputed) == (Positions.of([1]), Positions.of([3, 4]))


def test_a_third_past_in_which_the_rows_of_the_first_stayed_counts() -> None:
    judged = judge([note(10, 3), note(10, 4, timeline=2, hour=1), note(10, 3, timeline=3, hour=2)])
    assert (judged.kept, judged.disputed) == (Positions.of([3]), NONE)


def test_rows_too_many_to_name_make_all_of_it_doubtful() -> None:
    judged = judge([note(10, hour=None), note(1_000_000, 4, hour=None)])
    assert (judged.upto, judged.disputed, judged.doubtful) == (1_000_000, NONE, True)


def test_the_digest_tells_what_differs_but_not_when_it_was_written() -> None:
    assert note(10, 3).digest == note(10, 3, hour=5).digest
    others = [note(10, 3), note(10, 4), note(9, 3), note(10, 3, timeline=2), note(10, 3, system=None)]
    assert len({one.digest for one in others}) == len(others)


@pytest.mark.parametrize("told", [Past(None, 1), Past("one", None), Past(None, None)])
def test_a_past_of_which_a_part_is_unknown_is_not_told(told: Past) -> None:
    assert not told.is_told
    assert Past("one", 1).is_told


@pytest.mark.parametrize(
    "change",
    [{"format": 3}, {"written_at": None}, {"kept": [11]}, {"kept": [0]}, {"written_at": "2026-11-20T12:00:00"}],
)
def test_what_makes_no_sense_is_no_note(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        KeptNote.model_validate(note(10, 3).model_dump() | change)


def test_what_a_later_version_adds_is_no_hindrance() -> None:
    assert KeptNote.model_validate(note(10, 3).model_dump() | {"later": 1}).rows == (10, Positions.of([3]))
