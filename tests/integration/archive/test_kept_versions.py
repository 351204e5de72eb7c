"""Of a table that keeps the newest versions of each key just those are archived and go that newer ones supersede."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pg_archiver.archive.remove import remove
from pg_archiver.errors import TableRefused
from pg_archiver.policies.versions import parse_floor
from pg_archiver.verify.verify_archive import verify
from tests.support.archived_versions import DOCS, KEEP_3, ArchivedVersions
from tests.support.place import Place, hours_ago
from tests.support.restores import restored


@pytest.fixture
def docs(place: Place) -> ArchivedVersions:
    return ArchivedVersions.made_by(place)


BEGIN = datetime(2025, 1, 1)  # noqa: DTZ001 (column time is naive)
NEWEST = {key: [2, 3, 4] for key in range(1, 6)}
EVERY = {key: [1, 2, 3, 4] for key in range(1, 6)}


def test_what_newer_ones_supersede_is_archived_and_goes(docs: ArchivedVersions) -> None:
    before = docs.place.csv_of_table()
    docs.archive()
    assert docs.all_left() == NEWEST
    assert docs.place.archived() + docs.place.csv_of_table() == before
    assert docs.place.archived().total() == 5
    assert docs.place.windows(keep_days=0) == []


def test_a_run_after_it_takes_what_became_superseded_since(docs: ArchivedVersions) -> None:
    docs.archive()
    docs.sql("INSERT INTO public.docs SELECT doc, 5, %s FROM generate_series(1, 2) AS doc", hours_ago(1))
    before = docs.place.archived() + docs.place.csv_of_table()
    docs.archive("run 2")
    assert docs.all_left() == NEWEST | {1: [3, 4, 5], 2: [3, 4, 5]}
    assert docs.place.archived() + docs.place.csv_of_table() == before


def test_a_plan_says_what_keeps_versions_and_what_binds(docs: ArchivedVersions) -> None:
    docs.sql("CREATE TABLE public.consumers (position int); INSERT INTO public.consumers VALUES (2)")
    found = docs.keep(1, floors=(parse_floor("public.consumers.position"),)).place.plan(keep_days=0)
    assert found.windows == 1
    assert found.kept_by == "floor public.consumers.position"
    assert found.notes[-3:] == (
        "5 rows kept by keep_versions (1)",
        "10 rows kept by floor public.consumers.position",
        "kept by: floor public.consumers.position",
    )
    assert docs.place.plan(keep_days=0).kept_by == "keep_versions (3)"
    young = docs.keep(1).place.plan(keep_days=3_000)
    assert young.kept_by == "keep_days (3000)"
    assert "kept by: keep_days (3000)" in young.summary()["notes"]  # type: ignore[operator]


def test_a_table_of_which_nothing_is_superseded_has_no_window(docs: ArchivedVersions) -> None:
    found = docs.keep(4).place.plan(keep_days=0)
    assert (found.windows, found.kept_by) == (0, "keep_versions (4)")


@pytest.mark.parametrize(("up_to", "left"), [("3", [3, 4]), ("2", [2, 3, 4])])
def test_a_bound_alone_keeps_no_newest(docs: ArchivedVersions, up_to: str, left: list[int]) -> None:
    docs.keep(0, up_to=up_to).archive()
    assert docs.all_left() == dict.fromkeys(range(1, 6), left)


def test_what_was_superseded_at_the_plan_and_no_more_at_the_export_is_in_no_object(docs: ArchivedVersions) -> None:
    windows = docs.place.windows(keep_days=0)
    docs.sql("DELETE FROM public.docs WHERE version = 4")
    for window in windows:
        docs.place.export(window)
    assert docs.place.ledger("state") == [("void",)]


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ("DELETE FROM public.docs WHERE version = 4", 0),
        ("UPDATE public.docs SET version = 0 WHERE version = 4", 0),
        ("UPDATE public.docs SET doc_id = 99, version = doc_id WHERE version = 4", 0),
        ("UPDATE public.docs SET version = 9 WHERE version = 1", 0),
        ("INSERT INTO public.docs SELECT doc, 5, now() FROM generate_series(1, 5) AS doc", 5),
        ("UPDATE public.docs SET body = 'changed' WHERE version = 1", 0),
        ("UPDATE public.docs SET body = 'changed' WHERE version = 4", 5),
    ],
)
def test_what_was_committed_after_the_export_counts(docs: ArchivedVersions, change: str, gone: int) -> None:
    windows = docs.stored()
    docs.sql(change)
    assert docs.delete(windows) == gone


def test_a_lower_floor_that_comes_after_the_export_counts(docs: ArchivedVersions) -> None:
    docs.sql("CREATE TABLE public.consumers (position int); INSERT INTO public.consumers VALUES (9)")
    docs = docs.keep(1, floors=(parse_floor("public.consumers.position"),))
    windows = docs.stored()
    docs.sql("INSERT INTO public.consumers VALUES (2)")
    assert docs.delete(windows) == 5
    assert docs.all_left() == NEWEST


def test_one_on_the_list_that_is_among_the_newest_by_now_stays_and_supersedes_no_other_with_itself(
    place: Place,
) -> None:
    docs = ArchivedVersions.made_by(place, f"{DOCS}; INSERT INTO public.docs SELECT 1, 5, '{hours_ago(30)}'")
    windows = docs.stored()
    docs.sql("DELETE FROM public.docs WHERE doc_id = 1 AND version >= 4")
    docs.delete(windows)
    # Of the first two on the list, 3 and 2 and 1 are the newest now.
    assert docs.left() == [1, 2, 3]


@pytest.mark.parametrize("change", ["DELETE FROM public.docs", "UPDATE public.docs SET version = 0"])
def test_a_newest_version_that_somebody_is_taking_away_supersedes_none(docs: ArchivedVersions, change: str) -> None:
    windows = docs.stored()
    with docs.place.connect() as user:
        user.execute(f"{change} WHERE version = 4".encode())
        assert docs.delete(windows) == 0
        user.rollback()
    docs.archive("run 2")
    assert docs.all_left() == NEWEST


def test_a_newest_version_cannot_be_taken_away_while_an_older_one_goes(docs: ArchivedVersions) -> None:
    windows, seen = docs.stored(), []

    def renumber(_session: object, _rows: int) -> None:
        for change in ("DELETE FROM public.docs", "UPDATE public.docs SET version = 0"):
            with docs.place.connect() as user:
                user.execute("SET lock_timeout = '100ms'")
                try:
                    user.execute(f"{change} WHERE version = 4".encode())
                except Exception as error:  # noqa: BLE001 (its class is looked at)
                    seen.append(type(error).__name__)
                user.rollback()

    docs.delete(windows, renumber)
    assert seen == ["LockNotAvailable"] * 2


def test_a_version_that_somebody_has_locked_stays_for_the_next_run(docs: ArchivedVersions) -> None:
    windows = docs.stored()
    with docs.place.connect() as user:
        user.execute("SELECT FROM public.docs WHERE doc_id = 1 AND version = 1 FOR UPDATE")
        # Nobody waits for it until the limit of the session is over, which would end the delete.
        assert docs.delete(windows) == 4
        user.rollback()
    assert docs.all_left() == NEWEST | {1: [1, 2, 3, 4]}
    docs.archive("run 2")
    assert docs.all_left() == NEWEST


def test_batches_smaller_than_a_key_leave_the_newest(place: Place) -> None:
    docs = ArchivedVersions.made_by(place)
    docs.sql("INSERT INTO public.docs SELECT 9, number, %s FROM generate_series(1, 50) AS number", hours_ago(40))
    docs = docs.keeping(KEEP_3, batch_size=7)
    before = docs.place.csv_of_table()
    docs.archive()
    assert docs.all_left() == NEWEST | {9: [48, 49, 50]}
    assert docs.place.archived() + docs.place.csv_of_table() == before


def test_a_delete_that_was_broken_off_goes_on_with_the_newest_of_the_next_batch(docs: ArchivedVersions) -> None:
    docs = docs.keeping(replace(KEEP_3, keep=2), batch_size=3)
    windows = docs.stored()

    class BrokenOffError(Exception):
        pass

    counts: list[int] = []

    def count(_session: object, rows: int) -> None:
        counts.append(rows)
        if len(counts) == 2:
            raise BrokenOffError

    with pytest.raises(BrokenOffError):
        docs.delete(windows, count)
    assert sum(map(len, docs.all_left().values())) == 17
    docs.delete(windows)
    assert docs.all_left() == {key: [3, 4] for key in range(1, 6)}


def test_such_rows_never_leave_by_ranges_of_time(docs: ArchivedVersions) -> None:
    # All of the window, so that as many rows are exported as its parts hold.
    docs.keep(0, up_to="9").stored()
    assert [(one.rows, one.sub_ranges) for one in docs.place.manifests()] == [(20, None)]


def test_what_was_exported_before_versions_were_kept_is_exported_anew(docs: ArchivedVersions) -> None:
    windows = docs.keeping(None).stored()
    (manifest,) = docs.place.manifests()
    assert manifest.sub_ranges
    assert manifest.keys is None
    assert docs.delete(windows) == 0
    assert docs.all_left() == EVERY
    docs.archive("run 2")
    assert docs.all_left() == NEWEST


def test_what_began_to_leave_by_ranges_before_versions_were_kept_ends_there(docs: ArchivedVersions) -> None:
    by_age = docs.keeping(None, batch_size=5)
    windows = by_age.stored()
    counts: list[int] = []

    def count(_session: object, rows: int) -> None:
        counts.append(rows)
        if len(counts) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        by_age.delete(windows, count)
    left = docs.all_left()
    docs.delete(windows)
    assert docs.all_left() == left
    ((note,),) = docs.sql("SELECT note FROM archiver.windows")
    assert note.startswith("the policy has kept versions since the export")


PARTITIONED = f"""
    CREATE TABLE public.docs (doc_id int, version bigint, at timestamp, PRIMARY KEY (doc_id, version, at))
    PARTITION BY RANGE (at);
    CREATE TABLE public.docs_old PARTITION OF public.docs FOR VALUES FROM ('{{start}}') TO ('{{end}}');
    CREATE INDEX ON public.docs (at);
    INSERT INTO public.docs SELECT doc, version, timestamp '{hours_ago(0)}' - (14 - version) * interval '1 day'
    FROM generate_series(1, 5) AS doc, generate_series(1, 4) AS version
