"""Figures of small windows, small tables, fleets and compressions: beside the others, and in the docs as measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import archive_page, compressions, drawing, fleet, parts, small_table, small_windows
from tests.unit.docs import test_archive_page as archive

PARTS = (small_windows.PART, small_table.PART, fleet.PART, compressions.PART)
MACHINE = {"cpu": "Some CPU", "cores": 2}
CPU = {"worker": 1.0, "postgres": 2.0, "s3": 3.0}


def rows(table: str) -> list[list[str]]:
    """The cells of the table's rows, without heads and rulers."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    ruler = {number for number, line in enumerate(lines) if line.startswith("|---")}
    bodies = (line for number, line in enumerate(lines) if not {number, number + 1} & ruler)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in bodies]


def some_windows() -> dict[str, Any]:
    """Small windows in which every way has another figure."""
    all_ = {way.figure: 10.0 * (place + 1) for place, way in enumerate(small_windows.WAYS)}
    counts = {
        "small_window_requests": 8.0,
        "small_window_statements": 40.0,
        "small_window_grouped_requests": 7.5,
        "small_window_grouped_statements": 3.7,
    }
    load = {"databases": 8, "windows": 24, "rows": 50, "repeats": 3, "machine_before": 0.2}
    runs = {figure: [CPU | {"all": found}] for figure, found in all_.items()}
    return {"figures": all_ | counts, "load": load, "runs": runs, "machine": MACHINE}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_the_tables_in_the_docs_are_the_measured_ones(part: parts.Part[Any]) -> None:
    assert drawing.between_marks(archive_page.PAGE, part.name) == part.content()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_figures_of_a_part_stand_beside_those_of_the_archive(part: parts.Part[Any]) -> None:
    document = archive_page.latest()
    result = part.latest()
    if document and result:
        assert {name: document[name] for name in result["figures"]} == result["figures"]


def test_each_way_of_small_windows_is_compared_with_before() -> None:
    found = rows(small_windows.PART.table(some_windows()))
    assert [row[1:] for row in found] == [
        ["10.0 ms", "0.25x", "1.0", "2.0", "3.0"],
        ["20.0 ms", "0.50x", "1.0", "2.0", "3.0"],
        ["30.0 ms", "0.75x", "1.0", "2.0", "3.0"],
        ["40.0 ms", "1.00x", "1.0", "2.0", "3.0"],
        ["8", "40"],
        ["7.5", "3.7"],
    ]


def test_each_way_of_a_small_table_is_shown() -> None:
    run = {
        "tasks": 0.7,
        "scheduler": 0.2,
        "api-server": 0.1,
        "postgres": 0.3,
        "s3": 0.05,
        "all": 1.35,
        "instances": 1.0,
    }
    load = {"tables": 4, "rows": 4680, "machine_before": 0.2}
    result = {"figures": {}, "load": load, "runs": {"one": run}, "machine": MACHINE}
    assert rows(small_table.PART.table(result)) == [
        [small_table.NAMES["one"], "1.35 s", "0.70", "0.20", "0.10", "0.30", "0.05", "1"]
    ]


def test_a_fleet_is_compared_with_before() -> None:
    day = {"tasks": 10.0, "scheduler": 2.0, "api-server": 1.0, "postgres": 3.0, "s3": 0.5, "all": 16.5}
    figures = {"fleet_1000_cpu_min": 16.5, "before_fleet_1000_cpu_min": 66.0}
    load = {"listed": 1000, "measured": 20, "days": 2, "rows": 1200, "machine_before": 0.2}
    result = {"figures": figures, "load": load, "runs": {figure: [day] for figure in figures}, "machine": MACHINE}
    found = rows(fleet.PART.table(result))
    assert [row[1:3] for row in found] == [["16 min", "0.25x"], ["66 min", "1.00x"]]
    assert found[0][3:] == ["10.0", "2.0", "1.0", "3.0", "0.5"]


def test_each_compression_is_shown_with_its_size() -> None:
    figures = {
        f"{way.figure}_{kind}": value + place
        for place, way in enumerate(compressions.WAYS)
        for kind, value in (("mb_s", 100.0), ("cpu_s_gb", 10.0), ("share", 0.25))
    }
    load = {"rows": 1000, "hours": 36, "repeats": 3, "row_bytes": {"reference": 1472}, "machine_before": 0.2}
    runs = {way.figure: [{"cpu_s_gb": CPU}] for way in compressions.WAYS}
    table = compressions.PART.table({"figures": figures, "load": load, "runs": runs, "machine": MACHINE})
    found = rows(table)
    assert [row[1] for row in found] == ["100", "101", "102", "103", "104"]
    assert found[1][2:] == ["11.0", "1.0", "2.0", "3.0", "1.250"]
    assert "1,472 B (reference)" in table


def test_no_measurement_takes_another_ones_figures_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, part = tmp_path / "benchmarks.md", small_windows.PART
    marks = drawing.BEGIN.replace(drawing.MEASURED, part.name), drawing.END.replace(drawing.MEASURED, part.name)
    page.write_text(f"{drawing.BEGIN}{drawing.END}{marks[0]}old\n{marks[1]}", encoding="utf-8")
    monkeypatch.setattr(archive_page, "PAGE", page)
    monkeypatch.setattr(archive_page, "PLOT", tmp_path / "benchmarks.svg")
    monkeypatch.setattr(archive_page, "RESULTS", tmp_path / "archive.json")
    archive_page.write(archive.made_up())
    first = some_windows()
    first["figures"]["small_window_renamed_since"] = 1.0
    part.keep(first)
    assert archive_page.latest() == archive.made_up() | first["figures"] | {"parts": {part.name: first}}
    part.keep(some_windows())
    archive_page.write(archive.made_up())
    kept = json.loads(archive_page.RESULTS.read_text(encoding="utf-8"))
    assert kept == archive.made_up() | some_windows()["figures"] | {"parts": {part.name: some_windows()}}
    assert drawing.between_marks(page, part.name) == part.content() == part.table(some_windows())


def test_what_was_never_measured_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_page, "RESULTS", tmp_path / "archive.json")
    assert fleet.PART.content() == archive_page.UNMEASURED
