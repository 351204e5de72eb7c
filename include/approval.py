"""A person's approval in Airflow's UI, for those tables that want it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

# Who does not answer for so long has not approved.
_PATIENCE = timedelta(hours=12)


class RewriteApproval(ApprovalOperator):
    """Asks before a table is rewritten, where the policy says so; otherwise it ends at once. It holds no pool slot."""

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "chosen")

    def __init__(
        self, *, chosen: Any, question: Callable[[list[str], Mapping[str, Any]], str | None], **kwargs: Any
    ) -> None:
        """`question` gives what to ask about the chosen table, None for nothing."""
        super().__init__(
            subject="Rewrite a table?",
            defaults=self.REJECT,
            response_timeout=_PATIENCE,
            execution_timeout=None,
            **kwargs,
        )
        self.chosen = chosen
        self.question = question

    def execute(self, context: Any) -> Any:
        """Asks, or has nothing to ask."""
        body = self.question(self.chosen, context)
        if body is None:
            return None
        self.body = body
        return super().execute(context)


def approved(answer: object) -> bool:
    """Whether the XCom of the approval says yes."""
    return isinstance(answer, Mapping) and list(answer.get("chosen_options") or []) == [ApprovalOperator.APPROVE]
