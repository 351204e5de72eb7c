"""What the tasks of the DAGs `jobs__<conn_id>` and `sweep` do: choose what is due, run one job, say what came of it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from airflow.sdk import Asset, AssetWatcher
from airflow.sdk.exceptions import AirflowRuntimeError

from pg_archiver.airflow import connections
from pg_archiver.airflow.airflow_ids import jobs_dag_id
from pg_archiver.airflow.due_trigger import Due
from pg_archiver.airflow.job_connections import make_job_connections
from pg_archiver.airflow.run_context import read_parameters
from pg_archiver.airflow.variables import find_jobs_pause
from pg_archiver.domain.wording import say_count
from pg_archiver.errors import ArchiverError, Interrupted, SettingError, Stopped, Unfinished
from pg_archiver.jobs.choose import EVERYTHING, JobsPlan, Selection, TakenTables, plan_jobs
from pg_archiver.jobs.run import AirflowRun, Ending, run_claimed
from pg_archiver.jobs.source import Claim, JobConnections, JobsSource
from pg_archiver.policies.jobs_settings import InstanceJobs
from pg_archiver.policies.retention import parse_keep_days
from pg_archiver.policies.settings import MOST_MAPPED_WINDOWS
from pg_archiver.policies.yaml_file import Policies

log = logging.getLogger(__name__)

# A job without a max_runtime may take four hours; a little more, so that the server's limit comes first.
LONGEST_JOB = timedelta(hours=25)
_ENDED = {"success", "failed"}
_MOST_NAMED = 10
ClaimJson = dict[str, Any]


def make_wake_up(conn_id: str, databases: Sequence[str] = ()) -> Asset:
    """Return the asset whose events start the instance's DAG.

    Args:
        conn_id: the instance.
        databases: those that hold jobs; the triggerer watches each of them. None for whoever only makes an event.
    """
    name = jobs_dag_id(conn_id)
    return Asset(
        name=name,
        uri=f"archiver://{name}",
        group="archiver",
        watchers=[AssetWatcher(name=f"{name} {one}", trigger=Due(conn_id=conn_id, database=one)) for one in databases],
    )


@dataclass(frozen=True)
class Chosen:
    """What a look into all of the instance's sources came to."""

    claims: list[ClaimJson]
    problems: list[str]
    notes: list[str]

    @property
    def summary(self) -> dict[str, list[str]]:
        """What the report needs besides the claims."""
        return {"problems": self.problems, "notes": self.notes}


@dataclass(frozen=True)
class JobsReport:
    """What came of one run of the DAG."""

    succeeded: tuple[str, ...]
    failed: tuple[str, ...]
    not_run: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Return plain values, for XCom."""
        return {name: list(value) for name, value in asdict(self).items()}

    @property
    def note(self) -> str:
        """What the note of the run in Airflow's list says."""
        told = [
            f"{len(names):,} {how}: {'; '.join(names[:_MOST_NAMED])}"
            for how, names in (("failed", self.failed), ("succeeded", self.succeeded))
            if names
        ]
        told += [*self.problems[:_MOST_NAMED], *self.not_run[:_MOST_NAMED]]
        return ". ".join(told) or "nothing was due"

    def refuse_unfinished(self) -> None:
        """Turn the run red if a job failed, or is refused, or a database could not be looked into.

        Raises:
            Unfinished: it names them.
        """
        if bad := [*self.failed, *self.problems]:
            raise Unfinished(
                f"{'; '.join(bad)}. All others were run. The errors of procedures are in "
                "archiver.job_errors of their databases"
            )


