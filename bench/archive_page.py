"""The table and the plot of `docs/benchmarks.md`, drawn from the figures of `bench/results/archive.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.drawing import ROW_HEIGHT, bar, markdown_table, picture, put_between_marks, text

RESULTS = Path(__file__).parent / "results" / "archive.json"
DOCS = Path(__file__).parents[1] / "docs"
PAGE, PLOT = DOCS / "benchmarks.md", DOCS / "benchmarks.svg"

PEERS = {
    "floor_mb_s": "floor: COPY to nowhere, DELETE by range",
    "seed_mb_s": "plain script: pages by OFFSET, DELETE by range",
    "sql_to_s3_mb_s": "SqlToS3Operator, DELETE by range",
    "pg_freezer_mb_s": "pg-freezer 1.0.8",
    "duckdb_mb_s": "DuckDB 1.5.5 into Parquet, DELETE by range",
    "before_mb_s": "ours as a library, the release before",
    "engine_mb_s": "ours as a library",
    "airflow_mb_s": "ours through Airflow, on the backlog",
}
BACKLOG = "backlog_engine_mb_s"
"""The runs of the library on the load that Airflow is measured on."""
ENGINE_ON_BACKLOG = "engine_backlog_mb_s"
"""Their figure."""
# What else is measured, in MB, milliseconds and seconds.
OTHERS = {
    "engine_peak_mb": "peak memory, windows of 1x size",
    "engine_peak_mb_10x": "peak memory, windows of 10x size",
    "engine_peak_mb_40x": "peak memory, windows of 40x size",
    "plan_ms_10m": "plan over a table of {planned_rows:,} rows",
    "parse_s_1000_clients": "DAG file of {clients:,} clients, parsed and serialised",
}
KEYS = (*PEERS, *OTHERS)
"""The measurements; each has its median under its own name and its runs under `runs`."""
UNMEASURED = "Not measured yet on an idle machine: run `make bench`.\n"

_HEAD = (
    *("peer", "MB/s", "of ours", "rows/s", "peak memory", "WAL a row", "S3 requests a million rows"),
    "their price",
)
_LABEL_WIDTH, _PANEL = 330, 400
_OURS = {"engine_mb_s", "airflow_mb_s", BACKLOG}
_EARLIER = " (1)"
_EARLIER_NOTE = "(1) Of an earlier release on a faster machine: to be compared with each other, not with other rows.\n"


def latest() -> dict[str, Any] | None:
    """The figures of the last measurement at full scale; None before the first."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else None


def content(result: Mapping[str, Any] | None) -> str:
    """What belongs between the marks of the page."""
    if result is None:
        return UNMEASURED
    return f"{table(result)}\n![Throughput and peak memory of each]({PLOT.name})\n"


def write(result: Mapping[str, Any]) -> None:
    """Keeps the figures beside those of other parts (`bench.parts`), and puts table and plot into the docs."""
    RESULTS.parent.mkdir(exist_ok=True)
    parts = (latest() or {}).get("parts", {})
    others = {name: figure for part in parts.values() for name, figure in part["figures"].items()}
    document = {**result, **others, **({"parts": parts} if parts else {})}
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    put_between_marks(PAGE, content(result))
    PLOT.write_text(plot(result), encoding="utf-8")


def table(result: Mapping[str, Any]) -> str:
    """The figures as Markdown: what was measured where, the peers, and what else was measured."""
    metered = any("cpu_s_gb" in run for key in _names(result) for run in result["runs"][key])
    head = (*_HEAD, "CPU s a GB: worker, Postgres, S3") if metered else _HEAD
    rows = [_cells(result, key, name, metered=metered) for key, name in _names(result).items()]
    others = [
        [name.format(**result["load"]) + _mark(result, key), _other(key, result[key])] for key, name in OTHERS.items()
    ]
    notes = [_EARLIER_NOTE] if result.get("earlier") else []
    tables = [markdown_table(head, rows), markdown_table(("measured", "median"), others)]
    return "\n".join([_where(result), *tables, *notes])


