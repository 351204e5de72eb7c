"""How long, and for which keys, it is believed that a store refuses to write a key twice."""

from __future__ import annotations

from datetime import timedelta

from pg_archiver.s3.second_writes import BELIEVED_FOR, SecondWrites

FOLDER = "archive/client=a/"


def test_nothing_is_believed_at_first() -> None:
    assert not SecondWrites().are_refused(f"{FOLDER}x")


def test_it_is_believed_below_its_folder_alone() -> None:
    seen = SecondWrites()
    seen.believe(FOLDER)
    assert seen.are_refused(f"{FOLDER}schema=s/x")
    for other in ("archive/client=ab/x", "archive/client=b/x", "client=a/x", "archive/x", "x"):
        assert not seen.are_refused(other)


def test_it_is_believed_for_a_day_from_when_it_was_shown() -> None:
    seen = SecondWrites()
    for age, believed in ((BELIEVED_FOR - timedelta(hours=1), True), (BELIEVED_FOR, False), (timedelta(days=9), False)):
        seen.believe(FOLDER, age)
        assert seen.are_refused(f"{FOLDER}x") is believed
