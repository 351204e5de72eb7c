"""The table and the plot of `docs/reclaim.md`, drawn from the figures of `bench/results/reclaim.json`."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PLOT = DOCS / "reclaim.md", DOCS / "reclaim.svg"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
_HEAD = (
    "| rows | strategy | heap | indexes | given back | of VACUUM FULL's | extra disk | WAL | seconds "
    "| writer's longest | reader's longest |"
)
_BAR_WIDTH, _ROW_HEIGHT, _LABEL_WIDTH, _PANEL = 250, 22, 190, 420
_COLOURS = {"nothing": "#bbbbbb", "VACUUM": "#8aa9c9", "VACUUM FULL": "#d98c5f", "compact": "#3f8f5f"}


def table(result: Mapping[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = [_HEAD, "|" + "---|" * (_HEAD.count("|") - 1)]
    for run in result["runs"]:
        size = run["heap_before"] + run["indexes_before"]
        share = max(0, run["given_back"]) / _full(result, run)["given_back"]
        cells = [
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
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write(result: Mapping[str, Any]) -> None:
    """Puts table and plot into the docs."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    PAGE.write_text(f"{head}{BEGIN}\n{table(result)}\n{END}{tail}", encoding="utf-8")
    PLOT.write_text(plot(result), encoding="utf-8")


def plot(result: Mapping[str, Any]) -> str:
    """Bars: what came back, and the longest wait of writer or reader."""
    runs = result["runs"]
    height = 40 + _ROW_HEIGHT * len(runs) + 10
    width = _LABEL_WIDTH + 2 * _PANEL
    waits = [max(run["writer"]["longest_ms"], run["reader"]["longest_ms"]) for run in runs]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="{width}" height="{height}" fill="white"/>',
        _text(_LABEL_WIDTH, 22, "given back", bold=True),
        _text(_LABEL_WIDTH + _PANEL, 22, "longest wait of a writer or reader", bold=True),
    ]
    for number, (run, wait) in enumerate(zip(runs, waits, strict=True)):
        top = 40 + number * _ROW_HEIGHT
        parts.append(_text(8, top + 12, f"{run['shape']}: {run['strategy']}"))
        most = max(other["given_back"] for other in runs)
        parts += _bar(_LABEL_WIDTH, top, run, run["given_back"] / most, _megabytes(run["given_back"]))
        parts += _bar(_LABEL_WIDTH + _PANEL, top, run, wait / max(waits), f"{wait:.0f} ms")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(left: int, top: int, run: Mapping[str, Any], share: float, label: str) -> list[str]:
    width = max(1.0, share * _BAR_WIDTH)
    colour = _COLOURS[run["strategy"]]
    return [
        f'<rect x="{left}" y="{top}" width="{width:.0f}" height="{_ROW_HEIGHT - 6}" fill="{colour}"/>',
        _text(left + round(width) + 6, top + 12, label),
    ]


def _text(x: int, y: int, words: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}"{weight}>{escape(words)}</text>'


def _full(result: Mapping[str, Any], run: Mapping[str, Any]) -> Mapping[str, Any]:
    (found,) = (one for one in result["runs"] if (one["shape"], one["strategy"]) == (run["shape"], "VACUUM FULL"))
    return dict(found)


def _megabytes(size: int) -> str:
    return f"{max(0, size) / 1e6:,.1f} MB"
