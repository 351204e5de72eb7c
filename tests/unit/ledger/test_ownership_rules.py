"""Of databases that were copied from one another, those that do not know who acted last refuse, in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pg_archiver.ledger.ownership_rules import Claim, Identity, Marker, find_hindrances, numbers_to_read

HERE = Identity("db.example", "5432", "7000", 16384)
MINE = Claim(3, "mine", "run 3", HERE)
S3 = {1: "one", 2: "two", 3: "mine"}


def hindrances(claims: list[Claim], s3: dict[int, str | None], identity: Identity = HERE) -> list[str]:
    """As the archiver asks: from the ledger's newest claim on, and no object more than has to be read."""
    anchor = claims[-1] if claims else None
    numbers = [number for number in s3 if anchor is None or number >= anchor.number]
    markers = {number: Marker(s3[number], f"the story of {number}") for number in numbers_to_read(anchor, numbers)}
    return find_hindrances(anchor, claims, numbers, markers, identity)


@pytest.mark.parametrize(
    ("claims", "s3"),
    [([], {}), ([MINE], S3), ([MINE, replace(MINE, number=4, token="unwritten")], S3)],
    ids=["the first run", "the next run", "a claim that died before its object was written"],
)
def test_whoever_is_alone_goes_on(claims: list[Claim], s3: dict[int, str | None]) -> None:
    anchor = claims[0] if claims else None
    numbers = [number for number in s3 if anchor is None or number >= anchor.number]
    markers = {number: Marker(s3[number]) for number in numbers_to_read(anchor, numbers)}
    assert find_hindrances(anchor, claims, numbers, markers, HERE) == []


@pytest.mark.parametrize(
    ("claims", "s3", "words"),
    [
        ([], S3, "S3 has marker 3, which is not in the ledger of this database (knows of none); the story of 3"),
        ([MINE], {**S3, 5: "x"}, "S3 has marker 5, which is not in the ledger of this database (ends at 3)"),
        ([MINE], {**S3, 3: "x"}, "marker 3 in S3 has the token of another database; the story of 3"),
        ([MINE], {**S3, 3: None}, "marker 3 is unknown: the story of 3"),
        ([MINE], {1: "one", 2: "two"}, "marker 3 is not in S3, though it was: the bucket lost objects, or it is"),
        ([MINE], {}, "marker 3 is not in S3, though it was"),
    ],
    ids=["lost ledger", "newer", "another's token", "unreadable", "lost marker", "emptied bucket"],
)
def test_what_the_ledger_does_not_know_refuses(claims: list[Claim], s3: dict[int, str | None], words: str) -> None:
    (found,) = hindrances(claims, s3)
    assert words in found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": "copy.example"}, "the host of the connection was 'db.example' and is 'copy.example' now"),
        ({"port": "5433"}, "the port of the connection was '5432' and is '5433' now"),
        ({"database_oid": 7}, "the oid of the database was 16384 and is 7 now"),
        ({"system_identifier": "8"}, "the system identifier of the server was '7000' and is '8' now"),
        ({"system_identifier": None}, "this role may no longer ask for it"),
    ],
)
def test_each_fact_that_changed_refuses_by_its_name(change: dict[str, object], words: str) -> None:
    (found,) = hindrances([MINE], dict(S3), replace(HERE, **change))  # type: ignore[arg-type]
    assert words in found


def test_an_identifier_that_was_not_known_before_may_be_known_now() -> None:
    unknown = replace(MINE, identity=replace(HERE, system_identifier=None))
    assert hindrances([unknown], dict(S3)) == []
    assert hindrances([unknown], dict(S3), unknown.identity) == []


def test_a_run_whose_own_marker_was_written_over_refuses_though_a_later_one_of_ours_stands() -> None:
    later = replace(MINE, number=4, token="ours too", run_id="run 4")
    markers = {3: Marker("another's"), 4: Marker("ours too")}
    assert numbers_to_read(MINE, [3, 4]) == [3, 4]
    (found,) = find_hindrances(MINE, [MINE, later], [3, 4], markers, HERE)
    assert "marker 3 in S3 has the token of another database" in found