def plot(result: Mapping[str, Any]) -> str:
    """Bars: throughput and peak memory."""
    names = {key: name for key, name in _names(result).items() if not _mark(result, key)}
    speeds = {key: _figure(result, key, "mb_s") for key in names}
    peaks = {key: _figure(result, key, "peak_mb") for key in names}
    parts = [
        text(_LABEL_WIDTH, 22, "MB of CSV a second", bold=True),
        text(_LABEL_WIDTH + _PANEL, 22, "peak memory", bold=True),
    ]
    for number, (key, name) in enumerate(names.items()):
        top, colour = 40 + number * ROW_HEIGHT, "#3f8f5f" if key in _OURS else "#8aa9c9"
        parts.append(text(8, top + 12, name))
        parts += bar(_LABEL_WIDTH, top, speeds[key] / max(speeds.values()), colour, f"{speeds[key]:.0f}")
        parts += bar(_LABEL_WIDTH + _PANEL, top, peaks[key] / max(peaks.values()), colour, f"{peaks[key]:.0f} MB")
    return picture(_LABEL_WIDTH + 2 * _PANEL, 40 + ROW_HEIGHT * len(names) + 10, parts)


def _names(result: Mapping[str, Any]) -> dict[str, str]:
    names = {
        **PEERS,
        BACKLOG: f"ours as a library, on the backlog of {result['load']['backlog_hours']} hours, "
        f"{result['load']['backlog_rows']:,} rows",
    }
    # A measurement of before a peer was added has no run of it.
    return {key: name + _mark(result, key) for key, name in names.items() if result["runs"].get(key)}


def _mark(result: Mapping[str, Any], key: str) -> str:
    """What marks figures that a measurement without them, as it took too long, left as they were: its `earlier`."""
    return _EARLIER if key in result.get("earlier", ()) else ""


def _where(result: Mapping[str, Any]) -> str:
    on, load, first = result["machine"], result["load"], result["runs"]["floor_mb_s"]
    size = first[0]["csv_bytes"] / 1e9
    versions = ", ".join(f"{name} {version}" for name, version in on["versions"].items())
    return (
        f"{load['rows']:,} rows, {size:.2f} GB as CSV, over {load['hours']} hours; medians of {len(first)} run(s). "
        f"{on['cpu']}, {on['cores']} cores, {on['ram_gb']} GB of memory, {on['system']}; {versions}.\n"
    )


def _cells(result: Mapping[str, Any], key: str, name: str, *, metered: bool) -> list[str]:
    requests = result["requests"].get(key)
    speed = _figure(result, key, "mb_s")
    on_backlog = key in {"airflow_mb_s", BACKLOG}
    ours = _figure(result, BACKLOG if on_backlog else "engine_mb_s", "mb_s")
    rows = "backlog_rows" if on_backlog else "rows"
    return [
        name,
        f"{speed:.0f}",
        f"{speed / ours:.2f}x",
        f"{_figure(result, key, 'rows_s'):,.0f}",
        f"{_figure(result, key, 'peak_mb'):.0f} MB",
        f"{_figure(result, key, 'wal_bytes') / result['load'][rows]:,.0f} B",
        f"{requests['requests_per_million_rows']:,}" if requests else "",
        f"${requests['usd_per_million_rows']:.4f}" if requests else "",
        *([_cpu(result, key)] if metered else []),
    ]


def _cpu(result: Mapping[str, Any], key: str) -> str:
    """The medians of all together and of each, where they were measured."""
    runs = [run["cpu_s_gb"] for run in result["runs"][key] if "cpu_s_gb" in run]
    if not runs:
        return ""
    total, *parts = (median(run[part] for run in runs) for part in ("all", "worker", "postgres", "s3"))
    return f"{total:.1f}: {', '.join(f'{part:.1f}' for part in parts)}"


def _figure(result: Mapping[str, Any], key: str, figure: str) -> float:
    return float(median(run[figure] for run in result["runs"][key]))


def _other(key: str, value: float) -> str:
    if key.startswith("engine_peak_mb"):
        return f"{value:.0f} MB"
    return f"{value:.0f} ms" if key.startswith("plan_ms") else f"{value:.1f} s"
