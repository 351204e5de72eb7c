"""The demo's verdict, from outside: tables and bucket as they were and as they are, nothing of the archiver's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from dev.demo_clients import DemoClient
from dev.demo_objects import Archive
from dev.demo_rows import Rows
from dev.demo_runs import Outcome

_MOST_NAMED = 5


class Check(NamedTuple):
    """One thing that must hold, whether it does, and the numbers behind it."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Evidence:
    """What was seen of one client: its table before and after, its objects, and what was written meanwhile.

    `added` is the number of rows that another program says it wrote; `expected` the number to be archived, if
    that can be said beforehand; `branches` the sum of pgbench_branches for the client that has one.
    """

    client: DemoClient
    before: Rows
    after: Rows
    archive: Archive
    outcome: Outcome
    expected: int | None
    added: int = 0
    branches: int | None = None


def checks(seen: Evidence) -> Iterator[Check]:
    """Yield all that must hold for one client."""
    yield Check("every run succeeded", set(seen.outcome.states) == {"success"}, ", ".join(seen.outcome.states))
    yield _objects(seen.archive)
    yield _number(seen)
    yield _content(seen)
    yield _cutoff(seen)
    if seen.expected is not None:
        found = seen.archive.rows.count
        yield Check("as many rows were archived as expected", found == seen.expected, f"{found:,} of {seen.expected:,}")
    if seen.client.keeps_everything:
        unchanged = seen.after.digests == seen.before.digests and not seen.archive.files
        yield Check("everything was kept", unchanged, f"{seen.archive.files} objects in its folder")
    if seen.branches is not None:
        yield _balance(seen, seen.branches)


def _objects(archive: Archive) -> Check:
    shown = "; ".join(archive.problems[:_MOST_NAMED])
    return Check("every object matches its manifest", not archive.problems, shown or f"{archive.objects} objects")


def _number(seen: Evidence) -> Check:
    before, left, archived = seen.before.count + seen.added, seen.after.count, seen.archive.rows.count
    added = f" ({seen.added:,} of them written during the run)" if seen.added else ""
    return Check(
        "rows archived and rows left add up to the rows before",
        left + archived == before,
        f"{left:,} + {archived:,} = {left + archived:,} of {before:,}{added}",
    )


def _content(seen: Evidence) -> Check:
    """Each row is in one place exactly, digit by digit, and no other row is anywhere.

    Of rows that were written meanwhile only the number is known, so there the former ones must all be found.
    """
    now = seen.after.digests + seen.archive.rows.digests
    lost, strange = seen.before.digests - now, now - seen.before.digests
    columns = seen.archive.rows.columns in ([], seen.before.columns)
    return Check(
        "each row is in exactly one place, with the same content",
        not lost and strange.total() == seen.added and columns,
        f"{lost.total():,} lost, {strange.total() - seen.added:,} unexpected or duplicate",
    )


def _cutoff(seen: Evidence) -> Check:
    cutoff = seen.client.cutoff(seen.outcome.moment)
    oldest, newest = seen.after.oldest, seen.archive.rows.newest
    holds = (cutoff is None or _not_before(oldest, cutoff)) and (newest is None or (cutoff and newest < cutoff))
    return Check(
        "rows older than the cutoff are archived, all others are left",
        bool(holds),
        f"newest archived {newest or '-'}, cutoff {cutoff or '-'}, oldest left {oldest or '-'}",
    )


def _not_before(moment: datetime | None, cutoff: datetime) -> bool:
    return moment is None or moment >= cutoff


def _balance(seen: Evidence, branches: int) -> Check:
    """pgbench adds each amount to a branch in the transaction that writes it to the history."""
    history = seen.after.total + seen.archive.rows.total
    return Check("the history's amounts add up to the branches' balance", history == branches, f"{history} {branches}")
