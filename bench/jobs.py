"""Jobs: what choosing them costs, how long very many that are due at once take, and how late one alone begins.

`make bench-jobs` takes 1,000 jobs in 50 databases, and 500 that are due at once; it writes `bench/results/jobs.json`
and puts its figures into `docs/benchmarks.md`. `SCALE=small` takes a tenth or less of that once, and only prints.
Beside ours stand bare tasks of the same Airflow, and pg_cron.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import choosing, jobs_through_airflow
from bench.drawing import markdown_table, put_between_marks
from bench.job_databases import SLOTS, JobDatabases
from bench.machine import machine
from bench.peers import pg_cron
from bench.place import FOLDER, Place, started
from dev.entry import exit_status
from dev.processes import ProcessError
from dev.stack import DEFAULT_STATE_DIRECTORY

RESULTS = Path(__file__).parent / "results" / "jobs.json"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
MARKS = "jobs"
UNMEASURED = "Not measured yet on an idle machine: run `make bench-jobs`.\n"
DEBIAN = DEFAULT_STATE_DIRECTORY / "debian"


@dataclass(frozen=True)
class Scale:
    """How much is done, and how often."""

    jobs: int
    databases: int
    repeats: int
    at_once: int
    fires: int


SCALES = {"full": Scale(1000, 50, 3, 500, 7), "small": Scale(100, 5, 1, 20, 2)}


def main() -> int:
    """Measures, prints, and at full scale keeps the figures and puts them into the docs; 1 if a peer is missing."""
    name = os.environ.get("SCALE") or "full"
    if name not in SCALES:
        print(f"SCALE is {name!r}; set it to one of {', '.join(SCALES)}, or leave it out for full", file=sys.stderr)
        return 2
    began = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with started() as place:
        result = measured(place, SCALES[name])
    print(table(result))
    if name == "full":
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        put_between_marks(PAGE, table(result), MARKS)
    print(f"{time.monotonic() - began:.0f} s in all")
    if result["pg_cron_start_delay_s"] is None:
        print(f"{pg_cron.NAME} was not measured: {result['pg_cron_missing']}", file=sys.stderr)
        return 1
    return 0


def measured(place: Place, scale: Scale) -> dict[str, Any]:
    """All figures, medians where there are several, and what they are made of."""
    load_before = round(os.getloadavg()[0], 1)
    databases = JobDatabases(place.postgres, scale.databases)
    databases.make()
    looks = choosing.looks(databases, place.folder, scale.jobs, scale.repeats)
    _tell("looks", looks)
    with jobs_through_airflow.started(place, databases) as in_airflow:
        delays = in_airflow.start_delays(scale.fires)
        _tell("start delays", delays)
        at_once = in_airflow.all_at_once(scale.at_once)
        _tell(f"{scale.at_once} jobs at once", at_once)
        bare = in_airflow.bare_tasks(scale.at_once)
        _tell(f"{scale.at_once} bare tasks", bare)
    of_pg_cron, missing = _pg_cron_delays(place, scale.fires)
    _tell(pg_cron.NAME, of_pg_cron or missing)
    return {
        "choose_s": _median(looks["choose"], "seconds"),
        "choose_peak_mb": _median(looks["choose"], "peak_mb"),
        "choose_first_s": _median(looks["first"], "seconds"),
        "choose_idle_s": _median(looks["idle"], "seconds"),
        "jobs_500_s": at_once["seconds"],
        "bare_tasks_500_s": bare,
        "jobs_of_bare_tasks": round(at_once["seconds"] / bare, 3),
        "start_delay_s": statistics.median(delays),
        "pg_cron_start_delay_s": statistics.median(of_pg_cron) if of_pg_cron else None,
        "pg_cron_missing": missing,
        "start_delay_of_pg_cron": round(statistics.median(delays) / statistics.median(of_pg_cron), 1)
        if of_pg_cron
        else None,
        "load": {
            "jobs": scale.jobs,
            "databases": scale.databases,
            "at_once": scale.at_once,
            "slots": SLOTS,
            "fires": scale.fires,
            "machine_before": load_before,
        },
        "runs": {"looks": looks, "start_delays": delays, "at_once": at_once, "pg_cron_start_delays": of_pg_cron},
        "machine": machine(place.postgres),
    }


def _pg_cron_delays(place: Place, fires: int) -> tuple[list[float], str | None]:
    """pg_cron's delays, or none and why."""
    try:
        return pg_cron.start_delays(place.folder / "pg_cron", DEBIAN, fires), None
    except ProcessError as error:
        return [], str(error).splitlines()[0]


def content() -> str:
    """What belongs between the marks of the page: the figures of the last measurement at full scale."""
    return table(json.loads(RESULTS.read_text(encoding="utf-8"))) if RESULTS.exists() else UNMEASURED


def table(result: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    load, on = result["load"], result["machine"]
    head = f"{on['cpu']}, {on['cores']} cores; medians of {len(result['runs']['looks']['choose'])} look(s).\n"
    theirs = result["pg_cron_start_delay_s"]
    cells = [
        [
            f"choosing among {load['jobs']:,} new jobs in {load['databases']} databases, all of them due",
            f"{result['choose_s']:.1f} s, {result['choose_peak_mb']:.0f} MB",
        ],
        ["the same where it makes its tables first", f"{result['choose_first_s']:.1f} s"],
        ["the same where nothing is new and nothing is due", f"{result['choose_idle_s']:.2f} s"],
        [
            f"{load['at_once']:,} jobs due at once, {load['slots']} slots, until all have ended",
            _s(result["jobs_500_s"]),
        ],
        ["as many tasks of Airflow that do nothing, in as many slots", _s(result["bare_tasks_500_s"])],
        ["ours of these", f"{result['jobs_of_bare_tasks']:.2f}x"],
        ["a lone job, from when it is due to its start", f"{result['start_delay_s']:.1f} s"],
        [f"{pg_cron.NAME}, the same", "not measured" if theirs is None else f"{theirs:.3f} s"],
        *_cells_of_policies(result),
    ]
    return f"{head}\n{markdown_table(('measured', ''), cells)}"


def _cells_of_policies(result: Mapping[str, Any]) -> list[list[str]]:
    """What `bench.policy_rows` has added, if it has run."""
    if "choose_policies_s" not in result:
        return []
    return [
        [
            f"choosing among {result['policies']:,} new policies in {result['policy_databases']} databases, "
            "one of which cannot be used",
            f"{result['choose_policies_s']:.1f} s, {result['choose_policies_peak_mb']:.0f} MB",
        ],
        ["`delete`, of a bare loop of the same DELETE", f"{result['purge_x_loop']:.2f}x"],
        ["`delete`, of 1,000 rows every ten seconds", f"{result['purge_x_seed']:.0f}x"],
    ]


def _s(seconds: float) -> str:
    return f"{seconds:,.0f} s"


def _median(runs: list[dict[str, float]], figure: str) -> float:
    return float(statistics.median(run[figure] for run in runs))


def _tell(what: str, figures: Any) -> None:
    print(f"{what}: {figures}", flush=True)


if __name__ == "__main__":
    sys.exit(exit_status(main))
