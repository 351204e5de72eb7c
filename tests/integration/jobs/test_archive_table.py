"""The action `archive` of a job: what is due of its table goes through all steps, and is counted as it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pytest
from botocore.exceptions import ClientError

from pg_archiver.errors import (
    CheckFailed,
    DatabaseInterrupted,
    DatabaseRefused,
    Interrupted,
    JobRefused,
    OwnedElsewhere,
    Stopped,
    StorageRefused,
    TableRefused,
    Unfinished,
    ValueRefused,
)
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket, Download
from tests.integration.archive.test_one_bad_window import UNREADABLE
from tests.support.archive_jobs import ArchiveJob
from tests.support.place import EVENTS, Place, hours_ago

HOURS = (60, 59, 58, 57, 56)
ROWS_A_WINDOW = 3
DUE = len(HOURS) * ROWS_A_WINDOW
# One window a plan, so that a run plans again and again.
ONE_BY_ONE = {"max_mapped_windows": 1, "windows_per_task": 1}


@pytest.fixture
def filled(place: Place) -> Place:
    """Five windows that are due, of three rows each, and a row that is not."""
    place.sql(EVENTS)
    place.events(*(hours_ago(hour - part / 10) for hour in HOURS for part in range(1, ROWS_A_WINDOW + 1)), hours_ago(1))
    return place.ordered(batch_size=2)


def left(place: Place) -> int:
    return int(place.sql("SELECT count(*) FROM analytics.events")[0][0])


@dataclass(frozen=True)
class DamagingStore(Bucket):
    """Damages the object of one hour before it is read back."""

    place: Place | None = None
    hour: str = ""

    @contextmanager
    def open(self, key: str) -> Generator[Download]:
        if self.place and self.hour in key and not key.rsplit("/", 1)[1].startswith("_"):
            self.place.write(key, b"something else")
        with super().open(key) as answer:
            yield answer


def damaging(place: Place, moment: datetime) -> Bucket:
    hour = f"dt={moment:%Y-%m-%d}/hour={moment:%H}/"
    return DamagingStore(place.client, place.bucket, place=place, hour=hour)


def after(
    asked: int, reason: str | None = "its row has changed", error: Exception | None = None
) -> Callable[[], str | None]:
    """Says so when it has been asked so often."""
    left_to_ask = [asked]

    def stopping() -> str | None:
        left_to_ask[0] -= 1
        if left_to_ask[0] < 0 and error:
            raise error
        return "its row has changed" if left_to_ask[0] < 0 else None

    return stopping


def test_what_is_due_goes_and_is_counted_with_the_rows(filled: Place) -> None:
    before, job = filled.csv_of_table(), ArchiveJob.of(filled)
    found = job.archive()
    assert (found.rows, found.left, left(filled)) == (DUE, None, 1)
    assert job.counted() == DUE
    assert filled.csv_of_table() + filled.archived() == before
    assert found.bytes == sum(manifest.data.bytes for manifest in filled.manifests())
    assert found.told.startswith(f"{DUE} rows of {len(HOURS)} windows archived (")
    assert "due is what is older than" in found.told
    assert "the job's keep_days: 2" in found.told
    again = job.archive()
    assert (again.rows, again.bytes, left(filled)) == (0, 0, 1)
    assert again.told.startswith("nothing is due; due is what is older than")
    assert job.opened[-2:] == ["begin", "plan"]


def test_it_plans_until_nothing_is_left(filled: Place) -> None:
    job = ArchiveJob.of(filled, **ONE_BY_ONE)
    assert job.archive().rows == DUE
    assert (left(filled), job.opened.count("plan"), job.opened.count("export")) == (1, len(HOURS), 1)


def test_rows_that_become_due_while_it_runs_are_the_next_run_s(filled: Place) -> None:
    job, late = ArchiveJob.of(filled, **ONE_BY_ONE), list[int]()

    def count(session: Session, rows: int) -> None:
        if not late:
            late.append(rows)
            filled.events(hours_ago(HOURS[0] - 0.5))

    assert job.archive(count=count).rows == DUE
    assert left(filled) == 2
    assert job.archive().rows == 1


@pytest.mark.parametrize("settings", [{}, ONE_BY_ONE], ids=["one plan", "many"])
def test_a_bad_window_keeps_no_other_one_is_tried_once_and_told(filled: Place, settings: dict[str, int]) -> None:
    filled.sql(UNREADABLE)
    job = ArchiveJob.of(filled, **settings)
    for generations in (1, 2):
        with pytest.raises(ValueRefused, match="a value does not fit its column"):
            job.archive()
        assert left(filled) == ROWS_A_WINDOW + 1
        assert job.counted() == DUE - ROWS_A_WINDOW
        assert len(filled.ledger()) == len(HOURS) - 1 + generations


def test_what_failed_in_any_step_is_told_together(filled: Place) -> None:
    filled.sql(UNREADABLE)
    with pytest.raises(CheckFailed) as told:
        ArchiveJob.of(filled).archive(bucket=damaging(filled, hours_ago(HOURS[2])))
    assert "does not fit its column" in str(told.value)
    assert left(filled) == 2 * ROWS_A_WINDOW + 1
    assert [state for (state, *_) in filled.ledger()] == ["planned", "deleted", "void", "deleted", "deleted"]


def test_an_end_in_good_order_is_told_and_the_next_run_goes_on(filled: Place) -> None:
    job, before = ArchiveJob.of(filled), filled.csv_of_table()
    for asked in range(1, 40, 3):
        found = job.archive(stopping=after(asked))
        assert filled.csv_of_table() + filled.archived() >= before
        assert job.counted() == DUE + 1 - left(filled)
        if found.left is None:
            break
        assert found.left == "its row has changed"
    assert left(filled) == 1


def test_it_ends_before_anything_if_it_is_not_wanted(filled: Place) -> None:
    job = ArchiveJob.of(filled)
    found = job.archive(stopping=after(0))
    assert (found.rows, found.left) == (0, "its row has changed")
    assert job.opened == ["begin"]


def test_it_ends_between_two_batches_of_a_window(filled: Place) -> None:
    job, counted = ArchiveJob.of(filled), []

    def count(session: Session, rows: int) -> None:
        counted.append(rows)

    found = job.archive(stopping=lambda: "max_runtime" if counted else None, count=count)
    assert (found.rows, found.left, counted) == (2, "max_runtime", [2])
    assert left(filled) == DUE + 1 - 2


@pytest.mark.parametrize("error", [Stopped("told to end"), Interrupted("the database of the job is away")], ids=str)
@pytest.mark.parametrize("asked", [0, 3, 9, 12])
def test_what_the_question_raises_ends_it(filled: Place, error: Exception, asked: int) -> None:
    job, answers, times = ArchiveJob.of(filled), after(asked, error=error), list[int]()

    def stopping() -> str | None:
        times.append(1)
        return answers()

    with pytest.raises(type(error), match=str(error)):
        job.archive(stopping=stopping)
    assert job.counted() == DUE + 1 - left(filled)
    assert left(filled) > 1
    assert len(times) == asked + 1, "nobody is asked again"


def test_one_thread_asks_at_a_time_and_none_once_it_has_ended(filled: Place) -> None:
    asking, ended, overlaps = threading.Lock(), list[bool](), list[bool]()

    def stopping() -> str | None:
        overlaps.append(not asking.acquire(blocking=False))
        filled.sql("SELECT pg_sleep(0.01)")
        assert not ended
        if len(overlaps) > 8:
            ended.append(True)
        asking.release()
        return "enough" if ended else None

    assert ArchiveJob.of(filled).archive(stopping=stopping).left == "enough"
    assert not any(overlaps)


def test_rows_that_cannot_be_counted_stay(filled: Place) -> None:
    def refuse(_session: Session, _rows: int) -> None:
        raise DatabaseRefused("may not count")

    with pytest.raises(DatabaseRefused, match="may not count"):
        ArchiveJob.of(filled).archive(count=refuse)
    assert left(filled) == DUE + 1


def test_what_is_rolled_back_is_not_counted(filled: Place) -> None:
    filled.sql(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF OLD.id = 5 THEN RAISE EXCEPTION ''not this one''; END IF; RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER late AFTER DELETE ON analytics.events DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION refuse()
        """
    )
    job = ArchiveJob.of(filled)
    with pytest.raises(DatabaseRefused):
        job.archive()
    assert job.counted() == DUE + 1 - left(filled)
    assert 1 < left(filled) <= ROWS_A_WINDOW + 1


