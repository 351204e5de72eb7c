"""Jobs that archive, as the fault tests run them: again and again until nothing is due, and what they have counted."""

from __future__ import annotations

from pg_archiver.errors import Unfinished
from tests.faults.account import Verdict
from tests.faults.archiving import Run
from tests.faults.place import Place
from tests.support.archive_jobs import ArchiveJob

_MOST_RUNS = 30
_LEFT = "SELECT coalesce(sum(deleted_rows), 0) FROM archiver.windows WHERE table_schema = %s AND table_name = %s"


def settle_job(place: Place) -> Verdict:
    """Runs the jobs of the table and of its children until nothing is due, and compares what they have counted."""
    whole = Run.of(place)
    return sum((_settle(place, run) for run in (*whole.children(), whole)), Verdict())


def _settle(place: Place, run: Run) -> Verdict:
    job, stuck = ArchiveJob.of(run), 0
    for _rerun in range(_MOST_RUNS):
        if not run.batches():
            table = run.order.table
            ((left,),) = place.sql(_LEFT, table.schema, table.name) if place.has_ledger() else [(0,)]
            counted = job.counted() if left else 0
            told = f"{left} rows of {table} left, and the runs of its job have counted {counted}"
            return Verdict(problems=() if left == counted else (told,))
        try:
            job.archive()
        except Unfinished:
            # Rewrites in a row have voided a window twice.
            stuck += 1
            assert stuck < _MOST_RUNS // 2
    raise AssertionError(f"after {_MOST_RUNS} runs something is still due: {run.batches()[:3]}")
