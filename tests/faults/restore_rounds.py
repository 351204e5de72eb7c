"""Restores with the archive going on between them: rows come back, leave again and come back, and deletes stop midway.

Each round has a new table with or without a key, and ends with a comparison by content.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.account import Account, Verdict
from tests.faults.archiving import Run
from tests.faults.comparing import difference, restored
from tests.faults.kills import Kill, Worker, refuse_survivor
from tests.faults.place import Place, hours_ago
from tests.faults.recorder import Recorder, filled, with_table
from tests.faults.restores import BATCH_SIZE, ROWS_A_WINDOW, delete_half

_HOURS = (50, 51)
_HOLD_DAYS = 7

Round = Callable[[Worker, Place, str], Verdict]


def _table(place: Place, name: str, *, keyed: bool) -> Place:
    table = with_table(place, name, keyed=keyed, batch_size=BATCH_SIZE)
    filled(table, [hours_ago(hour - minute / 60) for hour in _HOURS for minute in range(1, ROWS_A_WINDOW + 1)])
    return table


def _brought(table: Place, into: str | None = None, *, hold_days: int = 0, run_id: str = "run") -> Verdict:
    """A restore of everything, and what it left to be desired."""
    run = Run.of(table.ordered(run_id=run_id))
    return Verdict(problems=restored(run, into, hold_days=hold_days)) + difference(table, into)


def copied_around_a_half_done_delete(_worker: Worker, table: Place, copy: str) -> Verdict:
    """A copy gets what had left by then, and when the delete is done the rest of it."""
    run = Run.of(table)
    delete_half(run)
    verdict = _brought(table, copy)
    run.settle()
    return verdict + _brought(table, copy) + _brought(table, copy, run_id="another run")


def put_back_around_a_half_done_delete(_worker: Worker, table: Place, _copy: str) -> Verdict:
    """What had left by then comes back and leaves again with the rest."""
    run = Run.of(table)
    delete_half(run)
    verdict = _brought(table)
    run.settle()
    return verdict + _brought(table) + _brought(table, run_id="another run")


def held_around_a_half_done_delete(_worker: Worker, table: Place, _copy: str) -> Verdict:
    """What had left by then comes back and is held; the archive leaves it alone."""
    run = Run.of(table)
    delete_half(run)
    verdict = _brought(table, hold_days=_HOLD_DAYS)
    run.settle()
    return verdict + _brought(table, hold_days=_HOLD_DAYS) + _brought(table, hold_days=_HOLD_DAYS, run_id="another run")


def put_back_twice(_worker: Worker, table: Place, _copy: str) -> Verdict:
    """Rows come back, leave again, some of them changed, and come back once more."""
    run = Run.of(table)
    run.settle()
    verdict = _brought(table)
    with table.server.connect(table.database) as connection:
        Recorder(connection, table).update([1, 2], "changed after it came back")
    run.settle()
    return verdict + _brought(table) + _brought(table, run_id="another run")


def copied_piece_by_piece(_worker: Worker, table: Place, copy: str) -> Verdict:
    """Overlapping parts of the span, and then all of it."""
    return _piece_by_piece(table, copy)


def put_back_piece_by_piece(_worker: Worker, table: Place, _copy: str) -> Verdict:
    """The same, into the table itself."""
    return _piece_by_piece(table, None)


def _piece_by_piece(table: Place, into: str | None) -> Verdict:
    run = Run.of(table)
    run.settle()
    first, second, third = (hours_ago(_HOURS[0] - minute / 60) for minute in (2, 3, 4))
    problems = restored(run, into, start=second, end=third)
    problems += restored(run, into, start=first, end=third)
    return Verdict(problems=problems) + _brought(table, into) + _brought(table, into, run_id="another run")


def killed_and_archived_meanwhile(worker: Worker, table: Place, _copy: str) -> Verdict:
    """A restore dies half-way, what it had put back leaves again, and it is run once more."""
    run = Run.of(table)
    run.settle()
    last = _last_commit(worker, table, None)
    run.settle()
    refuse_survivor(worker.run(table, last, restore={"into": None}), last)
    run.settle()
    return _brought(table) + _brought(table, run_id="another run")


def killed_and_deleted_meanwhile(worker: Worker, table: Place, copy: str) -> Verdict:
    """A restore into a copy dies half-way when half of the rows have left, and the delete goes on."""
    run = Run.of(table)
    delete_half(run)
    last = _last_commit(worker, table, f"{copy}_whole")
    refuse_survivor(worker.run(table, last, restore={"into": copy}), last)
    run.settle()
    return _brought(table, copy) + _brought(table, copy, run_id="another run")


def _last_commit(worker: Worker, table: Place, into: str | None) -> Kill:
    """Where the last of the commits of a whole restore begins, by one that is made for this."""
    whole = worker.run(table, restore={"into": into})
    return Kill("before commit", whole["points"].count("before commit"))


ROUNDS: dict[str, Round] = {
    one.__name__.replace("_", " "): one
    for one in (
        copied_around_a_half_done_delete,
        put_back_around_a_half_done_delete,
        held_around_a_half_done_delete,
        put_back_twice,
        copied_piece_by_piece,
        put_back_piece_by_piece,
        killed_and_archived_meanwhile,
        killed_and_deleted_meanwhile,
    )
}


def tried(worker: Worker, place: Place, name: str, one: Round, *, keyed: bool) -> Verdict:
    """One round of a new table."""
    table = _table(place, name, keyed=keyed)
    verdict = one(worker, table, f"{name}_copy")
    Run.of(table).settle()
    return verdict + Account(table, balanced=False).check()
