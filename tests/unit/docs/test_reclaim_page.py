"""The figures in the docs are those of the last measurement."""

from __future__ import annotations

import json
from pathlib import Path

from bench import drawing, reclaim_page

RESULT = json.loads((Path(__file__).parents[3] / "bench" / "results" / "reclaim.json").read_text(encoding="utf-8"))


def test_the_table_in_the_docs_is_the_measured_one() -> None:
    assert drawing.between_marks(reclaim_page.PAGE) == reclaim_page.table(RESULT)


def test_the_plot_in_the_docs_is_the_measured_one() -> None:
    assert reclaim_page.PLOT.read_text(encoding="utf-8") == reclaim_page.plot(RESULT)
