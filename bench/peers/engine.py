"""Ours as a library: the steps of a run, in one process, side by side."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from bench.peers.opening import open_task
from bench.peers.protocol import serve
from pg_archiver.archive.pipeline import archive
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres.session import Session


def work(task: dict[str, Any]) -> None:
    """Plans the policy file's one table as of now and archives all that is due."""
    opened = open_task(task)

    def open_session(step: str) -> AbstractContextManager[Session]:
        return Session.connect(opened.connect, opened.database, f"archiver bench {step}")

    with open_session("plan") as session:
        due = opened.plan(session)
        WindowLedger(session, opened.order).migrate()
    windows = (window for batch in due.batches for window in batch)
    archive(open_session, opened.bucket, opened.order, windows, lambda: False)


if __name__ == "__main__":
    serve(work)
