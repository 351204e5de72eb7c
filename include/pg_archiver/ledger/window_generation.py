"""A generation of a window as the ledger holds it, and the states of its life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pg_archiver.domain.row_numbers import NONE, Positions
from pg_archiver.domain.windows import Window


class State(StrEnum):
    """A window's life. Only `stored` may be deleted from; `void` ends a life in which nothing was deleted."""

    PLANNED = "planned"
    EXPORTED = "exported"
    STORED = "stored"
    DELETED = "deleted"
    VOID = "void"


class Cause(StrEnum):
    """Why a generation ended early: S3 gave back something else, or the table or what is due had changed."""

    DAMAGED = "damaged"
    GIVEN_UP = "given up"


OPEN_STATES = (State.PLANNED, State.EXPORTED, State.STORED)


@dataclass(frozen=True)
class Generation:
    """One generation of one window, as the ledger holds it; the last two only where they were asked for.

    Of the rows up to number `deleted_upto` the `kept` ones stayed. Where that is 0, those of the manifest's sub-ranges
    left that `sub_ranges_gone` numbers, counting from 1. `token` is a random text that the manifest of the
    object holds as well, None in rows of an older version. `handed_over` is told of a new one alone: whether a person
    handed the archive to this database, so that objects may lie there of which this ledger does not know.
    """

    id: int
    generation: int
    state: State
    cell: Window
    span: Window
    bucket: str
    object_key: str
    run_id: str
    rows: int | None = None
    csv_bytes: int | None = None
    object_bytes: int | None = None
    etag: str | None = None
    manifest: Mapping[str, object] | None = None
    deleted_upto: int = 0
    deleted_rows: int = 0
    kept: Positions = NONE
    note: str | None = None
    rebuilt: bool = False
    token: str | None = None
    handed_over: bool = False
    sha256: str | None = None
    deleted_by_run_id: str | None = None
    sub_ranges_gone: Positions = NONE


@dataclass(frozen=True, slots=True)
class RunGeneration:
    """A generation that a run had a part in, or that is still open where it planned; for its report.

    Of its `rows` so many as `deleted_rows` left; both sizes are bytes. `mine` is whether the run itself began or ended
    it; `cause` why it ended early, if it did; `latest` whether no later generation of the window has come; `stuck`
    whether the one before ended in the same way in another run: abandoned, or with every row still there. `missed` is
    whether rows stayed because those that lay beside them in time were no longer what was exported.
    """

    generation: int
    state: State
    cell: Window
    span: Window
    rows: int
    csv_bytes: int
    object_bytes: int
    deleted_rows: int
    note: str | None
    mine: bool
    cause: Cause | None
    latest: bool
    stuck: bool
    missed: bool
