"""What the DAGs of this program did to a database, in the record of runs beside the jobs': for statistics alone.

What cannot be written there is a warning in the log, and changes nothing of what the run did or of its colour.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

from pg_archiver.errors import ArchiverError, Stopped
from pg_archiver.ledger.job_runs import JobRunLog, RunEnd, RunStart
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)

_SOURCE = "dag"


class DagRuns:
    """The record of one run of a DAG, in one database."""

    def __init__(self, session: Session, dag_id: str, run_id: str) -> None:
        """Write through this connection, for this run."""
        self._session = session
        self._runs = JobRunLog(session)
        self._dag_id = dag_id
        self._run_id = run_id

    def begin(self, action: str, subject: str) -> int | None:
        """Write that the run does this to a subject, as a crash until its end is written; None if it could not be.

        The caller holds the lock under which the subject is worked on: what is open of it is a dead process's.
        """
        run: int | None = None
        with warn_of_lost_statistics(self._session.name):
            if self._runs.exists():
                self._runs.end_dead(self._dag_id, subject)
                run = self._runs.begin(
                    RunStart(
                        job_name=self._dag_id,
                        source=_SOURCE,
                        action=action,
                        caused_by=_SOURCE,
                        database=self._session.name,
                        subject=subject,
                        dag_id=self._dag_id,
                        run_id=self._run_id,
                    )
                )
        return run

    def end(self, run: int | None, end: RunEnd) -> None:
        """Write how what was begun has ended."""
        if run is not None:
            with warn_of_lost_statistics(self._session.name):
                self._runs.end(run, end)

    def note(self, action: str, subject: str, started_at: datetime | None, end: RunEnd) -> None:
        """Write what the run did to a subject, at its end; nothing where the database has no ledger yet."""
        with warn_of_lost_statistics(self._session.name):
            if self._runs.exists():
                self._runs.note_dag_run(self._dag_id, self._run_id, action, subject, started_at, end)
                self._runs.prune_some()


@contextmanager
def warn_of_lost_statistics(database: str) -> Generator[None]:
    """Take an error of the block for a warning: it writes statistics, and nothing else."""
    try:
        yield
    except Stopped:
        raise
    except ArchiverError as error:
        log.warning(
            "the statistics of this run were not written to archiver.job_runs of database %s, and nothing else is "
            "wrong: %s. Fix, if a privilege is missing: GRANT SELECT, INSERT, UPDATE ON archiver.job_runs to that role",
            database,
            error,
        )
