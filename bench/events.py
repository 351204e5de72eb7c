"""Table events: how fast a queue is worked off, beside other queues; how soon one alone runs; what capture costs.

`make bench-events` works off 10,000 events of one INSERT each, three times with each worker, each in a database of its
own on one server that keeps what was committed; it writes `bench/results/events.json` and puts its figures into
`docs/benchmarks.md`. `SCALE=small` takes a tenth of that once, and only prints. Names of groups of figures
(`python -m bench.events queues lanes`) take these alone, and only print too.
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
from tempfile import TemporaryDirectory
from typing import Any

from bench import capture, events_through_airflow, versions
from bench.drawing import markdown_table, put_between_marks
from bench.machine import machine
from bench.mapped_tasks import mapped_tasks
from bench.place import FOLDER, SETTINGS, Place, started
from bench.queues import TOPICS, Queues, turn
from dev.entry import exit_status
from dev.postgres import PostgresServer

RESULTS = Path(__file__).parent / "results" / "events.json"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
MARKS = "events"
UNMEASURED = "Not measured yet on an idle machine: run `make bench-events`.\n"
# A queue without autovacuum is none that anybody runs.
QUEUE_SETTINGS = {**SETTINGS, "autovacuum": "on"}
CONCURRENCIES = (1, 10)
LANES = (1, 2)
BATCH = 100
CAPTURED = (
    "capture_single_x",
    "capture_bulk_x",
    "capture_partitioned_single_x",
    "capture_partitioned_bulk_x",
    "commits_8_databases_x",
)


@dataclass(frozen=True)
class Scale:
    """How much is done, and how often."""

    events: int
    repeats: int
    slow_events: int
    with_snapshot: int
    delays: int
    cold_delays: int
    mapped: int
    capture: capture.Scale
    versions: versions.Scale


SCALES = {
    "full": Scale(10_000, 3, 2_000, 100_000, 20, 3, 200, capture.Scale(), versions.Scale()),
    "small": Scale(
        1_000,
        1,
        200,
        10_000,
        5,
        1,
        20,
        capture.Scale(rounds=2, single_seconds=1, rows=5_000, commit_seconds=1),
        versions.Scale(keys=10_000, repeats=1, seconds=3, probes=5),
    ),
}


@dataclass(frozen=True)
class Bench:
    """Where it takes place, and how much is done."""

    place: Place
    queues: Queues
    scale: Scale


def queues(bench: Bench) -> dict[str, Any]:
    """Events a second of each worker, with the same INSERT for each event; ours in topics too.

    Of each that can have more than one connection at work the better of several numbers counts.
    """
    events, queue = bench.scale.events, bench.queues
    ways: dict[str, Callable[[], float]] = {
        **{f"events_{number}": _ours(queue, events, number, queue=False) for number in LANES},
        **{f"events_in_topics_{number}": _ours(queue, events, number, topic=TOPICS) for number in LANES},
        **{f"pgqueuer_{number}": _pgqueuer(queue, events, number) for number in CONCURRENCIES},
        **{f"procrastinate_{number}": _procrastinate(queue, events, number) for number in CONCURRENCIES},
    }
    runs: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(bench.scale.repeats):
        for way in turn(list(ways), number):
            runs[way].append(round(ways[way](), 1))
            _tell(way, runs[way])
    rates = {way: statistics.median(found) for way, found in runs.items()}
    procrastinate, pgqueuer = (
        max(rates[f"{peer}_{number}"] for number in CONCURRENCIES) for peer in ("procrastinate", "pgqueuer")
    )
    ours, in_topics = (max(rates[f"{way}_{number}"] for number in LANES) for way in ("events", "events_in_topics"))
    return {
        "events_s": ours,
        "events_one_lane_s": rates["events_1"],
        "events_in_topics_s": in_topics,
        "procrastinate_s": procrastinate,
        "pgqueuer_s": pgqueuer,
        "of_procrastinate_x": round(ours / procrastinate, 2),
        "of_pgqueuer_x": round(ours / pgqueuer, 2),
        "runs": {"queues": runs},
    }


def _ours(queue: Queues, events: int, lanes: int, /, **binding: Any) -> Callable[[], float]:
    return lambda: queue.ours(events, lanes=lanes, **binding)


def _procrastinate(queue: Queues, events: int, concurrency: int) -> Callable[[], float]:
    return lambda: queue.procrastinate(events, concurrency)


def _pgqueuer(queue: Queues, events: int, connections: int) -> Callable[[], float]:
    return lambda: queue.pgqueuer(events, BATCH, connections)


def lanes(bench: Bench) -> dict[str, Any]:
    """How many times as fast two lanes are as one, when a function sleeps 5 ms."""
    runs: dict[str, list[float]] = {"1": [], "2": []}
    for number in range(bench.scale.repeats):
        for way in turn(list(runs), number):
            rate = bench.queues.ours(bench.scale.slow_events, "slow_sink", int(way), topic=TOPICS)
            runs[way].append(round(rate, 1))
    _tell("lanes", runs)
    one, two = (statistics.median(found) for found in runs.values())
    return {"two_lanes_x": round(two / one, 2), "runs": {"lanes": runs}}


def snapshot(bench: Bench) -> dict[str, Any]:
    """How many times as long the last claims take as the first, while a snapshot is open all the time."""
    claims = bench.queues.claims(bench.scale.with_snapshot)
    _tell("claims", claims)
    return {"old_snapshot_x": round(claims["last_ms"] / claims["first_ms"], 2), "runs": {"claims": claims}}


def delays(bench: Bench) -> dict[str, Any]:
    """Seconds from an INSERT to its event's row, while a worker lingers."""
    found = bench.queues.start_delays(bench.scale.delays)
    _tell("start delays", found)
    return {"start_delay_warm_s": statistics.median(found), "runs": {"start_delays": found}}


