"""What zstd and gzip give on two kinds of rows, and what TLS costs: ours as a library, in turn, in one run.

The reference load of `make bench`, and as many rows as a web shop's events. `python -m bench.compressions` puts its
figures beside those of `make bench`; `SCALE=small` takes a twentieth of that once, and only prints.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.archive_data import DATABASE, FILL, Load, Loaded, drop, fresh_copy, load_template, refuse_other_rows
from bench.drawing import markdown_table
from bench.event_rows import FILL_EVENTS
from bench.machine import machine
from bench.parts import Part, tell, where
from bench.peer_runs import time_peer
from bench.place import BUCKET, Place, started
from bench.place_by_tls import PLAIN, served_by_tls
from dev.entry import exit_status
from pg_archiver.objects.compression import EXTENSIONS, Compression

# Each load, and how its rows are made.
LOADS: Mapping[str, str] = {"reference": FILL, "events": FILL_EVENTS}
ENGINE = "bench.peers.engine"


@dataclass(frozen=True)
class Scale:
    """How much is done, and how often."""

    rows: int
    hours: int
    repeats: int


@dataclass(frozen=True)
class Way:
    """The load of this name with one of the two compressions, or with TLS to both servers."""

    figure: str
    load: str
    name: str
    compression: Compression
    tls: bool = False


WAYS = (
    Way("engine_zstd", "reference", "reference load, zstd", "zstd"),
    Way("engine_gzip", "reference", "reference load, gzip", "gzip"),
    Way("engine_tls", "reference", "reference load, zstd, TLS to Postgres and to S3", "zstd", tls=True),
    Way("engine_events_zstd", "events", "events, zstd", "zstd"),
    Way("engine_events_gzip", "events", "events, gzip", "gzip"),
)
SCALES = {"full": Scale(1_000_000, 36, 3), "small": Scale(50_000, 12, 1)}


def measured(scale: Scale) -> dict[str, Any]:
    """Each way in turn, several times, one load after the other."""
    runs: dict[str, list[dict[str, Any]]] = {way.figure: [] for way in WAYS}
    row_bytes: dict[str, float] = {}
    with started() as place, served_by_tls(place) as (tls, login):
        for name, fill in LOADS.items():
            loaded = load_template(place.postgres, Load(name, scale.rows, scale.hours, fill))
            row_bytes[name] = round(loaded.csv_bytes / scale.rows)
            for _ in range(scale.repeats):
                for way in (way for way in WAYS if way.load == name):
                    run = measure_way(tls, loaded, way, login) if way.tls else measure_way(place, loaded, way, PLAIN)
                    runs[way.figure].append(run)
                    tell(way.figure, runs[way.figure][-1])
            drop(place.postgres, DATABASE)
            drop(place.postgres, name)
        on = machine(place.postgres)
    figures = {}
    for way in WAYS:
        of_way = runs[way.figure]
        figures[f"{way.figure}_mb_s"] = statistics.median(run["mb_s"] for run in of_way)
        figures[f"{way.figure}_cpu_s_gb"] = statistics.median(run["cpu_s_gb"]["all"] for run in of_way)
        figures[f"{way.figure}_share"] = round(of_way[0]["packed_bytes"] / of_way[0]["csv_bytes"], 3)
    load = {"rows": scale.rows, "hours": scale.hours, "repeats": scale.repeats, "row_bytes": row_bytes}
    return {"figures": figures, "load": load, "runs": runs, "machine": on}


def measure_way(place: Place, loaded: Loaded, way: Way, login: Mapping[str, str]) -> dict[str, Any]:
    """The figures of one run, and the bytes of its objects; `login` is what a login says besides."""
    fresh_copy(place.postgres, loaded)
    task = {
        "policies": str(_write_policies(place, way.compression)),
        "postgres": place.postgres.dsn(DATABASE) | dict(login),
    }
    run = time_peer(place, loaded, Path(sys.executable), ENGINE, {}, task)
    packed = _count_bytes(place, EXTENSIONS[way.compression])
    place.empty_bucket()
    refuse_other_rows(place.postgres, way.name)
    return {**run.figures(), "packed_bytes": packed}


def _write_policies(place: Place, compression: Compression) -> Path:
    document = json.loads(place.policies.read_text(encoding="utf-8"))
    document["defaults"]["compression"] = compression
    path = place.folder / f"policies_{compression}.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _count_bytes(place: Place, extension: str) -> int:
    """Bytes of all objects with rows, as they lie in the bucket."""
    pages = place.s3.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    found = (entry for page in pages for entry in page.get("Contents", []))
    return sum(
        entry["Size"]
        for entry in found
        # What begins with an underscore describes an object.
        if entry["Key"].endswith(f".{extension}") and not entry["Key"].rpartition("/")[2].startswith("_")
    )


def table(result: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    load, figures = result["load"], result["figures"]
    sizes = " and ".join(f"{size:,} B ({name})" for name, size in load["row_bytes"].items())
    rows = [
        [
            way.name,
            f"{figures[f'{way.figure}_mb_s']:.0f}",
            f"{figures[f'{way.figure}_cpu_s_gb']:.1f}",
            *(f"{_of(result, way, part):.1f}" for part in ("worker", "postgres", "s3")),
            f"{figures[f'{way.figure}_share']:.3f}",
        ]
        for way in WAYS
    ]
    head = ("ours as a library", "MB/s", "CPU s a GB", "worker", "Postgres", "S3", "objects, of the CSV")
    return (
        f"{load['rows']:,} rows over {load['hours']} hours, {sizes} each as CSV; medians of {load['repeats']} run(s). "
        f"{where(result)}.\n\n{markdown_table(head, rows)}"
    )


def _of(result: Mapping[str, Any], way: Way, part: str) -> float:
    return float(statistics.median(run["cpu_s_gb"][part] for run in result["runs"][way.figure]))


PART = Part("compressions", SCALES, measured, table)

if __name__ == "__main__":
    sys.exit(exit_status(PART.run))
