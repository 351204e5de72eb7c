"""Numbers as a person reads them in a log or a report."""

from __future__ import annotations


def say_count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with separators and its noun in the right form: `1 row`, `2,083 rows`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
