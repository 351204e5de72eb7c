"""The report says what the plan said, so that an operator finds it in one place."""

from __future__ import annotations

from include.archiver.steps.report import Report

NOTHING = Report.of_rehearsal(0, [], dry_run=False)


def test_it_repeats_n_its_origin_and_what_the_plan_noted() -> None:
    summary = {
        "keep_days": 7,
        "keep_days_from": "the default",
        "cutoff": "2026-01-01T00:00:00+00:00",
        "more": True,
        "notes": ["3 row(s) with no timestamp stay in the table"],
    }
    report = NOTHING.with_plan(summary)
    text = "\n".join(report.lines())
    for words in ("nothing was due", "N is 7, from the default", "2026-01-01", "no timestamp", "the next run goes on"):
        assert words in text
    assert report.as_dict()["notes"] == list(report.notes)
