"""Windows that take longer than a statement may: one error that names the setting, and none once it is raised."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from pg_archiver.archive.export import export
from pg_archiver.errors import DatabaseInterrupted
from pg_archiver.postgres.base_session import SessionLimits
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket
from pg_archiver.s3.uploads import Upload
from tests.support.concurrency import until
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.task_context import connect_airflow, context_of, set_variables, work_on

pytestmark = pytest.mark.more

ROWS = 25
SLOW = """
    CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(0.15); RETURN OLD; END $$;
    CREATE TRIGGER dawdling BEFORE DELETE ON analytics.events FOR EACH ROW EXECUTE FUNCTION public.dawdle()
"""
COPYING = """
    SELECT FROM pg_stat_activity
    WHERE application_name = 'test' AND query LIKE '%%COPY (%%' AND clock_timestamp() - query_start > %s
"""


@pytest.fixture
def filled(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """One window that is due, in a place that Airflow knows."""
    place.sql(EVENTS)
    place.events(*(hours_ago(60 - number / 60) for number in range(ROWS)))
    connect_airflow(place, monkeypatch)
    set_variables(monkeypatch)
    return place


@pytest.mark.parametrize("limit", ["1s", "1h"])
def test_a_delete_batch_that_takes_longer_than_it_may_names_the_setting(filled: Place, limit: str) -> None:
    quick = work_on(filled, enabled=True)
    (batch,), _ = quick.plan(context_of())
    quick.export(batch, context_of())
    quick.store(batch, context_of())
    filled.sql(SLOW)
    limited = work_on(filled.with_policy(statement_timeout=limit), enabled=True)
    if limit == "1s":
        words = "The limit is 1 seconds a statement, by statement_timeout of analytics.events in the policy file"
        with pytest.raises(DatabaseInterrupted, match=re.escape(words)):
            limited.delete(batch, context_of())
        assert len(filled.live()) == ROWS
    else:
        assert limited.delete(batch, context_of()) == {"deleted": ROWS, "changed": 0}


@dataclass(frozen=True)
class _SlowUpload:
    """Takes its time for the first bytes, so that the COPY lasts for more than a second."""

    upload: Upload
    place: Place
    waited: list[bool]

    def write(self, data: bytes) -> None:
        if not self.waited:
            with self.place.server.connect(self.place.database) as looking:
                until(lambda: bool(looking.execute(COPYING.encode(), [timedelta(seconds=1.2)]).fetchall()))
            self.waited.append(True)
        self.upload.write(data)

    def finish(self) -> None:
        self.upload.finish()


@dataclass(frozen=True)
class SlowStore(Bucket):
    """An S3 that is slow at times."""

    place: Any = None
    waited: list[bool] = field(default_factory=list)

    @contextmanager
    def upload(self, key: str) -> Generator[Any]:
        with super().upload(key) as upload:
            yield _SlowUpload(upload, self.place, self.waited)


@pytest.mark.parametrize("seconds", [1, 3600])
def test_a_window_whose_copy_takes_longer_than_it_may_names_the_setting(filled: Place, seconds: int) -> None:
    """The server has more to send than hides in buffers on the way."""
    filled.sql(
        "UPDATE analytics.events SET name = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 30000) AS n)"
    )
    window = filled.window()
    bucket = SlowStore(filled.client, filled.bucket, place=filled)
    limits = SessionLimits(timedelta(seconds=seconds))
    with Session.connect(filled.connect, filled.database, "test", limits=limits) as session:
        if seconds == 1:
            with pytest.raises(DatabaseInterrupted, match="is 1 seconds a statement, by statement_timeout in the pol"):
                export(session, bucket, filled.order, window)
            assert filled.data_keys() == []
        else:
            export(session, bucket, filled.order, window)
            assert filled.check(window) == ROWS
