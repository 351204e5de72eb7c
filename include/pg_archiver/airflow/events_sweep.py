"""What the DAG `sweep` does for the events of one client: prune, suspend, count, and say what needs a person."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow.sdk.observability import stats

from pg_archiver.airflow import connections
from pg_archiver.airflow.airflow_ids import events_dag_id, events_pool_name
from pg_archiver.airflow.event_channels import receive_channels
from pg_archiver.airflow.events import LAG_SECONDS, take_in
from pg_archiver.domain.wording import say_count
from pg_archiver.jobs.function_jobs import find_function_jobs
from pg_archiver.ledger.event_survey import EventSurvey, HeldIntake, Ready, Trouble
from pg_archiver.ledger.event_upkeep import EventUpkeep
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.policies.yaml_file import Client
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)

_MOST_COUNTED = 10_000
# A run begins within seconds; what waits so much longer has nobody who could work on it.
_LONG_SECONDS = 600.0


@dataclass(frozen=True)
class SweptEvents:
    """What was seen of one client's events.

    Attributes:
        ready: how many could run now.
        wakes: whether somebody should work on them.
        problems: what needs a person.
    """

    ready: int
    wakes: bool
    problems: tuple[str, ...]


def sweep_events(client: Client) -> SweptEvents:
    """Look into the queue of a client; prune it, and suspend what is too full.

    Raises:
        ArchiverError: it could not be read or written.
    """
    with connections.open_session(client, "events sweep", writes=True) as session:
        EventTables(session).migrate()
        problems = receive_channels(client, session)
        is_taken_in = take_in(session)
        upkeep, survey = EventUpkeep(session), EventSurvey(session)
        _measure(client, upkeep)
        for row in upkeep.suspend_overfull():
            log.error("binding %d of client %s notes nothing more", row.binding_id, client.name)
        found = find_function_jobs(session)
        ready, of_users = (survey.count_ready(names, _MOST_COUNTED) for names in (found.allowed, found.of_users))
        at_work = len(survey.list_lanes_at_work())
        problems += [_describe(client, trouble) for trouble in survey.list_troubles()]
        problems += [
            f"client {client.name}: {say_count(events, 'event')} of job {job!r} waited for ten minutes, since it is "
            f"refused. Fix: see its reason in archiver.job_stats of database {client.database}, or unwatch its tables"
            for job, events in survey.list_refused()
        ]
        if not is_taken_in:
            problems += _describe_intake(client, survey.look_at_intake())
        if not at_work and (of_users.oldest_seconds or 0) > _LONG_SECONDS:
            problems.append(_describe_wait(client, of_users))
        _prune(session, client)
    lanes = client.events.lanes if client.events else 1
    lags = at_work < lanes and (ready.oldest_seconds or 0) > LAG_SECONDS
    return SweptEvents(ready.events, bool(ready.events) and (not at_work or lags), tuple(problems))


def _measure(client: Client, upkeep: EventUpkeep) -> None:
    """Emit gauges of the queue."""
    found = upkeep.survey()
    for name, value in (
        ("waiting", found.waiting),
        ("oldest_seconds", found.oldest_seconds or 0.0),
        ("dead", found.dead),
    ):
        stats.gauge(f"archiver.events.{name}", value, tags={"client": client.name})


def _prune(session: Session, client: Client) -> None:
    if deleted := EventUpkeep(session).prune():
        log.info("%s of client %s were older than they are kept for", say_count(deleted, "row"), client.name)


def _describe_intake(client: Client, held: HeldIntake) -> tuple[str, ...]:
    waited = held.waited_seconds or 0.0
    if waited <= _LONG_SECONDS:
        return ()
    holder = "another session" if held.pid is None else f"the session with pid {held.pid}"
    return (
        f"client {client.name}: events have waited for {waited / 60:.0f} minutes to be taken into the queue, since "
        f"{holder} of database {client.database} holds it, as one that called archiver.retry_dead and was not "
        "committed. Nothing is lost. Fix: end that session",
    )


def _describe(client: Client, trouble: Trouble) -> str:
    told = f"client {client.name}, binding {trouble.binding_id} ({trouble.watched}, job {trouble.job_name})"
    parts = []
    if trouble.is_suspended:
        parts.append(
            f"more than max_waiting = {trouble.max_waiting} events waited, so it notes nothing more. What waits is "
            f"worked off. Fix: find out why, then set suspended_at of that row of archiver.bindings to NULL; changes "
            "until then make no events"
        )
    if trouble.is_without_job:
        parts.append(
            "its job is gone, so nobody runs its events, which wait. Fix: let there be a job of that name again, or "
            f"end the binding with SELECT archiver.unwatch({trouble.binding_id}, discard => true), which throws away "
            "what waits"
        )
    if trouble.dead:
        parts.append(
            f"{say_count(trouble.dead, 'dead event')}, which nobody tries again. Fix: see reason in "
            f"archiver.dead_events of database {client.database}, correct the function, then run "
            f"{events_dag_id(client.name)} with retry_dead, or delete the rows"
        )
    return f"{told}: {'. '.join(parts)}"


def _describe_wait(client: Client, ready: Ready) -> str:
    pool = events_pool_name(client.conn_id)
    return (
        f"client {client.name}: {say_count(ready.events, 'event')} could run, the first for "
        f"{(ready.oldest_seconds or 0) / 60:.0f} minutes, and nobody is at work. Fix: unpause "
        f"{events_dag_id(client.name)}, create the pool {pool} if it is missing (python -m pg_archiver.airflow.pools > "
        "pools.json; airflow pools import pools.json), or look for what holds its slots"
    )
