"""Events through a real scheduler: 10,000 at once by the DAG of a client, and one alone while nobody is at work."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.airflow_runs import INTERVALS
from bench.place import BUCKET, Place
from bench.queues import TOPICS, Queues
from dev.airflow import Airflow
from dev.airflow_api import AirflowApi
from dev.stack import DATABASE_CONNECTION, PROJECT_ROOT, project_environment
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import events_dag_id, jobs_dag_id
from pg_archiver.airflow.pools import list_pools
from pg_archiver.policies.yaml_file import load

FUNCTIONS_CONNECTION = "bench_functions"
LANES = 2
LINGER_SECONDS = 5
# So long the triggerer may take to watch the database.
LEAD_SECONDS = 90.0
TIMEOUT_SECONDS = 600.0
_ENDED = {"success", "failed"}
_DELAYS = """
    SELECT extract(EPOCH FROM sink.at - source.at)::float
    FROM (SELECT at, row_number() OVER (ORDER BY event_id) AS number FROM app.sink) AS sink
    JOIN app.source AS source ON source.id = sink.number
    ORDER BY source.id
"""


@dataclass(frozen=True)
class EventsInAirflow:
    """A running Airflow whose triggerer watches one database."""

    queues: Queues
    database: str
    api: AirflowApi

    def start_delays(self, events: int) -> list[float]:
        """Returns the seconds from each of so many INSERTs to its row, each after all runs have ended.

        Raises:
            TimeoutError: an event was not run in time.
        """
        with self.queues.server.connect(self.database) as connection:
            for number in range(1, events + 1):
                self._wait_until_nobody_works()
                connection.execute("INSERT INTO app.source (id, topic) VALUES (%s, 1)", [number])
                self._wait_for(connection, number)
            return [round(delay, 2) for (delay,) in connection.execute(_DELAYS.encode())]

    def all_at_once(self, before: int, events: int) -> float:
        """Returns the seconds from one INSERT of so many rows, behind those that there were, to the row of the last.

        Raises:
            TimeoutError: they were not run in time.
        """
        self._wait_until_nobody_works()
        with self.queues.server.connect(self.database) as connection:
            connection.execute(
                "INSERT INTO app.source (id, topic)"
                " SELECT number, number %% 50 FROM generate_series(%s::int, %s::int) AS number",
                [before + 1, before + events],
            )
            self._wait_for(connection, before + events)
            self.queues.refuse_others(self.database, before + events)
            row = connection.execute(
                "SELECT extract(EPOCH FROM (SELECT max(at) FROM app.sink) - (SELECT max(at) FROM app.source))::float"
            ).fetchone()
        return round(row[0], 1) if row else 0.0

    def _wait_for(self, connection: Any, rows: int) -> None:
        def is_there() -> bool:
            return bool(connection.execute("SELECT count(*) >= %s FROM app.sink", [rows]).fetchone()[0])

        wait_until(is_there, f"{rows} events to be done", TIMEOUT_SECONDS, 0.5)

    def _wait_until_nobody_works(self) -> None:
        def is_idle() -> bool:
            return all(run["state"] in _ENDED for run in self.api.runs(events_dag_id(self.database)))

        wait_until(is_idle, "all runs to end", TIMEOUT_SECONDS, 1)
        time.sleep(2)


@contextmanager
def started(place: Place, queues: Queues) -> Iterator[EventsInAirflow]:
    """Starts Airflow with the intervals that it comes with, and unpauses the DAG of one database's events.

    Raises:
        ProcessError: it did not start.
    """
    with queues.database(topic=TOPICS) as name:
        policies = _write_policies(place.folder, name)
        server = queues.server
        login = {"conn_type": "postgres", "host": server.host, "port": server.port, "login": server.user}
        environment = {
            **project_environment(server, place.s3, place.s3_url, policies),
            **INTERVALS,
            f"AIRFLOW_CONN_{FUNCTIONS_CONNECTION.upper()}": json.dumps({**login, "password": server.password}),
            "ARCHIVER_FUNCTIONS": str(queues.functions),
        }
        airflow = Airflow(place.folder / "airflow", PROJECT_ROOT, place.metadata, environment)
        airflow.migrate()
        with airflow:
            planning = jobs_dag_id(DATABASE_CONNECTION)
            airflow.wait_for_dags([planning, events_dag_id(name)])
            api = airflow.api()
            api.set_pools(list_pools(load(policies)))
            # Functions run for jobs that have been checked.
            api.unpause(planning)
            api.wait_for_run(planning, api.trigger(planning), TIMEOUT_SECONDS)
            api.unpause(events_dag_id(name))
            time.sleep(LEAD_SECONDS)
            yield EventsInAirflow(queues, name, api)


def measure(place: Place, queues: Queues, events: int, delays: int) -> dict[str, Any]:
    """The figures, and what they are made of."""
    with started(place, queues) as in_airflow:
        cold = in_airflow.start_delays(delays)
        seconds = in_airflow.all_at_once(delays, events)
    return {
        "start_delay_cold_s": statistics.median(cold),
        "airflow_10000_s": seconds,
        "runs": {"start_delays_cold": cold},
    }


def _write_policies(folder: Path, database: str) -> Path:
    """The policy file of the one client whose events run."""
    events = {"conn_id": FUNCTIONS_CONNECTION, "lanes": LANES, "linger": LINGER_SECONDS}
    client = {"name": database, "own_jobs": True, "events": events}
    instance = {
        "conn_id": DATABASE_CONNECTION,
        "jobs": {"actions": ["function"], "slots": LANES},
        "clients": [client],
    }
    path = folder / "events.yaml"
    path.write_text(json.dumps({"defaults": {"bucket": BUCKET}, "instances": [instance]}), encoding="utf-8")
    return path
