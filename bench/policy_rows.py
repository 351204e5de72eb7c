"""Policies as rows of a table: what choosing among very many costs, and how fast rows go that nobody archives.

A part of `make bench-jobs`, of which it puts its figures beside the others into `bench/results/jobs.json` and the page.
`SCALE=small` takes a tenth of that once, and only prints.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

from bench import choosing, purging
from bench.drawing import put_between_marks
from bench.job_databases import JobDatabases
from bench.jobs import MARKS, PAGE, RESULTS, table
from bench.place import FOLDER, Place, started
from dev.entry import exit_status


@dataclass(frozen=True)
class Scale:
    """How much is done, and how often."""

    policies: int
    databases: int
    rows: int
    repeats: int


SCALES = {"full": Scale(1000, 50, 1_000_000, 3), "small": Scale(100, 5, 100_000, 1)}


def main() -> int:
    """Measures, prints, and at full scale puts the figures beside those of jobs."""
    name = os.environ.get("SCALE") or "full"
    if name not in SCALES:
        print(f"SCALE is {name!r}; set it to one of {', '.join(SCALES)}, or leave it out for full", file=sys.stderr)
        return 2
    began = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with started() as place:
        found = measured(place, SCALES[name])
    print(json.dumps(found, indent=2))
    if name == "full":
        result = json.loads(RESULTS.read_text(encoding="utf-8")) | found
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        put_between_marks(PAGE, table(result), MARKS)
    print(f"{time.monotonic() - began:.0f} s in all")
    return 0


def measured(place: Place, scale: Scale) -> dict[str, Any]:
    """All figures, medians where there are several."""
    databases = JobDatabases(place.postgres, scale.databases)
    databases.make()
    looks = choosing.look_at_policies(databases, place.folder, scale.policies, scale.repeats)
    print(f"looks at policies: {looks}", flush=True)
    purges = purging.measure(place.postgres, scale.rows, scale.repeats)
    print(f"purges: {purges}", flush=True)
    return {
        "choose_policies_s": statistics.median(one["seconds"] for one in looks),
        "choose_policies_peak_mb": statistics.median(one["peak_mb"] for one in looks),
        "policies": scale.policies,
        "policy_databases": scale.databases,
        **purges,
    }


if __name__ == "__main__":
    sys.exit(exit_status(main))
