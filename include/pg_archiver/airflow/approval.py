"""A person's approval in Airflow's UI, for those tables that want it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator

# Who does not answer for so long has not approved.
PATIENCE = timedelta(hours=12)


@dataclass(frozen=True)
class Question:
    """What a person is asked: a title that distinguishes it from other requests, and what to know for the answer."""

    subject: str
    body: str


class RewriteApproval(HITLOperator):
    """Asks before a table is rewritten, where the policy says so; otherwise it ends at once. It holds no pool slot.

    It is not an ApprovalOperator: that one has the tasks after it skipped by the scheduler, so that none of them could
    note in the ledger who rejected it.
    """

    APPROVE = "Approve"
    REJECT = "Reject"

    template_fields: Sequence[str] = (*HITLOperator.template_fields, "chosen")

    def __init__(
        self, *, chosen: Any, question: Callable[[list[str], Mapping[str, Any]], Question | None], **kwargs: Any
    ) -> None:
        """Take `question`, which gives what to ask about the chosen table, or None for nothing."""
        super().__init__(
            subject="Rewrite a table?",
            options=[self.APPROVE, self.REJECT],
            defaults=self.REJECT,
            response_timeout=PATIENCE,
            execution_timeout=None,
            **kwargs,
        )
        self.chosen = chosen
        self.question = question

    def execute(self, context: Any) -> Any:
        """Ask, or have nothing to ask."""
        question = self.question(self.chosen, context)
        if question is None:
            return None
        hours = PATIENCE // timedelta(hours=1)
        until = datetime.now(UTC) + PATIENCE
        self.subject = question.subject
        self.body = (
            f"{question.body}\n\n**Answer** until {until:%Y-%m-%d %H:%M} UTC, {hours} hours from now. If it is "
            f"rejected, or nobody answers, the table stays as it is; the next run asks again."
        )
        return super().execute(context)


def is_approved(answer: object) -> bool:
    """Return whether the XCom of the approval says yes."""
    return isinstance(answer, Mapping) and list(answer.get("chosen_options") or []) == [RewriteApproval.APPROVE]


def describe_rejection(answer: object) -> str | None:
    """Return who said no and when, or that nobody answered; None where it was approved, or nobody was asked."""
    if answer is None or is_approved(answer):
        return None
    given = answer if isinstance(answer, Mapping) else {}
    user, when = given.get("responded_by_user"), given.get("responded_at")
    if not user or not isinstance(when, datetime):
        return f"nobody answered within {PATIENCE // timedelta(hours=1)} hours"
    return f"rejected by {user['name']} at {when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
