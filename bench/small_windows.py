"""What a window of 50 rows costs: CPU of the library, Postgres and S3, of ours and of the release before, in turn.

Databases with such a window an hour are archived for a day in one process. An hour of each one's day before makes its
ledger, and is not counted. `python -m bench.small_windows` puts its figures beside those of `make bench`;
`SCALE=small` takes two databases once, and only prints.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.archive_data import KEEP_DAYS, Load, Loaded, drop
from bench.drawing import markdown_table
from bench.environments import peer_python, release_before
from bench.machine import machine
from bench.parts import Part, tell, where
from bench.peer_runs import time_peer
from bench.place import BUCKET, FOLDER, Place, started
from bench.small_clients import HOURS, ROWS_A_DAY, ROWS_AN_HOUR, TEMPLATE, SmallClients
from bench.window_counts import count_windows
from dev.airflow_environment import base_environment
from dev.entry import exit_status
from dev.stack import DATABASE_CONNECTION, PROJECT_ROOT

PEERS_FOLDER = PROJECT_ROOT / "bench" / "peers"
PARTS = ("worker", "postgres", "s3")


@dataclass(frozen=True)
class Scale:
    """How many databases are archived in a process, and how often."""

    databases: int
    repeats: int


@dataclass(frozen=True)
class Way:
    """One way to archive the databases: by which module, of which release, with what in its environment."""

    name: str
    figure: str
    engine: str
    before: bool = False
    together: int | None = None


WAYS = (
    Way(
        "ours, as one task does a small table: by one connection, windows together",
        "small_window_cpu_ms",
        "bench.peers.one_connection",
    ),
    Way("ours as a library: step beside step, windows together", "small_window_library_cpu_ms", "bench.peers.engine"),
    Way("ours, each window by itself", "small_window_alone_cpu_ms", "bench.peers.one_connection", together=1),
    Way("the release before, as a library", "before_small_window_cpu_ms", "bench.peers.engine", before=True),
)
SCALES = {"full": Scale(8, 3), "small": Scale(2, 1)}


def measured(scale: Scale) -> dict[str, Any]:
    """Each way in turn, several times; and what a window asks for, counted once."""
    before, release = peer_python("before", FOLDER), release_before(FOLDER)
    runs: dict[str, list[dict[str, float]]] = {way.figure: [] for way in WAYS}
    with started() as place:
        for _ in range(scale.repeats):
            for way in WAYS:
                runs[way.figure].append(_cpu_ms(place, way, scale.databases, before, release))
                tell(way.figure, runs[way.figure][-1])
        counts = count_windows(place)
        tell("counted", counts)
        drop(place.postgres, TEMPLATE)
        on = machine(place.postgres)
    figures = {figure: statistics.median(run["all"] for run in of_way) for figure, of_way in runs.items()}
    figures["small_window_of_before_x"] = round(
        figures["small_window_cpu_ms"] / figures["before_small_window_cpu_ms"], 3
    )
    load = {
        "databases": scale.databases,
        "windows": HOURS,
        "rows": ROWS_AN_HOUR,
        "repeats": scale.repeats,
    }
    return {"figures": {**figures, **counts}, "load": load, "runs": runs, "machine": on}


def _cpu_ms(place: Place, way: Way, databases: int, before: Path, release: Path) -> dict[str, float]:
    """Milliseconds of CPU a window, of all together and of each, on the second day of fresh databases."""
    clients = SmallClients(place.postgres, [f"{way.figure}_{number}" for number in range(databases)], days=2)
    root = release if way.before else PROJECT_ROOT
    environment = {"BENCH_ENGINE": way.engine, **({"BENCH_TOGETHER": str(way.together)} if way.together else {})}
    if way.before:
        # It has no such module, and everything else of its own.
        own = base_environment(place.folder, root)["PYTHONPATH"]
        environment["PYTHONPATH"] = f"{own}:{PEERS_FOLDER}"
    module = "many_databases" if way.before else "bench.peers.many_databases"
    task = {"databases": {name: _policies(place.folder, name, enabled=not way.before) for name in clients.names}}
    try:
        for hours in (1, HOURS):
            clients.add_day(hours)
            day = Loaded(Load("day", databases * ROWS_A_DAY, HOURS), 0)
            python = before if way.before else Path(sys.executable)
            run = time_peer(place, day, python, module, environment, task, root)
            clients.refuse_leftovers(way.name)
    finally:
        clients.drop()
    place.empty_bucket()
    assert run.cpu_s
    windows = databases * HOURS
    return {
        **{part: round(run.cpu_s[part] / windows * 1000, 2) for part in PARTS},
        "all": round(sum(run.cpu_s.values()) / windows * 1000, 2),
    }


def _policies(folder: Path, name: str, *, enabled: bool) -> str:
    """A policy file of this client alone; the release before knows no clients that are not enabled."""
    client = {"name": name, **({"enabled": True} if enabled else {})}
    document = {
        "defaults": {"bucket": BUCKET, "keep_days": KEEP_DAYS, "schedule": None, "compression": "zstd"},
        "instances": [{"conn_id": DATABASE_CONNECTION, "clients": [client]}],
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def table(result: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    load, figures, runs = result["load"], result["figures"], result["runs"]
    head = (
        f"Windows of {load['rows']} rows, {load['windows']} in each of {load['databases']} databases; medians of "
        f"{load['repeats']} run(s). {where(result)}.\n"
    )
    before = figures["before_small_window_cpu_ms"]
    rows = []
    for way in WAYS:
        parts = (statistics.median(run[part] for run in runs[way.figure]) for part in PARTS)
        rows.append(
            [
                way.name,
                f"{figures[way.figure]:.1f} ms",
                f"{figures[way.figure] / before:.2f}x",
                *(f"{part:.1f}" for part in parts),
            ]
        )
    counted = [
        ["alone", f"{figures['small_window_requests']:.0f}", f"{figures['small_window_statements']:.0f}"],
        [
            "one of twenty that go together",
            f"{figures['small_window_grouped_requests']:.1f}",
            f"{figures['small_window_grouped_statements']:.1f}",
        ],
    ]
    return "\n".join(
        [
            head,
            markdown_table(("CPU of a small window", "all", "of before", "worker", "Postgres", "S3"), rows),
            markdown_table(("what a small window asks for", "requests to S3", "statements"), counted),
        ]
    )


PART = Part("small windows", SCALES, measured, table)

if __name__ == "__main__":
    sys.exit(exit_status(PART.run))
