"""What a person's answer to the request for a rewrite means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pg_archiver.airflow.approval import RewriteApproval, describe_rejection, is_approved

WHEN = datetime(2026, 11, 26, 1, 16, tzinfo=UTC)


def answer(option: str, user: dict[str, str] | None, when: object = WHEN) -> dict[str, Any]:
    return {"chosen_options": [option], "params_input": {}, "responded_at": when, "responded_by_user": user}


def test_only_a_plain_yes_is_an_approval() -> None:
    assert is_approved({"chosen_options": [RewriteApproval.APPROVE]})
    answers: tuple[object, ...] = (
        None,
        {},
        {"chosen_options": []},
        {"chosen_options": [RewriteApproval.REJECT]},
        {"chosen_options": [RewriteApproval.APPROVE, RewriteApproval.REJECT]},
        "Approve",
        True,
    )
    assert not any(map(is_approved, answers))


def test_a_rejection_names_who_and_when() -> None:
    rejected = answer(RewriteApproval.REJECT, {"id": "1", "name": "admin"})
    assert describe_rejection(rejected) == "rejected by admin at 2026-11-26 01:16 UTC"


def test_no_answer_is_told_from_a_no() -> None:
    assert describe_rejection(answer(RewriteApproval.REJECT, None)) == "nobody answered within 12 hours"


def test_an_approval_and_no_question_are_no_rejection() -> None:
    assert describe_rejection(answer(RewriteApproval.APPROVE, {"id": "1", "name": "admin"})) is None
    assert describe_rejection(None) is None


@pytest.mark.parametrize("odd", [{}, "Approve", True, {"chosen_options": []}])
def test_what_is_not_understood_is_no_approval(odd: object) -> None:
    assert describe_rejection(odd) is not None
