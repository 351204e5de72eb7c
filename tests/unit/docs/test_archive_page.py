"""The figures in the docs are those of the last measurement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import archive_page, drawing, restore
from bench.requests_counted import price

LATEST = archive_page.latest()


def made_up() -> dict[str, Any]:
    """A result in which every figure is another."""
    runs: dict[str, Any] = {
        key: [{"mb_s": 10.0 + place, "rows_s": 100 + place, "peak_mb": 200.0 + place, "wal_bytes": 3000 + place}]
        for place, key in enumerate([*archive_page.PEERS, archive_page.BACKLOG])
    }
    runs["floor_mb_s"][0]["csv_bytes"] = 1_470_000_000
    return {
        **{key: runs[key][0]["mb_s"] for key in archive_page.PEERS},
        **{key: 301.0 + place for place, key in enumerate(archive_page.OTHERS)},
        "load": {
            "rows": 1000,
            "hours": 36,
            "backlog_rows": 1000,
            "backlog_hours": 360,
            "planned_rows": 10_000_000,
            "clients": 1000,
        },
        "runs": runs,
        "requests": {"engine_mb_s": {"requests_per_million_rows": 401, "usd_per_million_rows": 0.0123}},
        "machine": {"cpu": "Some CPU", "cores": 2, "ram_gb": 8.0, "system": "Linux", "versions": {"postgres": "17"}},
    }


def test_the_table_in_the_docs_is_the_measured_one() -> None:
    assert drawing.between_marks(archive_page.PAGE) == archive_page.content(LATEST)


def test_the_table_of_restores_in_the_docs_is_the_measured_one() -> None:
    measured = json.loads(restore.RESULTS.read_text(encoding="utf-8"))
    assert drawing.between_marks(restore.PAGE, restore.MARKS) == restore.table(measured)


def test_the_plot_in_the_docs_is_the_measured_one() -> None:
    found = archive_page.PLOT.read_text(encoding="utf-8") if archive_page.PLOT.exists() else None
    assert found == (archive_page.plot(LATEST) if LATEST else None)


def test_the_results_hold_every_measurement_with_its_runs() -> None:
    if LATEST is not None:
        of_parts = {name for part in LATEST.get("parts", {}).values() for name in part["figures"]}
        cpu = {key for key in LATEST if key.endswith("_cpu_s_gb")}
        measured = set(LATEST) - cpu - of_parts - {"parts", "earlier", archive_page.ENGINE_ON_BACKLOG}
        # The peers that came last are in the next measurement.
        assert {*archive_page.KEYS} - measured <= {"duckdb_mb_s", "before_mb_s"}
        assert measured - {*archive_page.KEYS} == {"load", "runs", "requests", "machine"}
        assert all(LATEST["runs"][key] for key in measured & {*archive_page.KEYS})
        assert LATEST[archive_page.ENGINE_ON_BACKLOG] == LATEST["runs"][archive_page.BACKLOG][0]["mb_s"]
    assert (
        *("floor_mb_s", "seed_mb_s", "sql_to_s3_mb_s", "pg_freezer_mb_s", "duckdb_mb_s", "before_mb_s"),
        *("engine_mb_s", "airflow_mb_s"),
        *("engine_peak_mb", "engine_peak_mb_10x", "engine_peak_mb_40x", "plan_ms_10m", "parse_s_1000_clients"),
    ) == archive_page.KEYS


def test_figures_of_an_earlier_measurement_are_marked_and_not_drawn() -> None:
    result = {**made_up(), "earlier": ["airflow_mb_s", archive_page.BACKLOG, "engine_peak_mb"]}
    table = archive_page.table(result)
    assert "| ours through Airflow, on the backlog (1) | 17 |" in table
    assert "| peak memory, windows of 1x size (1) | 301 MB |" in table
    assert "| ours as a library | 16 |" in table
    assert table.endswith("not with other rows.\n")
    assert "through Airflow" not in archive_page.plot(result)
    assert "(1)" not in archive_page.table(made_up())


def test_every_figure_is_shown_in_its_own_row() -> None:
    lines = archive_page.table(made_up()).splitlines()
    (engine,) = (line for line in lines if line.startswith("| ours as a library |"))
    assert engine == "| ours as a library | 16 | 1.00x | 106 | 206 MB | 3 B | 401 | $0.0123 |"
    # Through Airflow is compared with the library on the same backlog, 18 MB/s, not on the reference load.
    (airflow,) = (line for line in lines if line.startswith("| ours through Airflow"))
    assert airflow.startswith("| ours through Airflow, on the backlog | 17 | 0.94x | 107 |")
    assert [line.split(" | ")[1] for line in lines[-len(archive_page.OTHERS) :]] == [
        *("301 MB |", "302 MB |", "303 MB |", "304 ms |", "305.0 s |"),
    ]


def test_cpu_seconds_are_shown_where_they_were_measured() -> None:
    result = made_up()
    result["runs"]["engine_mb_s"][0]["cpu_s_gb"] = {"worker": 6.21, "postgres": 6.5, "s3": 2.04, "all": 14.75}
    lines = archive_page.table(result).splitlines()
    (engine,) = (line for line in lines if line.startswith("| ours as a library |"))
    assert engine.endswith("| $0.0123 | 14.8: 6.2, 6.5, 2.0 |")
    (floor,) = (line for line in lines if line.startswith("| floor"))
    assert floor.endswith("|  |  |  |")


def test_a_peer_that_was_not_measured_has_no_row() -> None:
    result = made_up()
    del result["runs"]["duckdb_mb_s"]
    assert not any(line.startswith("| DuckDB") for line in archive_page.table(result).splitlines())


def test_a_measurement_goes_into_results_page_and_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{drawing.BEGIN}old\n{drawing.END}after\n", encoding="utf-8")
    monkeypatch.setattr(archive_page, "PAGE", page)
    monkeypatch.setattr(archive_page, "PLOT", tmp_path / "benchmarks.svg")
    monkeypatch.setattr(archive_page, "RESULTS", tmp_path / "results" / "archive.json")
    archive_page.write(made_up())
    latest = archive_page.latest()
    assert latest == made_up()
    assert drawing.between_marks(page) == archive_page.content(latest)
    assert page.read_text(encoding="utf-8").startswith(f"before\n{drawing.BEGIN}")
    assert page.read_text(encoding="utf-8").endswith(f"{drawing.END}after\n")
    assert archive_page.PLOT.read_text(encoding="utf-8") == archive_page.plot(made_up())


def test_requests_cost_what_s3_asks_for_them() -> None:
    assert price({"PutObject": 1000}) == 0.005
    assert price({"GetObject": 1000}) == 0.0004
    assert price({"DeleteObject": 1000}) == 0.0
    assert round(price({"UploadPart": 2, "HeadObject": 1, "AbortMultipartUpload": 5}), 9) == 0.0000104