def mapped(bench: Bench) -> dict[str, Any]:
    """Events a second of one mapped task an event, through Airflow."""
    rate = mapped_tasks(bench.place, bench.queues, bench.scale.mapped)
    _tell("mapped tasks", rate)
    return {"mapped_task_s": round(rate, 3)}


def airflow(bench: Bench) -> dict[str, Any]:
    """How long as many events take through Airflow, and how soon one alone runs while nobody is at work."""
    found = events_through_airflow.measure(bench.place, bench.queues, bench.scale.events, bench.scale.cold_delays)
    _tell("through Airflow", found)
    return found


def captured(bench: Bench) -> dict[str, Any]:
    """What capture costs an application, on a server of its own."""
    with (
        TemporaryDirectory(prefix="capture-") as folder,
        capture.started(Path(folder), bench.scale.capture, CAPTURED) as measuring,
    ):
        return capture.measured(measuring, CAPTURED)


def kept_versions(bench: Bench) -> dict[str, Any]:
    """What keeping the last versions costs, and how soon they go by events."""
    found = versions.measure(bench.queues.server, bench.scale.versions)
    _tell("versions", found)
    return found


GROUPS: Mapping[str, Callable[[Bench], dict[str, Any]]] = {
    "queues": queues,
    "lanes": lanes,
    "snapshot": snapshot,
    "delays": delays,
    "captured": captured,
    "versions": kept_versions,
    "mapped": mapped,
    "airflow": airflow,
}


