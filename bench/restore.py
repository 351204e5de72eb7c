"""Back from the archive into a table: ours beside a plain COPY of the same rows, on the same server in the same run.

`make bench` runs it after the way there and writes `bench/results/restore.json`, of which the second table of
`docs/benchmarks.md` is made. `SCALE=small` takes a twentieth of the rows once, and only prints.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from bench.archive_data import DATABASE, Load, Loaded, drop, fresh_copy, load_template
from bench.drawing import markdown_table, put_between_marks
from bench.machine import machine
from bench.peer_runs import Run, time_peer
from bench.place import FOLDER, Place, started
from dev.entry import exit_status
from dev.postgres import PostgresServer
from dev.processes import ProcessError

RESULTS = Path(__file__).parent / "results" / "restore.json"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
MARKS = "restored"
EVENTS, NEW = ("analytics", "events"), ("analytics", "events_back")
ARCHIVED = "archived"
WAYS = {
    "restore_mb_s": "ours, into a new table",
    "restore_in_place_mb_s": "ours, into the emptied table itself",
    "copy_from_mb_s": "COPY FROM STDIN of the rows as CSV, into an equal new table",
}
# All of a table, whatever its order; the row of today is not archived.
_SUM = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {table} AS t WHERE id > 0"


@dataclass(frozen=True)
class Scale:
    """How much is done, and how often."""

    rows: int
    hours: int
    repeats: int


SCALES = {"full": Scale(1_000_000, 36, 3), "small": Scale(50_000, 12, 1)}


def main() -> int:
    """Measures, prints, and at full scale keeps the figures and puts them into the docs."""
    name = os.environ.get("SCALE") or "full"
    if name not in SCALES:
        print(f"SCALE is {name!r}; set it to one of {', '.join(SCALES)}, or leave it out for full", file=sys.stderr)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    with started() as place:
        result = measured(place, SCALES[name])
    print(table(result))
    if name == "full":
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        put_between_marks(PAGE, table(result), MARKS)
    return 0


def measured(place: Place, scale: Scale) -> dict[str, Any]:
    """Archives a table once, and brings it back in each way in turn, several times."""
    loaded = load_template(place.postgres, Load("reference", scale.rows, scale.hours))
    rows = place.folder / "rows.csv"
    try:
        expected = _written(place.postgres, rows)
        archived = _archived(place, loaded)
        runs: dict[str, list[dict[str, Any]]] = {key: [] for key in WAYS}
        for _ in range(scale.repeats):
            for key in WAYS:
                runs[key].append(_brought_back(place, archived, key, rows, expected).figures())
                print(f"{key}: {runs[key][-1]}", flush=True)
    finally:
        rows.unlink(missing_ok=True)
    figures = {key: float(statistics.median(run["mb_s"] for run in of_key)) for key, of_key in runs.items()}
    return {
        **figures,
        "restore_of_copy_from": round(figures["restore_mb_s"] / figures["copy_from_mb_s"], 3),
        "restore_in_place_of_copy_from": round(figures["restore_in_place_mb_s"] / figures["copy_from_mb_s"], 3),
        "load": {"rows": scale.rows, "hours": scale.hours},
        "runs": runs,
        "machine": machine(place.postgres),
    }


def table(result: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    load, on = result["load"], result["machine"]
    head = (
        f"{load['rows']:,} rows over {load['hours']} hours, medians of {len(result['runs']['restore_mb_s'])} run(s); "
        f"{on['cpu']}, {on['cores']} cores.\n"
    )
    cells = [
        [
            name,
            f"{result[key]:.0f}",
            f"{result[key] / result['copy_from_mb_s']:.2f}x",
            f"{statistics.median(run['peak_mb'] for run in result['runs'][key]):.0f} MB",
            f"{statistics.median(run['wal_bytes'] for run in result['runs'][key]) / load['rows']:,.0f} B",
        ]
        for key, name in WAYS.items()
    ]
    return f"{head}\n{markdown_table(('way', 'MB/s', 'of COPY', 'peak memory', 'WAL a row'), cells)}"


def _written(server: PostgresServer, file: Path) -> tuple[Any, ...]:
    """Writes the rows to be archived into a file as CSV; their number and sum."""
    statement = "COPY (SELECT * FROM analytics.events WHERE id > 0) TO STDOUT (FORMAT csv)"
    with (
        server.connect("reference") as connection,
        file.open("wb") as target,
        connection.cursor().copy(statement) as copy,
    ):
        for part in copy:
            target.write(part)
    return _summed(server, "reference", EVENTS)


def _archived(place: Place, loaded: Loaded) -> Loaded:
    """Archives the table, and makes a template of the database as it is then, vacuumed as it would be by itself."""
    fresh_copy(place.postgres, loaded)
    time_peer(place, loaded, Path(sys.executable), "bench.peers.engine", {})
    with place.postgres.connect(DATABASE) as connection:
        connection.execute("VACUUM (ANALYZE) analytics.events")
    with place.postgres.connect() as connection:
        connection.execute(f"ALTER DATABASE {DATABASE} RENAME TO {ARCHIVED}".encode())
    drop(place.postgres, "reference")
    return Loaded(Load(ARCHIVED, loaded.load.rows, loaded.load.hours), loaded.csv_bytes)


def _brought_back(place: Place, archived: Loaded, key: str, rows: Path, expected: tuple[Any, ...]) -> Run:
    """One run in a fresh copy of the database.

    Raises:
        ProcessError: it failed, or brought back other rows than there were.
    """
    fresh_copy(place.postgres, archived)
    module = "bench.peers.copy_from" if key == "copy_from_mb_s" else "bench.peers.restore"
    into = None if key == "restore_in_place_mb_s" else NEW
    run = time_peer(place, archived, Path(sys.executable), module, {}, {"into": into, "csv": str(rows)})
    found = _summed(place.postgres, DATABASE, into or EVENTS)
    if found != expected:
        raise ProcessError(f"{key}: other rows came back than there were (number and sum): {found}, not {expected}")
    return run


def _summed(server: PostgresServer, database: str, name: tuple[str, str]) -> tuple[Any, ...]:
    with server.connect(database) as connection:
        found = connection.execute(sql.SQL(_SUM).format(table=sql.Identifier(*name))).fetchone()
    assert found is not None
    return found


if __name__ == "__main__":
    sys.exit(exit_status(main))