"""


def test_where_rows_were_listed_then_they_go_by_the_list(place: Place) -> None:
    docs = ArchivedVersions.made_by(place, PARTITIONED.format(start=hours_ago(24 * 30).date(), end=hours_ago(0).date()))
    windows = docs.keeping(None).stored()
    assert all(manifest.sub_ranges and manifest.keys for manifest in docs.place.manifests())
    assert docs.delete(windows) == 5
    assert docs.all_left() == NEWEST


def test_no_partition_goes_as_a_whole(place: Place) -> None:
    docs = ArchivedVersions.made_by(place, PARTITIONED.format(start=hours_ago(24 * 30).date(), end=hours_ago(0).date()))
    hourly = ArchivedVersions(docs.place.with_policy(window_hours=1))
    assert hourly.place.plan(keep_days=0).partitions == ()
    hourly.archive()
    assert docs.all_left() == NEWEST


def test_a_partition_that_was_to_be_dropped_before_versions_were_kept_stays(place: Place) -> None:
    docs = ArchivedVersions.made_by(place, PARTITIONED.format(start=hours_ago(24 * 30).date(), end=hours_ago(0).date()))
    by_age = ArchivedVersions(docs.keeping(None).place.with_policy(window_hours=24))
    by_age.stored()
    (batch,) = by_age.place.plan(keep_days=0).batches
    assert batch.partition
    with docs.place.session() as session:
        remove(session, docs.place.store, docs.place.order, batch, lambda: False, lambda: None)
    assert docs.all_left() == NEWEST


def test_a_hold_keeps_the_whole_window_of_versions(docs: ArchivedVersions) -> None:
    docs = docs.keep(1)
    docs.archive()
    restored(docs.place, BEGIN + timedelta(days=365), BEGIN + timedelta(days=367))
    # Of versions 1, 2 and 3 the first alone is in the span of the hold.
    docs.sql("INSERT INTO public.docs SELECT doc, 5, now() FROM generate_series(1, 5) AS doc")
    found = docs.place.plan(keep_days=0)
    assert (found.windows, found.kept_by) == (0, "hold of a restore")
    assert "10 rows kept by hold of a restore" in found.notes


def test_children_keep_what_they_point_to(docs: ArchivedVersions) -> None:
    docs.sql(
        "CREATE TABLE public.quotes (doc_id int, version bigint, FOREIGN KEY (doc_id, version) REFERENCES public.docs);"
        "INSERT INTO public.quotes VALUES (1, 1)"
    )
    docs = docs.keeping(KEEP_3, children=(parse_floor("public.quotes.x").table,))
    assert "1 row kept by rows that point to them" in docs.place.plan(keep_days=0).notes
    docs.archive()
    assert docs.all_left() == NEWEST | {1: [1, 2, 3, 4]}


def test_rows_without_a_key_or_a_version_stay_and_are_told(place: Place) -> None:
    docs = ArchivedVersions.made_by(
        place,
        "CREATE TABLE public.docs (id int PRIMARY KEY, doc_id int, version bigint, at timestamp);"
        f"INSERT INTO public.docs SELECT one.*, timestamp '{hours_ago(50)}' FROM (VALUES (1, 1, 1), (2, 1, 2),"
        " (3, 1, NULL), (4, NULL, 1), (5, NULL, 2)) AS one",
    ).keep(1)
    assert "3 rows kept by a key or version that is NULL" in docs.place.plan(keep_days=0).notes
    docs.archive()
    assert [row[0] for row in docs.sql("SELECT id FROM public.docs ORDER BY id")] == [2, 3, 4, 5]


@pytest.mark.first_run
def test_a_role_needs_the_right_to_lock(docs: ArchivedVersions) -> None:
    rights = ("SELECT, DELETE ON public.docs", "USAGE ON SCHEMA public")
    guest = ArchivedVersions(docs.place.as_role("guest", *rights))
    with pytest.raises(TableRefused, match=r"the newest versions are locked while older ones go\. Fix: grant UPDATE"):
        guest.place.plan(keep_days=0)
    docs.sql(f'GRANT UPDATE (body) ON public.docs TO "{guest.place.role}"')
    assert guest.place.plan(keep_days=0).windows == 1


def test_a_run_after_one_of_a_hundred_keys_changed_writes_few_objects_for_two_years(place: Place) -> None:
    docs = ArchivedVersions.made_by(
        place,
        "CREATE TABLE public.docs (doc_id int, version bigint, at timestamp, PRIMARY KEY (doc_id, version));"
        "CREATE INDEX ON public.docs (at);"
        f"INSERT INTO public.docs SELECT number / 10, mod(number, 10), timestamp '{hours_ago(24)}'"
        " - random() * interval '730 days' FROM generate_series(0, 9999) AS number",
    )
    docs.archive()
    assert sum(map(len, docs.all_left().values())) == 3000
    before = set(docs.place.keys())
    docs.sql("INSERT INTO public.docs SELECT doc, 10, %s FROM generate_series(0, 9) AS doc", hours_ago(2))
    docs.archive("run 2")
    assert sum(map(len, docs.all_left().values())) == 3000
    # Of each window its rows, their list, and the manifest.
    assert 0 < len(set(docs.place.keys()) - before) <= 24


def test_restored_versions_are_held_and_then_go_again(docs: ArchivedVersions) -> None:
    docs.archive()
    back = restored(docs.place, BEGIN)
    assert (back.restored, docs.all_left()) == (5, EVERY)
    held = docs.place.plan(keep_days=0)
    assert (held.windows, held.kept_by) == (0, "hold of a restore")
    docs.archive("run 2")
    assert docs.all_left() == EVERY
    docs.sql("UPDATE archiver.restores SET hold_until = now()")
    docs.archive("run 3")
    assert docs.all_left() == NEWEST
    with docs.place.session() as session:
        found = verify(session, docs.place.store, docs.place.order)
    assert not found.problems, found