def test_a_run_goes_on_where_a_later_one_of_ours_was_adopted_and_nowhere_else() -> None:
    there = replace(HERE, host="there.example")
    adopted = replace(MINE, number=4, token="ours too", identity=there, adopted="moved")
    markers = {3: Marker("mine"), 4: Marker("ours too")}
    assert find_hindrances(MINE, [MINE, adopted], [3, 4], markers, there) == []
    (found,) = find_hindrances(MINE, [MINE, adopted], [3, 4], markers, HERE)
    assert "the host of the connection was 'there.example' and is 'db.example' now" in found


@dataclass
class Copy:
    """A database with its ledger: all claims, the numbers of those that were read back, and how it is reached."""

    identity: Identity
    claims: list[Claim] = field(default_factory=list)
    confirmed: set[int] = field(default_factory=set)

    def knows(self, number: int, token: str) -> bool:
        return any((claim.number, claim.token) == (number, token) for claim in self.claims)


class Family(RuleBasedStateMachine):
    """Databases that are copied, run, adopted and cut off at any moment, on one bucket that overwrites nothing.

    The archiver's way of asking is put on its own account here: from the newest claim that was read back on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.copies = [Copy(HERE)]
        self.s3: dict[int, str] = {}
        self.tokens = 0
        self.last: tuple[int, str] | None = None

    def refused(self, copy: Copy) -> bool:
        since = max(copy.confirmed, default=0)
        claims = [claim for claim in copy.claims if claim.number >= since]
        anchor = claims[0] if since else None
        numbers = [number for number in self.s3 if number >= since]
        markers = {number: Marker(self.s3[number]) for number in numbers_to_read(anchor, numbers)}
        return bool(find_hindrances(anchor, claims, numbers, markers, copy.identity))

    @rule(which=st.integers(0, 9), moved=st.booleans())
    @precondition(lambda self: len(self.copies) < 5)
    def copied(self, which: int, moved: bool) -> None:
        source = self.copies[which % len(self.copies)]
        identity = replace(source.identity, host=f"copy {len(self.copies)}") if moved else source.identity
        self.copies.append(Copy(identity, list(source.claims), set(source.confirmed)))

    @rule(which=st.integers(0, 9), adopt=st.booleans(), dies=st.sampled_from(["before", "noted", "written", "never"]))
    def run(self, which: int, adopt: bool, dies: str) -> None:
        copy = self.copies[which % len(self.copies)]
        alone = self.last is None or copy.knows(*self.last)
        if self.refused(copy) and not adopt:
            # Only what a person has to look at refuses: another's acts, a part of them, or a move of its own.
            moved = bool(copy.claims) and copy.claims[-1].identity != copy.identity
            assert not alone or moved or any(not copy.knows(*marker) for marker in self.s3.items())
            return
        assert alone or adopt
        self.tokens += 1
        since = max(copy.confirmed, default=0)
        seen = [number for number in self.s3 if number >= since]
        number = max([*seen, *(claim.number for claim in copy.claims)], default=0) + 1
        if dies == "before":
            return
        copy.claims.append(Claim(number, str(self.tokens), "run", copy.identity, "why" if adopt else None))
        if dies == "noted":
            return
        assert number not in self.s3
        self.s3[number] = str(self.tokens)
        self.last = number, str(self.tokens)
        if dies == "never":
            copy.confirmed.add(number)
            assert not self.refused(copy)
        for other in self.copies:
            assert other.knows(*self.last) or self.refused(other)

    @rule(which=st.integers(0, 9))
    def write_arrives_late(self, which: int) -> None:
        """What a process that was given up for dead had still sent comes to S3, which overwrites nothing."""
        copy = self.copies[which % len(self.copies)]
        unwritten = [claim for claim in copy.claims if claim.number not in self.s3]
        if unwritten:
            self.s3[unwritten[-1].number] = unwritten[-1].token
            if unwritten[-1].number == max(self.s3):
                self.last = unwritten[-1].number, unwritten[-1].token


TestFamily = Family.TestCase
TestFamily.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
