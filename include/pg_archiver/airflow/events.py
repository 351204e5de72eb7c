"""What the tasks of the DAGs `events__<client>` do: see how much waits, and work on it.

What a function was given, printed or raised stays in the client's database: nothing of it is in XCom, in an asset event
or in Airflow's log.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from airflow.sdk import Asset, AssetWatcher

from pg_archiver.airflow import connections
from pg_archiver.airflow.airflow_ids import events_dag_id, jobs_dag_id
from pg_archiver.airflow.due_trigger import Due
from pg_archiver.airflow.event_channels import receive_channels
from pg_archiver.airflow.event_functions import load_event_functions
from pg_archiver.airflow.job_connections import make_job_connections
from pg_archiver.airflow.run_context import read_parameters, read_run_id
from pg_archiver.airflow.variables import find_events_pause
from pg_archiver.domain.wording import say_count
from pg_archiver.errors import SettingError
from pg_archiver.events.own_work import OwnWork
from pg_archiver.events.waiting import WorkLimits
from pg_archiver.events.worker import WorkConnections, Worker
from pg_archiver.jobs.event_versions import EventVersions
from pg_archiver.jobs.function_jobs import FunctionJobs, find_function_jobs
from pg_archiver.jobs.source import JobsSource
from pg_archiver.ledger.event_queue import TAKEN_IN_AT_ONCE, EventQueue
from pg_archiver.ledger.event_survey import EventSurvey
from pg_archiver.ledger.event_upkeep import EventUpkeep
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.policies.events_settings import LONGEST_WORK_SECONDS, EventsSettings
from pg_archiver.policies.jobs import Action
from pg_archiver.policies.yaml_file import Client, Policies
from pg_archiver.postgres.functions_session import FunctionsSession, limit_functions
from pg_archiver.postgres.listen import EVENTS
from pg_archiver.postgres.notices_session import NoticesSession
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)

# Above the longest max_seconds, so that the worker ends by itself.
LONGEST_WORK = timedelta(seconds=LONGEST_WORK_SECONDS) + timedelta(hours=1)
# A further lane is worth a task for so many events that wait.
_EVENTS_A_LANE = 60
_MOST_INTAKES = 20
# A client that works on some lanes of several gets another for what has waited so long.
LAG_SECONDS = 60.0
_MOST_NAMED = 10
LaneJson = dict[str, int]


def make_events_wake_up(client: Client, *, watched: bool = True) -> Asset:
    """Return the asset whose events start the client's DAG; without a watcher for whoever only makes an event."""
    name = events_dag_id(client.name)
    trigger = Due(conn_id=client.conn_id, database=client.database, what=EVENTS)
    watchers = [AssetWatcher(name=name, trigger=trigger)] if watched else []
    return Asset(name=name, uri=f"archiver://{name}", group="archiver", watchers=watchers)


@dataclass(frozen=True)
class _Form:
    """What a run asks for."""

    bindings: tuple[int, ...]
    retry_dead: bool
    max_seconds: int

    @classmethod
    def of(cls, context: Mapping[str, Any], settings: EventsSettings) -> _Form:
        """Return the form's values.

        Raises:
            SettingError: they cannot be used.
        """
        given = read_parameters(context)
        bindings, seconds = tuple(given["bindings"] or ()), given["max_seconds"]
        if bindings and not given["retry_dead"]:
            raise SettingError(
                "the run's parameter bindings is set without retry_dead, and chooses whose dead events are tried "
                "again. Nothing was done. Fix: set retry_dead, or leave bindings empty"
            )
        if seconds is not None and not 1 <= seconds <= LONGEST_WORK_SECONDS:
            raise SettingError(
                f"the run's parameter max_seconds is {seconds}. Nothing was done. Fix: write 1 to "
                f"{LONGEST_WORK_SECONDS:,}, or leave it empty"
            )
        return cls(bindings, bool(given["retry_dead"]), seconds or settings.max_seconds)


