"""The map of the code on the architecture page is that of the code."""

from __future__ import annotations

from dev.code_map import draw, read_page


def test_the_map_of_the_code_is_up_to_date() -> None:
    _, present, _ = read_page()
    assert present == draw(), "bring it up to date with: .venv/bin/python -m dev.code_map --write"
