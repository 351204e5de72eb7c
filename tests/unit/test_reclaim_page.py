"""The figures in the docs are those of the last measurement."""

from __future__ import annotations

import json
from pathlib import Path

from bench import reclaim_page

RESULT = json.loads((Path(__file__).parents[2] / "bench" / "results" / "reclaim.json").read_text(encoding="utf-8"))


def test_the_table_in_the_docs_is_the_measured_one() -> None:
    text = reclaim_page.PAGE.read_text(encoding="utf-8")
    assert text.split(reclaim_page.BEGIN)[1].split(reclaim_page.END)[0].strip() == reclaim_page.table(RESULT).strip()


def test_the_plot_in_the_docs_is_the_measured_one() -> None:
    assert reclaim_page.PLOT.read_text(encoding="utf-8") == reclaim_page.plot(RESULT)