@dataclass(frozen=True)
class InstanceRun:
    """One instance of the policy file in one run of its DAG."""

    policies: Policies
    instance: InstanceJobs
    context: Mapping[str, Any]

    def choose(self) -> Chosen:
        """Take what is due in every source, and say what is wrong.

        Raises:
            SettingError: a Variable or the form asks for what cannot be.
            Interrupted: whether jobs are paused could not be found out.
        """
        parameters = read_parameters(self.context)
        selection = _read_selection(parameters)
        _read_keep_days(parameters)
        _read_adopt(parameters, selection)
        if pause := find_jobs_pause(self.instance.conn_id, self.policies.jobs):
            log.info("Airflow Variable %s is true: nothing starts", pause)
            return Chosen([], [], [f"paused by Airflow Variable {pause}"])
        if parameters["reason"]:
            log.info("reason: %s", parameters["reason"])
        chosen = Chosen([], [], [])
        taken: TakenTables = {}
        for source in self.list_sources():
            room = MOST_MAPPED_WINDOWS - len(chosen.claims)
            self._look(source, chosen, selection, room, taken, dry_run=bool(parameters["dry_run"]))
        for line in (*chosen.problems, *chosen.notes):
            log.info("%s", line)
        log.info("%s to run", say_count(len(chosen.claims), "job"))
        return chosen

    def _look(
        self,
        source: JobsSource,
        chosen: Chosen,
        selection: Selection,
        room: int,
        taken: TakenTables,
        *,
        dry_run: bool,
    ) -> None:
        """Add what is due in one source; one that cannot be looked into is a problem of its own."""
        try:
            found = self.look(source, selection, room, taken, dry_run=dry_run)
        except Stopped:
            raise
        except ArchiverError as error:
            chosen.problems.append(f"the jobs of database {source.database}: {error}")
            return
        chosen.claims.extend(claim.as_dict() for claim in found.claims)
        chosen.problems.extend(map(str, found.problems))
        chosen.notes.extend(found.notes)

    def look(
        self,
        source: JobsSource,
        selection: Selection = EVERYTHING,
        most: int = 0,
        taken: TakenTables | None = None,
        *,
        dry_run: bool = False,
    ) -> JobsPlan:
        """Look into one source and take at most so many of what is due; `taken` are the tables of other sources' jobs.

        Raises:
            ArchiverError: it could not be read or written.
        """
        return plan_jobs(
            source,
            self.connections,
            run_id=self.full_run_id,
            most=most,
            has_ended=self.has_ended,
            selection=selection,
            taken=taken,
            dry_run=dry_run,
        )

    @property
    def full_run_id(self) -> str:
        """The run's id, with its DAG's: run ids of different DAGs may be the same."""
        run = self.context["dag_run"]
        return f"{run.dag_id}/{run.run_id}"

    def has_ended(self, full_run_id: str) -> bool:
        """Return whether the Airflow run that took a job has ended, or is gone.

        Raises:
            Interrupted: Airflow could not be asked.
        """
        if full_run_id == self.full_run_id:
            return False
        dag_id, _, run_id = full_run_id.partition("/")
        try:
            return str(self.context["ti"].get_dagrun_state(dag_id, run_id)) in _ENDED
        except AirflowRuntimeError as error:
            if is_missing(error):
                return True
            raise Interrupted(
                f"Airflow could not be asked whether run {run_id} of {dag_id} has ended, so the jobs that it took are "
                "left to it"
            ) from None

    def list_sources(self) -> list[JobsSource]:
        """Return the databases that hold jobs of this instance."""
        return [JobsSource(self.instance, database) for database in self.instance.sources]

    @property
    def connections(self) -> JobConnections:
        """How the instance's databases are reached."""
        return make_job_connections(self.policies, self.instance)

    def run(self, claim: ClaimJson) -> dict[str, object]:
        """Run one job that the choice took.

        Raises:
            Unfinished: it failed; its record in its own database says why.
            ArchiverError: it is not known how it ended, or it did not begin.
        """
        parameters = read_parameters(self.context)
        taken = replace(
            Claim.from_dict(claim),
            keep_days=_read_keep_days(parameters),
            adopt=_read_adopt(parameters, _read_selection(parameters)),
        )
        source = next((one for one in self.list_sources() if one.database == taken.source_database), None)
        if source is None:
            raise SettingError(
                f"{self.policies.source} has no jobs in database {taken.source_database} any more, so {taken} was not "
                "run"
            )
        run = self.context["dag_run"]
        with connections.watch_for_stop():
            result = run_claimed(
                taken,
                source,
                self.connections,
                AirflowRun(run.dag_id, run.run_id, socket.gethostname()),
                dry_run=bool(parameters["dry_run"]),
            )
        log.info("%s: %s after %.1f s. %s", taken, result.ending, result.seconds, result.told)
        if result.failed:
            raise Unfinished(f"{taken} failed: {result.told}")
        return result.as_dict()

    def report(self, claims: Sequence[ClaimJson] | None) -> JobsReport:
        """Return what came of the run.

        Raises:
            Unfinished: the choice failed, so there is nothing to report.
        """
        ti = self.context["ti"]
        summary = ti.xcom_pull(task_ids="choose", key="summary")
        if claims is None or summary is None:
            raise Unfinished("nothing was chosen; the error is in the log of the task choose")
        run = self.context["dag_run"]
        states = ti.get_task_states(dag_id=run.dag_id, task_ids=["run"], run_ids=[run.run_id]).get(run.run_id, {})
        results = {
            str(Claim.from_dict(one["claim"])): one for one in ti.xcom_pull(task_ids=["run"], key="return_value") if one
        }
        succeeded, failed, not_run = [], [], []
        for number, claim in enumerate(claims):
            name = str(Claim.from_dict(claim))
            state = states.get(f"run_{number}")
            result = results.get(name)
            if state != "success" or result is None:
                failed.append(f"{name} ({state or 'never ran'})")
            elif result["ending"] == Ending.SUCCEEDED:
                rows = "" if result["rows"] is None else f", {result['rows']:,} rows"
                succeeded.append(f"{name} in {result['seconds']:.1f} s{rows}")
            else:
                not_run.append(f"{name}: {result['told']}")
        found = JobsReport(
            tuple(succeeded), tuple(failed), tuple(not_run), tuple(summary["problems"]), tuple(summary["notes"])
        )
        for line in (found.note, *found.notes):
            log.info("%s", line)
        return found


