"""What the pages of measured figures share: Markdown tables put between two marks, and bars as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

MEASURED = "measured"
BEGIN, END = f"<!-- {MEASURED}: begin -->\n", f"<!-- {MEASURED}: end -->\n"
ROW_HEIGHT, BAR_WIDTH = 22, 250


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of these cells."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def put_between_marks(page: Path, content: str, name: str = MEASURED) -> None:
    """Replaces what stands between the marks of this name in the page."""
    begin, end = _marks(name)
    head, rest = page.read_text(encoding="utf-8").split(begin)
    _, tail = rest.split(end)
    page.write_text(f"{head}{begin}\n{content}\n{end}{tail}", encoding="utf-8")


def between_marks(page: Path, name: str = MEASURED) -> str:
    """What stands between the marks of this name in the page, without the lines around it."""
    begin, end = _marks(name)
    return page.read_text(encoding="utf-8").split(begin)[1].split(end)[0].strip() + "\n"


def _marks(name: str) -> tuple[str, str]:
    return BEGIN.replace(MEASURED, name), END.replace(MEASURED, name)


def picture(width: int, height: int, parts: Sequence[str]) -> str:
    """An SVG of these parts on white."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="{width}" height="{height}" fill="white"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def bar(left: int, top: int, share: float, colour: str, label: str) -> list[str]:
    """A bar of this share of the longest one's length, and its label at its end."""
    width = max(1.0, share * BAR_WIDTH)
    return [
        f'<rect x="{left}" y="{top}" width="{width:.0f}" height="{ROW_HEIGHT - 6}" fill="{colour}"/>',
        text(left + round(width) + 6, top + 12, label),
    ]


def text(x: int, y: int, words: str, *, bold: bool = False) -> str:
    """Words from (x, y) on."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}"{weight}>{escape(words)}</text>'