def test_rows_that_never_leave_are_no_success_for_long(filled: Place) -> None:
    filled.sql(
        """
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keeping BEFORE DELETE ON analytics.events FOR EACH ROW EXECUTE FUNCTION keep()
        """
    )
    job = ArchiveJob.of(filled)
    assert f"{DUE} rows had changed since the export and stayed" in job.archive().told
    with pytest.raises(Unfinished, match=r"rows of 5 windows do not leave: .* in two runs in a row"):
        job.archive()
    assert len(filled.ledger()) == 2 * len(HOURS)


def test_a_column_in_which_no_row_has_a_time_is_no_success(filled: Place) -> None:
    filled.sql("ALTER TABLE analytics.events ADD gone_at timestamp")
    job = ArchiveJob.of(filled, timestamp_column="gone_at")
    for act in (job.rehearse, job.archive):
        with pytest.raises(Unfinished, match=r"no row of analytics\.events has a usable timestamp in gone_at"):
            act()


def test_another_database_that_acts_for_the_archive_is_not_joined(filled: Place) -> None:
    job = ArchiveJob.of(filled)
    job.archive()
    filled.sql("DELETE FROM archiver.owners")
    filled.events(hours_ago(54))
    with pytest.raises(JobRefused, match="another database may act for its archive"):
        job.rehearse()
    with pytest.raises(OwnedElsewhere, match="adopt"):
        job.archive()
    assert left(filled) == 2
    assert job.archive(adopt="it was brought back from a backup").rows == 1