def is_missing(error: AirflowRuntimeError) -> bool:
    """Return whether Airflow answered that there is no such run."""
    detail = error.error.detail or {}
    return detail.get("status_code") == HTTPStatus.NOT_FOUND


def _read_keep_days(parameters: Mapping[str, Any]) -> int | None:
    """Return the N that the form asks for, None where it does not.

    Raises:
        SettingError: it is not a number of days.
    """
    asked = parameters.get("keep_days")
    return None if asked is None else parse_keep_days(asked, "the run's parameter keep_days")


def _read_adopt(parameters: Mapping[str, Any], selection: Selection) -> str | None:
    """Return why the databases of the chosen jobs act for their archives from now on, None where the form says nothing.

    Raises:
        SettingError: no job is named, or no word is said.
    """
    asked = parameters.get("adopt")
    if asked is None:
        return None
    if not selection.jobs or not asked.strip():
        raise SettingError(
            "the run's parameter adopt is set without jobs, or is empty. Nothing was started. Fix: name the jobs whose "
            "databases act for their archives from now on, and say why"
        )
    return str(asked)


def _read_selection(parameters: Mapping[str, Any]) -> Selection:
    selection = Selection(
        tuple(parameters["jobs"] or ()),
        tuple(parameters["databases"] or ()),
        parameters["application_name"] or None,
        bool(parameters["run_now"]),
    )
    if selection.run_now and not selection.jobs:
        raise SettingError(
            "the run's parameter run_now is set without jobs, which would start every job of the instance. Nothing was "
            "started. Fix: name the jobs that are to start now"
        )
    return selection
