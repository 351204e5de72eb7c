"""Writes what a run of an archive or of jobs did into the note of the run, where Airflow's list of runs shows it.

A task cannot do that: it has no access to Airflow's database. The scheduler has, and calls this when a run ends. Each
report has left a line for it as an XCom. Lines that a person wrote into the note stay.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

KEY = "note"
OURS = "archiver: "
LONGEST = 1000
OURS_BEGIN = ("archive__", "jobs__", "sweep")


class RunNotes:
    """Airflow's listener for the ends of runs."""

    @hookimpl
    def on_dag_run_success(self, dag_run: Any) -> None:
        """Write the note of a run that succeeded; the scheduler calls this in its own transaction."""
        write_note(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any) -> None:
        """Write the note of a run that failed."""
        write_note(dag_run)


def write_note(dag_run: DagRun) -> None:
    """Put the lines that the run's reports left into its note."""
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    # The note of any other DAG's run is left alone.
    prefix = os.environ.get("ARCHIVER_NAME_PREFIX", "")
    ours = tuple(prefix + name for name in OURS_BEGIN)
    if session is None or not dag_run.dag_id.startswith(ours):
        return
    from airflow.models.xcom import XComModel

    found = session.scalars(
        select(XComModel)
        .where(XComModel.dag_id == dag_run.dag_id, XComModel.run_id == dag_run.run_id, XComModel.key == KEY)
        .order_by(XComModel.task_id)
    ).all()
    if not found:
        return
    kept = [line for line in (dag_run.note or "").splitlines() if not line.startswith(OURS)]
    lines = [*kept, *(OURS + str(XComModel.deserialize_value(one)) for one in found)]
    text = "\n".join(lines)
    dag_run.note = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


class ArchiverNotes(AirflowPlugin):
    """What Airflow's plugin manager looks for."""

    name = "archiver_notes"
    listeners = [RunNotes()]  # noqa: RUF012 (as Airflow wants it)
