"""Requests, dollars and minutes of an archive."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pg_archiver.preview.costs import (
    OF_A_RUN,
    Requests,
    WindowSize,
    dollars_a_month,
    format_dollars,
    requests_for,
    seconds_for,
)
from pg_archiver.s3.part_sizes import PartSizes

PART_BYTES = PartSizes().first
LISTED = WindowSize(rows=10, csv_bytes=1000, data_bytes=200, sidecar_bytes=50)
UNLISTED = replace(LISTED, sidecar_bytes=0)


def test_a_window_of_few_rows_takes_six_requests_and_more_with_a_list() -> None:
    assert requests_for([UNLISTED], runs=0, by_list=False) == Requests(put=2, post=0, get=2, head=2)
    assert requests_for([UNLISTED], runs=0, by_list=False).total == 6
    assert requests_for([LISTED], runs=0, by_list=False).total == 8
    assert requests_for([LISTED], runs=0, by_list=True).total == 9
    assert requests_for([], runs=2, by_list=False) == OF_A_RUN + OF_A_RUN


@pytest.mark.parametrize(
    ("size", "put", "post"),
    [(PART_BYTES - 1, 1, 0), (PART_BYTES, 1, 2), (PART_BYTES + 1, 2, 2), (2 * PART_BYTES, 2, 2)],
)
def test_a_large_object_goes_in_parts(size: int, put: int, post: int) -> None:
    large = WindowSize(rows=10, csv_bytes=size, data_bytes=size, sidecar_bytes=50)
    assert requests_for([large], runs=0, by_list=True) == Requests(put=put + 2, post=post, get=4, head=2 + (post > 0))


def test_a_million_rows_of_the_benchmark_cost_what_its_page_says() -> None:
    """Four windows of two parts each and the plan of one run, for 111,108 rows: $0.0013 a million.

    To a store that may write a key twice, which is asked for each small object's key before.
    """
    window = WindowSize(rows=27_777, csv_bytes=41e6, data_bytes=1.5 * PART_BYTES, sidecar_bytes=300_000)
    sent = requests_for([window] * 4, runs=1, by_list=True) + Requests(head=2 * 4)
    assert sent.dollars * 1e6 / 111_108 == pytest.approx(0.00126, rel=0.01)


@pytest.mark.parametrize("amount", [1e-9, 0.0099])
def test_nothing_that_costs_something_is_told_as_zero(amount: float) -> None:
    assert format_dollars(amount) == "less than $0.01"


def test_dollars_and_seconds() -> None:
    assert format_dollars(1234.5) == "about $1,234.50"
    assert dollars_a_month(100 * 2**30) == pytest.approx(2.30)
    assert seconds_for(101e6, windows=25, tasks=100) == pytest.approx(1 + 1 + 43)
