"""What the tasks of the DAG `sweep` do: look into every database with jobs or events, and say what needs a person."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pg_archiver.airflow.airflow_ids import jobs_pool_name
from pg_archiver.airflow.events_sweep import sweep_events
from pg_archiver.airflow.jobs import InstanceRun
from pg_archiver.domain.wording import say_count
from pg_archiver.errors import ArchiverError, Stopped, Unfinished
from pg_archiver.jobs.choose import TakenTables
from pg_archiver.jobs.survey import survey_jobs
from pg_archiver.policies.jobs_settings import InstanceJobs
from pg_archiver.policies.yaml_file import Policies

log = logging.getLogger(__name__)

_MOST_NAMED = 10


@dataclass(frozen=True)
class Swept:
    """What was seen of one instance.

    Attributes:
        conn_id: the instance.
        due: how many jobs are due that no run has taken.
        problems: what needs a person: jobs that gave up, dead events, databases that could not be looked into.
        events: the clients whose events wait while nobody works on them, each with how many could run now.
    """

    conn_id: str
    due: int
    problems: tuple[str, ...]
    events: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return plain values, for XCom."""
        return asdict(self) | {"problems": list(self.problems)}


@dataclass(frozen=True)
class SweepRun:
    """One instance in one run of the DAG."""

    policies: Policies
    instance: InstanceJobs
    context: Mapping[str, Any]

    def look(self) -> Swept:
        """Return what is due and what is wrong; nothing is started. What cannot be looked into is a problem."""
        run = InstanceRun(self.policies, self.instance, self.context)
        due, problems = 0, []
        taken: TakenTables = {}
        for source in run.list_sources():
            try:
                found = run.look(source, taken=taken)
                stand = survey_jobs(source, run.connections)
            except Stopped:
                raise
            except ArchiverError as error:
                problems.append(f"the jobs of database {source.database} on {self.instance.conn_id}: {error}")
                continue
            due += stand.due
            if stand.waiting_for_slot:
                problems.append(self._describe_wait(source.database, stand.waiting_for_slot))
            problems += [f"{self.instance.conn_id}, {one}" for one in (*found.problems, *stand.exhausted)]
        events = self._look_at_events(problems)
        for line in problems:
            log.error("%s", line)
        log.info("%d due, events of %d clients wait", due, len(events))
        return Swept(self.instance.conn_id, due, tuple(problems), events)

    def _look_at_events(self, problems: list[str]) -> dict[str, int]:
        """Return the clients whose events wait while nobody works on them; add to what needs a person."""
        waiting = {}
        for client in self.policies.with_events:
            if client.conn_id != self.instance.conn_id:
                continue
            try:
                found = sweep_events(client)
            except Stopped:
                raise
            except ArchiverError as error:
                problems.append(f"the events of client {client.name}: {error}")
                continue
            problems += found.problems
            if found.wakes:
                waiting[client.name] = found.ready
        return waiting

    def _describe_wait(self, database: str, jobs: int) -> str:
        pool = jobs_pool_name(self.instance.conn_id)
        return (
            f"{say_count(jobs, 'job')} of database {database} on {self.instance.conn_id}, taken ten minutes ago or "
            f"longer, and none has begun. Fix: create the pool {pool} if it is missing (python -m "
            "pg_archiver.airflow.pools > pools.json; airflow pools import pools.json), or look for what holds its slots"
        )


def refuse_problems(found: Sequence[Mapping[str, Any] | None], expected: Sequence[str]) -> str:
    """Return the note of a run in which nothing needs a person.

    Args:
        found: what the looks returned.
        expected: the instances that were to be looked into.

    Raises:
        Unfinished: something does; it names it.
    """
    seen = {one["conn_id"]: one for one in found if one}
    problems = [line for one in seen.values() for line in one["problems"]]
    problems += [
        f"{conn_id} was not looked into; the error is in its task's log" for conn_id in expected if conn_id not in seen
    ]
    if problems:
        more = f"; and {len(problems) - _MOST_NAMED:,} more" if len(problems) > _MOST_NAMED else ""
        raise Unfinished(f"{'; '.join(problems[:_MOST_NAMED])}{more}")
    jobs = sum(one["due"] for one in seen.values())
    clients = sum(len(one["events"]) for one in seen.values())
    return (
        f"{jobs:,} jobs were due and nobody was at work on them; events of {say_count(clients, 'client')} waited "
        "likewise"
    )
