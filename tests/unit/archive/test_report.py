"""The report says what the plan said, and whatever is not as it should be makes the run fail, by name."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from pg_archiver.archive.report import BatchEnd, Report
from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.domain.work import Batch
from pg_archiver.errors import Unfinished

NOTHING = Report.of_nothing()
WHY = "client 'acme' is not enabled"
START = datetime(2026, 1, 1)  # noqa: DTZ001 (column time)
EXPORTED = {"rows": 7, "csv_bytes": 70, "object_bytes": 30}


def end(number: int, failed: str = "", *, exported: bool = True) -> BatchEnd:
    span = Window(START + timedelta(hours=number), START + timedelta(hours=number + 1))
    return BatchEnd(Batch((DueWindow(span, span),)), str(span), failed, exported)


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
    for words in (
        "nothing was due",
        "N is 7, from the default",
        "2026-01-01",
        "no timestamp",
        "the next run continues",
    ):
        assert words in text
    assert report.as_dict()["notes"] == list(report.notes)
    report.refuse_unfinished()


def test_what_it_had_to_say_before_is_not_lost_by_what_the_plan_says() -> None:
    report = NOTHING.with_note("maintenance is due").with_plan({"keep_days": 7, "keep_days_from": "the default"})
    assert report.notes == ("N is 7, from the default", "maintenance is due")


def test_a_dry_run_says_so_and_why_before_anything_else() -> None:
    report = Report.of_rehearsal([end(1)], [EXPORTED], WHY)
    assert report.lines()[0] == f"this is a dry run, so nothing was written or deleted: {WHY}"
    assert "7 rows of 1 windows" in report.lines()[1]
    assert "DRY RUN, nothing left" in report.note("analytics.events")
    assert report.as_dict()["dry_run"] is True
    assert report.as_dict()["why_dry_run"] == WHY
    report.refuse_unfinished()
    assert Report.of_nothing(WHY).lines()[0].endswith(WHY)


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (end(2, "export failed, delete upstream_failed"), "export failed"),
        (end(2, exported=False), "its export did not report a result"),
        (end(2, "delete never ran"), "delete never ran"),
    ],
)
def test_a_dry_run_of_which_a_part_failed_fails(ended: BatchEnd, words: str) -> None:
    report = Report.of_rehearsal([end(1), ended], [EXPORTED], WHY)
    with pytest.raises(Unfinished, match=f"1 thing.*2026-01-01 02:00 to 03:00: .*{words}.*its rows are not counted"):
        report.refuse_unfinished()
    assert any(line.startswith("not finished: ") for line in report.lines())
    assert "NOT FINISHED: 1" in report.note("analytics.events")


def test_rows_that_can_never_leave_fail_a_run_to_which_nothing_was_due() -> None:
    staying = {"cause": "waits_for_ever", "rows": 72, "words": "72 of 72 may never leave", "never": True}
    with pytest.raises(Unfinished, match="72 of 72 may never leave"):
        NOTHING.with_plan({"staying": [staying]}).refuse_unfinished()
    NOTHING.with_plan({"staying": [staying | {"never": False}]}).refuse_unfinished()


def test_only_the_first_ten_are_named_and_the_others_counted() -> None:
    report = Report.of_rehearsal([end(number, "export failed") for number in range(14)], [], WHY)
    with pytest.raises(Unfinished, match=r"14 thing\(s\).*and 4 more"):
        report.refuse_unfinished()
