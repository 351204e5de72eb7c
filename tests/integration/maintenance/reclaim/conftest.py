"""reclaim with limits that a test can wait for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pg_archiver.maintenance import reclaim as step
from pg_archiver.postgres import activity, snapshot_holders
from pg_archiver.postgres import session as session_module


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(snapshot_holders, "LONG_SNAPSHOT", timedelta(0))
    monkeypatch.setattr(step, "ARCHIVE_WAIT_SECONDS", 0.3)
    monkeypatch.setattr(step, "ARCHIVE_POLL_SECONDS", 0.05)
    monkeypatch.setattr(session_module, "LOCK_WAIT_SECONDS", 0.3)
    monkeypatch.setattr(session_module, "LOCK_POLL_SECONDS", 0.02)