@dataclass(frozen=True)
class ClientEvents:
    """The events of one client in one run of its DAG."""

    policies: Policies
    client: Client
    context: Mapping[str, Any]

    @property
    def settings(self) -> EventsSettings:
        """What the policy file says of its events."""
        if self.client.events is None:
            raise SettingError(f"client {self.client.name!r} has no events in {self.policies.source}")
        return self.client.events

    def survey(self) -> list[LaneJson]:
        """Take new events into the queue and return the lanes that are worth a worker; none where nothing waits.

        Raises:
            SettingError: a Variable or the form asks for what cannot be.
            Interrupted: whether events are paused could not be found out.
            ArchiverError: the queue cannot be made, read or written.
        """
        form = _Form.of(self.context, self.settings)
        if self.is_paused():
            return []
        with connections.open_session(self.client, "events survey", writes=True) as session:
            EventTables(session).migrate()
            if form.retry_dead:
                _retry_dead(session, form.bindings)
            # What is wrong with one has the sweep red; events of others do not wait for that.
            receive_channels(self.client, session)
            take_in(session)
            found = find_function_jobs(session)
            lanes = self._choose_lanes(session, found)
        if found.held:
            log.warning(
                "events of these jobs wait: %s. DAG %s checks jobs; archiver.job_stats says why one is refused",
                "; ".join(found.held[:_MOST_NAMED]),
                jobs_dag_id(self.client.conn_id),
            )
        return [{"lane": lane, "lanes": self.settings.lanes} for lane in lanes]

    def _choose_lanes(self, session: Session, found: FunctionJobs) -> list[int]:
        """Return the lanes that nobody works on, as many as are worth it."""
        lanes = self.settings.lanes
        ready = EventSurvey(session).count_ready(found.allowed, lanes * _EVENTS_A_LANE)
        at_work = EventSurvey(session).list_lanes_at_work()
        worth = count_lanes(ready.events, ready.topics, lanes)
        if (ready.oldest_seconds or 0.0) > LAG_SECONDS:
            # Those at work are busy with something that takes long.
            worth = min(lanes, max(worth, len(at_work) + 1))
        free = [lane for lane in range(lanes) if lane not in at_work]
        chosen = free[: max(0, worth - len(at_work))]
        log.info(
            "%s could run now, %s at work, %s more begin",
            say_count(ready.events, "event"),
            say_count(len(at_work), "worker"),
            say_count(len(chosen), "worker"),
        )
        return chosen

    def is_paused(self) -> bool:
        """Return whether a Variable keeps work from starting, and say which.

        Raises:
            SettingError: it is neither `true` nor `false`.
            Interrupted: that could not be found out.
        """
        pause = find_events_pause(self.client.name, [one.name for one in self.policies.with_events])
        if pause:
            log.info("Airflow Variable %s is true: nothing starts", pause)
        return pause is not None

    def work(self, lane: int, lanes: int) -> dict[str, object]:
        """Work on one lane until nothing is left, or the time is over; return how many events ended how.

        Raises:
            SettingError: as in `survey`, or there is no folder of functions.
            ArchiverError: the queue cannot be worked on by the login of functions.
        """
        form = _Form.of(self.context, self.settings)
        with connections.watch_for_stop() as stop:
            if self.is_paused():
                return {}
            functions = load_event_functions()
            for reason in (*functions.broken, *functions.refused.values()):
                log.warning("%s", reason)
            with connections.open_session(self.client, "events", writes=False) as session:
                found = find_function_jobs(session)
            usable = {name: one for name, one in functions.by_name.items() if name in found.allowed}
            limits = WorkLimits(lane, lanes, self.settings.linger, form.max_seconds)
            reached = self._connect(limits)
            if (own := self._find_own(limits)) is not None:
                reached = replace(reached, open_own=own)
            worker = Worker(reached, replace(functions, by_name=usable), limits, stop)
            result = worker.run()
        log.info("%s", result)
        return {
            "ended": {str(ending): count for ending, count in result.tally.endings.items()},
            "dead": result.tally.dead,
            "seconds": round(result.seconds, 1),
            "why": result.why,
        }

    def _find_own(self, limits: WorkLimits) -> Callable[[], AbstractContextManager[OwnWork]] | None:
        """Return what keeps the last versions for events, by the archiver's own connection; None where nobody may."""
        instance = self.policies.jobs.get(self.client.conn_id)
        if instance is None or Action.DELETE not in instance.settings.actions:
            return None
        return partial(
            EventVersions.opened,
            JobsSource(instance, self.client.database),
            make_job_connections(self.policies, instance),
            limits.lane,
            limits.lanes,
            f"{events_dag_id(self.client.name)}/{read_run_id(self.context)}",
        )

    def _connect(self, limits: WorkLimits) -> WorkConnections:
        """Return how a worker reaches the client's database: by the connection of functions alone."""
        open_one: Callable[..., AbstractContextManager[Any]] = partial(
            connections.open_database,
            self.settings.conn_id,
            self.client.database,
            setting=f"conn_id under events of client {self.client.name!r}",
            writes=True,
            one_session_proxy=self.client.one_session_proxy,
        )
        return WorkConnections(
            partial(
                open_one,
                f"events {limits.lane}",
                kind=FunctionsSession,
                limits=limit_functions(limits.longest_in_batch),
            ),
            partial(open_one, f"events {limits.lane} notes", kind=NoticesSession),
            read_run_id(self.context),
        )


def take_in(session: Session) -> bool:
    """Take what triggers have noted into the queue; return False where somebody else is at it."""
    queue = EventQueue(session)
    for _ in range(_MOST_INTAKES):
        taken = queue.take_in()
        if taken is None:
            return False
        if taken < TAKEN_IN_AT_ONCE:
            break
    return True


def count_lanes(events: int, topics: int, lanes: int) -> int:
    """Return how many lanes are worth a worker: one for each 60 events, no more than there are topics, or lanes."""
    return min(lanes, topics, math.ceil(events / _EVENTS_A_LANE))


def _retry_dead(session: Session, bindings: tuple[int, ...]) -> None:
    """Put the dead events of these bindings back into the queue, or those of all."""
    dead = [one.binding_id for one in EventSurvey(session).list_troubles() if one.dead]
    if strange := sorted(set(bindings) - set(dead)):
        raise SettingError(
            f"the run's parameter bindings names {strange[0]}, which has no dead events. Nothing was done. Fix: choose "
            f"of {', '.join(map(str, dead)) or 'none'}, or leave bindings empty for all"
        )
    for binding in bindings or dead:
        put_back = EventUpkeep(session).retry_dead(binding)
        log.info("binding %d: %s tried again", binding, say_count(put_back, "dead event"))
