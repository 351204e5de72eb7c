"""Notes of which rows stayed, and which of them counts where a database has had more than one past. No I/O.

A server that was brought back to an earlier moment does not know of the deletes that came after it. It may do them
again, and find other rows changed. Both notes are true, each of its own past; the table and the ledger are of the
last one. Nothing in S3 is ever taken away, so a reader must be able to tell which one that is, or that nobody can.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Annotated, Literal, Self, cast

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    PlainValidator,
    ValidationInfo,
    field_serializer,
    model_validator,
)

from pg_archiver.domain.row_numbers import NONE, Positions

# Where notes differ of more rows than these, which of them left is in doubt altogether.
_MOST_DISPUTED = 100_000
# Notes list as many rows one by one, as every reader knows it; more are told as ranges.
_MOST_LISTED = 10_000
_RANGED: Literal[3] = 3


@dataclass(frozen=True)
class Past:
    """By what a server tells its pasts apart; None where it does not say.

    The timeline goes up by one at each promotion and each recovery to a point in time.
    """

    system_identifier: str | None
    timeline: int | None

    @property
    def is_told(self) -> bool:
        """Whether two of them that are equal are one and the same, as far as a server can tell."""
        return self.system_identifier is not None and self.timeline is not None


def format_for(kept: Positions) -> Literal[2, 3]:
    """Return the format of a new note: 3 only where a reader who knows no other one would have a long list to read."""
    return 2 if len(kept) <= _MOST_LISTED else _RANGED


def _numbers(value: object, info: ValidationInfo) -> Positions:
    """Return the rows of a note: listed, or as the server writes ranges."""
    if isinstance(value, Positions):
        return value
    if isinstance(value, str) and info.data.get("format") == _RANGED:
        return Positions.parse(value)
    listed = isinstance(value, list | tuple) and all(type(number) is int for number in value)
    if listed and info.data.get("format") != _RANGED:
        return Positions.of(cast(list[int], value))
    raise ValueError("the rows that stayed are not told in the way of this format")


class KeptNote(BaseModel):
    """Rows of the object up to number `deleted_upto` were deleted, but those numbered in `kept`; the others stayed.

    Format 1 tells neither the server, nor its timeline, nor when it was written. In format 3 `kept` is no list, but a
    text: the ranges as the server writes an `int8multirange`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    format: Literal[1, 2, 3]
    data_key: str
    data_sha256: str
    deleted_upto: int
    kept: Annotated[Positions, PlainValidator(_numbers)]
    system_identifier: str | None = None
    timeline: int | None = None
    written_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.format != 1 and self.written_at is None:
            raise ValueError("written_at belongs to the formats after the first")
        if self.kept.within(1, self.deleted_upto) != self.kept:
            raise ValueError("a row that stayed is not one of those that the delete has processed")
        return self

    @field_serializer("kept")
    def _write(self, kept: Positions) -> list[int] | str:
        return str(kept) if self.format == _RANGED else list(kept)

    @property
    def past(self) -> Past:
        """The past to which it belongs."""
        return Past(self.system_identifier, self.timeline)

    @property
    def rows(self) -> tuple[int, Positions]:
        """The rows that it speaks of, to compare."""
        return self.deleted_upto, self.kept

    @property
    def digest(self) -> str:
        """What its key holds, so that notes which differ never share one; a further try comes to the same."""
        content = [self.data_key, self.data_sha256, self.deleted_upto, self._write(self.kept)]
        content += [self.system_identifier, self.timeline]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Judged:
    """What several notes say together: rows up to `upto` left, but the `kept` ones; of the `disputed` nobody knows.

    `lasting` are the notes that none is known to be later than. `doubtful` says that too many are disputed to name
    them.
    """

    upto: int
    kept: Positions
    disputed: Positions
    doubtful: bool
    lasting: tuple[KeptNote, ...]


def judge(notes: Sequence[KeptNote]) -> Judged:
    """Return which of the notes on one object counts, or what is left of them where their order cannot be proven."""
    lasting = tuple(note for note in notes if not any(_is_overtaken(note, other) for other in notes))
    said = {note.rows for note in lasting}
    highest = max(upto for upto, _ in said)
    stayed = [kept | Positions.span(upto + 1, highest) for upto, kept in said]
    by_all, by_any = reduce(and_, stayed), reduce(or_, stayed)
    disputed = by_any - by_all
    doubtful = len(disputed) > _MOST_DISPUTED
    return Judged(highest, by_all, NONE if doubtful else disputed, doubtful, lasting)


def contradict(note: KeptNote, other: KeptNote) -> bool:
    """Return whether they cannot be of one delete, of which the one has seen more than the other."""
    first, later = sorted((note, other), key=lambda one: one.deleted_upto)
    return not _is_continued(first, later)


def _is_overtaken(note: KeptNote, by: KeptNote) -> bool:
    """Return whether the other note is certainly later: by timeline and clock, or as it tells what came next.

    Snapshots that are brought back begin no new timeline, so the clock has to agree with it, and where the timeline is
    the same, or not told, the rows must too: in one past no delete goes backwards.
    """
    if note.written_at is None:
        further = by.deleted_upto > note.deleted_upto or by.written_at is not None
        return further and _is_continued(note, by)
    if by.written_at is None or by.written_at <= note.written_at:
        return False
    if by.system_identifier != note.system_identifier:
        return True
    if by.timeline is None or note.timeline is None or by.timeline == note.timeline:
        return by.deleted_upto >= note.deleted_upto
    return by.timeline > note.timeline


def _is_continued(first: KeptNote, later: KeptNote) -> bool:
    """Return whether the later one says the same of the rows that the first one speaks of."""
    before = later.kept.within(1, first.deleted_upto)
    return later.deleted_upto >= first.deleted_upto and before == first.kept
