"""A copy of the database beside its original: both write, both archive to one place, and no row of either is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pg_archiver.domain.work import Batch
from pg_archiver.errors import ArchiverError, Stopped
from pg_archiver.ledger.ownership import Ownership
from tests.faults.account import Account, Verdict
from tests.faults.archiving import Run
from tests.faults.meanwhile import change_as_users, fill
from tests.faults.place import Place
from tests.faults.recorder import opened, with_table
from tests.faults.restores import cloned

MOMENTS = ("before the first run", "after the export", "after the check", "in mid-delete", "after a whole run")


@dataclass(frozen=True)
class Copying:
    """When the copy is made, and which of the two acts first from then on."""

    moment: str
    copy_first: bool
    keyed: bool

    def __str__(self) -> str:
        first = "the copy" if self.copy_first else "the original"
        return f"copied {self.moment}, {first} acts first{'' if self.keyed else ', no key'}"


def trials() -> Iterator[Copying]:
    """Each moment, with either of them first."""
    for number, moment in enumerate(MOMENTS):
        for copy_first in (True, False):
            yield Copying(moment, copy_first, keyed=(number + copy_first) % 2 == 0)


@dataclass
class _Acting:
    """One database and what its runs do, as far as they are let."""

    table: Place
    batches: list[Batch]

    def step(self, name: str) -> None:
        """One step, or a whole run; whatever refuses it ends it."""
        run = Run.of(self.table)
        if name == "plan":
            self.batches = run.batches()
            with run.session("plan") as session:
                Ownership(session, run.store, run.order).claim(None)
        elif name == "export":
            for batch in self.batches:
                run.export(list(batch))
        elif name == "check":
            for batch in self.batches:
                run.check(list(batch))
        else:
            self.delete(run, halfway=name == "half")

    def delete(self, run: Run, *, halfway: bool) -> None:
        with run.session("delete") as session:
            Ownership(session, run.store, run.order).confirm()
            asked = iter((False, True))
            run.remove(self.batches, (lambda: next(asked, True)) if halfway else lambda: False)

    def go(self, *steps: str) -> bool:
        """Whether all of these steps succeeded."""
        try:
            for step in steps:
                self.step(step)
        except Stopped:
            return True
        except ArchiverError:
            return False
        return True


_BEFORE: dict[str, tuple[str, ...]] = {
    "before the first run": (),
    "after the export": ("plan", "export"),
    "after the check": ("plan", "export", "check"),
    "in mid-delete": ("plan", "export", "check", "half"),
    "after a whole run": ("plan", "export", "check", "delete"),
}
_WHOLE = ("plan", "export", "check", "delete")


def tried(place: Place, name: str, trial: Copying) -> Verdict:
    """Both act twice, in turns, each going on with what it had begun. One of them may, and no row of either is lost."""
    with _alone(place, name) as own:
        table = fill(with_table(own, "things", keyed=trial.keyed, batch_size=2))
        original = _Acting(table, [])
        assert original.go(*_BEFORE[trial.moment])
        with cloned(table, f"{own.database}-copy") as copied:
            copy = _Acting(copied, list(original.batches))
            both = (copy, original) if trial.copy_first else (original, copy)
            for one in both:
                change_as_users(one.table)
            rest = _WHOLE[len(_BEFORE[trial.moment]) :] if trial.moment != "in mid-delete" else ("delete",)
            before = _left(table)
            for one in both:
                one.go(*rest)
            for number, one in enumerate(both):
                one.table = one.table.ordered(run_id=f"later run {number}")
                one.go(*_WHOLE)
            acted = [_left(one.table) > before for one in both]
            problems = () if any(acted) and not all(acted) else (f"{sum(acted)} of them acted after they had parted",)
            # The bucket holds what both wrote, so the rest of the check does not hold for either of them.
            found = [Account(one.table).check() for one in both]
            return Verdict(sum(one.rows for one in found), tuple(row for one in found for row in one.lost), problems)


def _left(table: Place) -> int:
    """How many rows have left the table, by its own ledger."""
    if not table.has_ledger():
        return 0
    return int(table.sql("SELECT coalesce(sum(deleted_rows), 0) FROM archiver.windows")[0][0])


@contextmanager
def _alone(place: Place, name: str) -> Iterator[Place]:
    """A database and a bucket of its own, since a copy is made of the whole database."""
    with Place.made(place.server, place.s3, name.replace("_", "-")) as own:
        try:
            yield opened(own)
        finally:
            with place.server.connect() as admin:
                admin.execute(f'DROP DATABASE "{own.database}" WITH (FORCE)'.encode())