def main() -> int:
    """Measures, prints, and at full scale keeps the figures and puts them into the docs."""
    name = os.environ.get("SCALE") or "full"
    groups = sys.argv[1:] or list(GROUPS)
    if name not in SCALES or set(groups) - set(GROUPS):
        print(f"SCALE is one of {', '.join(SCALES)}; a group of figures one of {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with started() as place:
        result = measured(place, SCALES[name], groups)
    whole = set(groups) == set(GROUPS)
    print(table(result) if whole else json.dumps(result, indent=2))
    if name == "full" and whole:
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        put_between_marks(PAGE, table(result), MARKS)
    print(f"{time.monotonic() - began:.0f} s in all")
    return 0


def measured(place: Place, scale: Scale, groups: list[str]) -> dict[str, Any]:
    """The figures of these groups, and what they are made of."""
    load_before = round(os.getloadavg()[0], 1)
    result: dict[str, Any] = {}
    runs: dict[str, Any] = {}
    with PostgresServer(place.folder / "queues", QUEUE_SETTINGS) as server:
        bench = Bench(place, Queues(server, place.folder, FOLDER), scale)
        bench.queues.prepare()
        for group in groups:
            found = GROUPS[group](bench)
            runs |= found.pop("runs", {})
            result |= found
        on = machine(server)
    if "events_s" in result and "mapped_task_s" in result:
        result["of_mapped_tasks_x"] = round(result["events_s"] / result["mapped_task_s"])
    load = {
        "events": scale.events,
        "repeats": scale.repeats,
        "with_snapshot": scale.with_snapshot,
        "mapped": scale.mapped,
        "machine_before": load_before,
    }
    return {**result, "load": load, "runs": runs, "machine": on}


def content() -> str:
    """What belongs between the marks of the page: the figures of the last measurement at full scale."""
    return table(json.loads(RESULTS.read_text(encoding="utf-8"))) if RESULTS.exists() else UNMEASURED


def table(result: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    load, on = result["load"], result["machine"]
    head = f"{on['cpu']}, {on['cores']} cores; medians of {load['repeats']} run(s) of {load['events']:,} events.\n"
    cells = [
        ["one worker, one `INSERT` an event", _s(result["events_one_lane_s"])],
        ["the better of one worker and two", _s(result["events_s"])],
        ["the same in 50 topics, each in order", _s(result["events_in_topics_s"])],
        [
            "pgqueuer, batches of 100, the better of 1 and 10 connections",
            f"{_s(result['pgqueuer_s'])}: ours {result['of_pgqueuer_x']:.1f}x",
        ],
        [
            "procrastinate, the better of concurrency 1 and 10",
            f"{_s(result['procrastinate_s'])}: ours {result['of_procrastinate_x']:.1f}x",
        ],
        [
            "a mapped task of Airflow an event",
            f"{result['mapped_task_s']:.1f} a second: ours {result['of_mapped_tasks_x']:,}x",
        ],
        ["two lanes, of one, where the function sleeps 5 ms", f"{result['two_lanes_x']:.2f}x"],
        ["from an `INSERT` to its row, while a worker lingers", f"{result['start_delay_warm_s']:.2f} s"],
        ["the same through Airflow, while nobody is at work", f"{result['start_delay_cold_s']:.1f} s"],
        [
            f"{load['events']:,} events through Airflow, two lanes, from the `INSERT` to the last row",
            f"{result['airflow_10000_s']:.0f} s",
        ],
        [
            f"the last claims of {load['with_snapshot']:,} events, of the first, under one open snapshot",
            f"{result['old_snapshot_x']:.2f}x",
        ],
        ["an application's transaction of one row, of one without capture", f"{result['capture_single_x']:.2f}x"],
        ["its statement of many rows", f"{result['capture_bulk_x']:.2f}x"],
        ["one row of a partitioned table", f"{result['capture_partitioned_single_x']:.2f}x"],
        ["many rows of a partitioned table", f"{result['capture_partitioned_bulk_x']:.2f}x"],
        ["commits of 32 writers in 8 databases, of those without notices", f"{result['commits_8_databases_x']:.2f}x"],
        ["a superseded version, from the commit until it is gone by events", f"{result['versions_gone_s']:.2f} s"],
        [
            "writers' slowest hundredth meanwhile, at 1,000 a second, of that without events",
            f"{result['writers_p99_x']:.2f}x",
        ],
        ["the plan of a job that keeps versions, of one bare pass", f"{result['keep_versions_plan_x']:.2f}x"],
        ["its deletes, of one bare statement", f"{result['keep_versions_delete_x']:.2f}x"],
        *(
            # A figure that the last whole measurement may not have had yet.
            ["the same, of one behind a bare lock of all that stay", f"{result[name]:.2f}x"]
            for name in ("keep_versions_delete_locked_x",)
            if name in result
        ),
        [
            "rows a second of an archive that keeps versions, of one by age",
            f"{result['keep_versions_archive_x']:.2f}x",
        ],
    ]
    return f"{head}\n{markdown_table(('measured', ''), cells)}"


def _s(rate: float) -> str:
    return f"{rate:,.0f} a second"


def _tell(what: str, figures: Any) -> None:
    print(f"{what}: {figures}, load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(exit_status(main))
