"""All the way from a table to an archive and the rows deleted: ours beside what else does it, on the same fresh data.

`make bench` takes 1,000,000 rows (1.47 GB as CSV), each peer in turn and all of it several times, writes
`bench/results/archive.json`, and draws from it the table and the plot of `docs/benchmarks.md`. `SCALE=small` takes a
twentieth of that once, and only prints.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import archive_page
from bench.airflow_runs import run_through_airflow
from bench.archive_data import FILL_NARROW, Load, Loaded, drop, load_template
from bench.environments import peer_python, release_before
from bench.machine import machine
from bench.peer_runs import Run, run_peer
from bench.place import FOLDER, Place, started
from bench.planning import parse_s, plan_ms
from bench.requests_counted import counted
from dev.entry import exit_status
from dev.stack import project_environment

COUNTED_HOURS = 4
# Peers that take far longer than all others, and are measured once.
SLOW = ("seed_mb_s", "sql_to_s3_mb_s")


@dataclass(frozen=True)
class Scale:
    """How much is done: rows, hours, clients, and how often."""

    rows: int
    hours: int
    backlog_rows: int
    backlog_hours: int
    planned_rows: int
    clients: int
    repeats: int
    windows: Mapping[str, int]

    @property
    def window_rows(self) -> int:
        """Rows in an hour of the reference load."""
        return self.rows // self.hours


WINDOWS = {"engine_peak_mb": 1, "engine_peak_mb_10x": 10, "engine_peak_mb_40x": 40}
SCALES = {
    "full": Scale(1_000_000, 36, 10_000_000, 360, 10_000_000, 1000, 3, WINDOWS),
    "small": Scale(50_000, 12, 50_000, 12, 500_000, 100, 1, WINDOWS),
}
Peer = Callable[[Place, Loaded], Run]


def main() -> int:
    """Measures everything, prints the table, and at full scale writes results, page and plot."""
    name = os.environ.get("SCALE") or "full"
    if name not in SCALES:
        print(f"SCALE is {name!r}; set it to one of {', '.join(SCALES)}, or leave it out for full", file=sys.stderr)
        return 2
    began = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    peers = _peers()
    with started() as place:
        result = _measured(place, peers, SCALES[name])
    print(archive_page.table(result))
    if name == "full":
        archive_page.write(result)
    print(f"{time.monotonic() - began:.0f} s in all")
    return 0


def _peers() -> dict[str, Peer]:
    """Each peer by the key of its throughput."""
    ours, freezer = Path(sys.executable), peer_python("pg-freezer", FOLDER)
    duckdb, before = peer_python("duckdb", FOLDER), peer_python("before", FOLDER)
    release = release_before(FOLDER)
    operator = peer_python("sql-to-s3", FOLDER, with_project=True)
    return {
        "floor_mb_s": lambda place, loaded: run_peer(place, loaded, ours, "bench.peers.floor"),
        "seed_mb_s": lambda place, loaded: run_peer(place, loaded, ours, "bench.peers.script"),
        "sql_to_s3_mb_s": lambda place, loaded: run_peer(
            place, loaded, operator, "bench.peers.sql_to_s3", _connections(place)
        ),
        "pg_freezer_mb_s": lambda place, loaded: run_peer(place, loaded, freezer, "bench.peers.freezer"),
        "duckdb_mb_s": lambda place, loaded: run_peer(place, loaded, duckdb, "bench.peers.parquet_by_duckdb"),
        "before_mb_s": lambda place, loaded: run_peer(
            place, loaded, before, "bench.peers.engine", settings=_policies_before(place), root=release
        ),
        "engine_mb_s": _engine,
        "airflow_mb_s": run_through_airflow,
    }


def _engine(place: Place, loaded: Loaded) -> Run:
    return run_peer(place, loaded, Path(sys.executable), "bench.peers.engine")


def _policies_before(place: Place) -> dict[str, str]:
    """The policy file as the release before reads it: nobody had to enable a client."""
    document = json.loads(place.policies.read_text(encoding="utf-8"))
    for instance in document["instances"]:
        for client in instance["clients"]:
            del client["enabled"]
    path = place.folder / "policies_before.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return {"policies": str(path)}


def _connections(place: Place) -> dict[str, str]:
    """The operator's connections; the database's name is part of one."""
    task = place.task()["postgres"]
    settings = project_environment(place.postgres, place.s3, place.s3_url, place.policies)
    database = {
        "conn_type": "postgres",
        "host": task["host"],
        "port": task["port"],
        "login": task["user"],
        "password": task["password"],
        "schema": task["dbname"],
    }
    return {**settings, "AIRFLOW_CONN_BENCH": json.dumps(database)}


def _measured(place: Place, peers: Mapping[str, Peer], scale: Scale) -> dict[str, Any]:
    runs: dict[str, list[Any]] = {key: [] for key in archive_page.KEYS}
    runs["parse_s_1000_clients"] = parse_s(place.folder, scale.clients, scale.repeats)
    _tell(f"parsed {scale.clients} clients", runs["parse_s_1000_clients"])
    runs["plan_ms_10m"] = plan_ms(place, Load("planned", scale.planned_rows, 360, FILL_NARROW), 5)
    _tell(f"planned {scale.planned_rows} rows", runs["plan_ms_10m"])
    drop(place.postgres, "planned")
    requests = _counted(place, peers, Load("counted", COUNTED_HOURS * scale.window_rows, COUNTED_HOURS))
    backlog = _timed(place, peers, scale, runs)
    for key, times in scale.windows.items():
        loaded = load_template(place.postgres, Load("window", times * scale.window_rows, 1))
        runs[key] = [_engine(place, loaded).figures() for _ in range(scale.repeats)]
        _tell(key, runs[key])
        drop(place.postgres, "window")
    return {
        **{key: _median(key, of_key) for key, of_key in runs.items()},
        **_cpu_figures(runs),
        archive_page.ENGINE_ON_BACKLOG: float(backlog[0]["mb_s"]),
        "load": {
            "rows": scale.rows,
            "hours": scale.hours,
            "backlog_rows": scale.backlog_rows,
            "backlog_hours": scale.backlog_hours,
            "planned_rows": scale.planned_rows,
            "clients": scale.clients,
        },
        "runs": {**runs, archive_page.BACKLOG: backlog},
        "requests": requests,
        "machine": machine(place.postgres),
    }


def _counted(place: Place, peers: Mapping[str, Peer], load: Load) -> dict[str, Any]:
    """The requests of each peer that sends any."""
    loaded = load_template(place.postgres, load)
    found = {}
    for key, peer in peers.items():
        if key != "floor_mb_s":
            found[key] = counted(place, lambda before_s3, peer=peer: peer(before_s3, loaded))  # type: ignore[misc]
            _tell(f"requests of {key}", found[key])
    drop(place.postgres, load.name)
    return found


def _timed(place: Place, peers: Mapping[str, Peer], scale: Scale, runs: dict[str, list[Any]]) -> list[Any]:
    """Each peer in turn, several times but for the slow; and once on the backlog ours as a library and by Airflow."""
    reference = load_template(place.postgres, Load("reference", scale.rows, scale.hours))
    for round_ in range(scale.repeats):
        for key, peer in peers.items():
            if key != "airflow_mb_s" and not (round_ and key in SLOW):
                runs[key].append(peer(place, reference).figures())
                _tell(key, runs[key][-1])
    drop(place.postgres, "reference")
    backlog = load_template(place.postgres, Load("backlog", scale.backlog_rows, scale.backlog_hours))
    engine_on_backlog = _engine(place, backlog).figures()
    _tell("ours as a library, on the backlog", engine_on_backlog)
    runs["airflow_mb_s"] = [peers["airflow_mb_s"](place, backlog).figures()]
    _tell("airflow_mb_s", runs["airflow_mb_s"])
    drop(place.postgres, "backlog")
    return [engine_on_backlog]


def _median(key: str, runs: list[Any]) -> float:
    """The median of the runs' figure that the key is about."""
    figure = "mb_s" if key.endswith("mb_s") else "peak_mb"
    return float(statistics.median(run[figure] if isinstance(run, dict) else run for run in runs))


def _cpu_figures(runs: Mapping[str, list[Any]]) -> dict[str, float]:
    """The median of each peer's CPU seconds for a GB of CSV, of worker, Postgres and S3 together, where measured."""
    found = {
        key.removesuffix("_mb_s"): [run["cpu_s_gb"]["all"] for run in of_key if "cpu_s_gb" in run]
        for key, of_key in runs.items()
        if key.endswith("_mb_s")
    }
    return {f"{peer}_cpu_s_gb": float(statistics.median(figures)) for peer, figures in found.items() if figures}


def _tell(what: str, figures: Any) -> None:
    print(f"{what}: {figures}", flush=True)


if __name__ == "__main__":
    sys.exit(exit_status(main))