def test_a_connection_that_breaks_ends_the_run_and_the_next_one_goes_on(filled: Place) -> None:
    job = ArchiveJob.of(filled)

    def cut(session: Session, rows: int) -> None:
        filled.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ 'delete'")

    with pytest.raises(DatabaseInterrupted):
        job.archive(count=cut)
    assert left(filled) == DUE + 1
    assert job.archive().rows == DUE
    assert job.counted() == DUE


def test_a_rehearsal_tells_what_would_go_and_leaves_nothing(filled: Place) -> None:
    told = ArchiveJob.of(filled).rehearse()
    first, last = (f"{hours_ago(hour):%Y-%m-%d %H:%M}" for hour in (HOURS[0], HOURS[-1] - 1))
    assert told.startswith(
        f"5 windows from {first} to {last} would be archived, and their rows deleted; due is what is"
    )
    assert "(the job's keep_days: 2)" in told
    assert (left(filled), filled.keys(), filled.has_ledger()) == (DUE + 1, [], False)
    assert "1 window and more from" in ArchiveJob.of(filled, **ONE_BY_ONE).rehearse()


def test_a_rehearsal_and_a_run_are_refused_for_the_same(filled: Place) -> None:
    missing = ArchiveJob.of(filled.on("analytics.missing"))
    elsewhere = ArchiveJob.of(filled)
    bucket = Bucket(filled.client, "no-such-bucket")
    for act in (missing.rehearse, missing.archive):
        with pytest.raises(TableRefused, match="has no table 'missing'"):
            act()
    for act in (elsewhere.rehearse, elsewhere.archive):
        with pytest.raises(StorageRefused, match="no-such-bucket"):
            act(bucket=bucket)
    assert left(filled) == DUE + 1


def test_a_rehearsal_tries_to_write(filled: Place) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "CreateMultipartUpload")

    job = ArchiveJob.of(filled)
    assert "would be archived" in job.rehearse()
    filled.client.meta.events.register("before-call.s3.CreateMultipartUpload", refuse)
    with pytest.raises(StorageRefused):
        job.rehearse()


def test_nothing_is_asked_of_the_database_where_everything_is_kept(filled: Place) -> None:
    job = ArchiveJob.of(filled, keep_days=-1)
    assert job.archive(run=1).told == "the job's keep_days is -1: everything is kept"
    assert job.opened == []
    assert job.rehearse() == "the job's keep_days is -1: everything is kept"
