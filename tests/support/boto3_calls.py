"""What was asked of boto3 itself, as its own history tells, and so what was sent without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from botocore.history import BaseHistoryHandler, get_global_history_recorder


class _Calls(BaseHistoryHandler):
    """The recorder is one for the process and keeps its handlers, so there is one of this."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()

    def emit(self, event_type: str, payload: Any, source: str) -> None:
        if event_type == "API_CALL":
            self.made[payload["operation"]] += 1


_CALLS = _Calls()
get_global_history_recorder().add_handler(_CALLS)


@contextmanager
def counting_boto3() -> Generator[Counter[str]]:
    """Counts the calls of every client in this block, by operation."""
    recorder = get_global_history_recorder()
    _CALLS.made = Counter()
    recorder.enable()
    try:
        yield _CALLS.made
    finally:
        recorder.disable()
