"""The table and the plot of `docs/disk-space.md`, drawn from the figures of `bench/results/reclaim.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.drawing import ROW_HEIGHT, bar, markdown_table, picture, put_between_marks, text

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PLOT = DOCS / "disk-space.md", DOCS / "reclaim.svg"
_HEAD = (
    *("rows", "strategy", "heap", "indexes", "given back", "of VACUUM FULL's", "extra disk", "WAL", "seconds"),
    *("writer's longest", "reader's longest"),
)
_LABEL_WIDTH, _PANEL = 190, 420
_COLOURS = {"nothing": "#bbbbbb", "VACUUM": "#8aa9c9", "VACUUM FULL": "#d98c5f", "compact": "#3f8f5f"}


def table(result: Mapping[str, Any]) -> str:
    """The figures as a Markdown table."""
    return markdown_table(_HEAD, [_cells(result, run) for run in result["runs"]])


def write(result: Mapping[str, Any]) -> None:
    """Puts table and plot into the docs."""
    put_between_marks(PAGE, table(result))
    PLOT.write_text(plot(result), encoding="utf-8")


def plot(result: Mapping[str, Any]) -> str:
    """Bars: what came back, and the longest wait of writer or reader."""
    runs = result["runs"]
    waits = [max(run["writer"]["longest_ms"], run["reader"]["longest_ms"]) for run in runs]
    parts = [
        text(_LABEL_WIDTH, 22, "given back", bold=True),
        text(_LABEL_WIDTH + _PANEL, 22, "longest wait of a writer or reader", bold=True),
    ]
    for number, (run, wait) in enumerate(zip(runs, waits, strict=True)):
        top, colour = 40 + number * ROW_HEIGHT, _COLOURS[run["strategy"]]
        parts.append(text(8, top + 12, f"{run['shape']}: {run['strategy']}"))
        most = max(other["given_back"] for other in runs)
        parts += bar(_LABEL_WIDTH, top, run["given_back"] / most, colour, _megabytes(run["given_back"]))
        parts += bar(_LABEL_WIDTH + _PANEL, top, wait / max(waits), colour, f"{wait:.0f} ms")
    return picture(_LABEL_WIDTH + 2 * _PANEL, 40 + ROW_HEIGHT * len(runs) + 10, parts)


def _cells(result: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    size = run["heap_before"] + run["indexes_before"]
    share = max(0, run["given_back"]) / _full(result, run)["given_back"]
    return [
        run["shape"],
        f"`{run['strategy']}`" if run["strategy"] == "compact" else run["strategy"],
        _megabytes(run["heap_after"]),
        _megabytes(run["indexes_after"]),
        _megabytes(run["given_back"]),
        f"{share:.1%}",
        f"{_megabytes(run['extra_disk'])} ({run['extra_disk'] / size:.1%})",
        _megabytes(run["wal"]),
        f"{run['seconds']:.1f}",
        f"{run['writer']['longest_ms']:.0f} ms",
        f"{run['reader']['longest_ms']:.0f} ms",
    ]


def _full(result: Mapping[str, Any], run: Mapping[str, Any]) -> Mapping[str, Any]:
    (found,) = (one for one in result["runs"] if (one["shape"], one["strategy"]) == (run["shape"], "VACUUM FULL"))
    return dict(found)


def _megabytes(size: int) -> str:
    return f"{max(0, size) / 1e6:,.1f} MB"
