"""The figures of a preview, against what a real archive then makes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import pytest

from pg_archiver.archive.plan import Outlook, foresee
from pg_archiver.archive.run_span import Limits
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import SettingError
from pg_archiver.policies.retention import KEEP_EVERYTHING, KeepDays
from pg_archiver.postgres.catalog import describe_table
from tests.faults.s3_proxy import Answer, Fault, Forward, Request, S3Proxy
from tests.support.place import EVENTS, NOW, Place, hours_ago
from tests.support.previews import FILL, filled, looked_at, missing, reading, through
from tests.support.restores import restored

pytestmark = pytest.mark.more

SENT = frozenset(
    {"PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload", "GetObject", "HeadObject"}
    | {"HeadBucket", "AbortMultipartUpload"}
)
METHODS = {
    "put": ("PutObject", "UploadPart"),
    "post": ("CreateMultipartUpload", "CompleteMultipartUpload"),
    "get": ("GetObject",),
    "head": ("HeadObject", "HeadBucket"),
}


def outlook(place: Place, keep_days: int = 2) -> Outlook:
    wanted = Limits(NOW, None, None)
    with reading(place) as database:
        shape = describe_table(database, place.order.table, place.order.timestamp_column, place.order.children)
        return foresee(database, shape, place.order, place.policy, KeepDays(keep_days, "the test"), wanted)


def sizes(place: Place) -> Counter[str]:
    """The bytes in the bucket, by what holds them."""
    found: Counter[str] = Counter()
    for entry in place.client.list_objects_v2(Bucket=place.bucket).get("Contents", []):
        name = entry["Key"].rsplit("/", 1)[1]
        kind = "manifest" if name.endswith(".json") else "sidecar" if name.startswith("_") else "data"
        found[kind] += entry["Size"]
    return found


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize(("rows", "hours"), [(6000, 40), (90, 30), (30_000, 2)], ids=["usual", "few", "large windows"])
def test_the_figures_are_what_an_archive_then_makes(place: Place, compression: str, rows: int, hours: int) -> None:
    place = filled(place, rows, hours).ordered(compression=compression, batch_size=10_000)
    told = looked_at(place)
    place.archive()
    manifests = place.manifests()
    assert told.counted
    assert (told.windows, told.rows) == (len(manifests), sum(manifest.rows for manifest in manifests))
    assert told.objects == len(place.keys())
    assert told.volume
    found = sizes(place)
    csv_bytes = sum(manifest.data.content_bytes for manifest in manifests)
    assert told.volume.csv_bytes == pytest.approx(csv_bytes, rel=0.2)
    assert told.volume.data_bytes == pytest.approx(found["data"], rel=0.2)
    assert told.volume.sidecar_bytes == found["sidecar"] == 0
    assert told.volume.manifest_bytes == pytest.approx(found["manifest"], rel=0.2)
    assert looked_at(place).nothing_due


def test_the_requests_are_those_that_are_sent(moto_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a store that has shown that it writes no key twice, as S3 does."""
    place = moto_place
    place.sql(EVENTS)
    place.sql(FILL, hours_ago(49), 3, 900)
    # And one window whose object goes in parts.
    place.sql(
        "INSERT INTO analytics.events (triggered_at, name)"
        " SELECT %s, string_agg(md5(random()::text), '') FROM generate_series(1, 20000) AS part, generate_series(1, 40)"
        " AS number GROUP BY number",
        hours_ago(80),
    )
    place = place.ordered(batch_size=10_000)
    told = looked_at(place)
    sent: Counter[str] = Counter()

    def note(request: Request, forward: Forward) -> Answer:
        sent[request.operation] += 1
        return forward(request.body)

    with S3Proxy.started(place.s3.endpoint_url) as proxy:
        bucket = replace(place, client=through(place, proxy)).store
        assert bucket.try_second_write(f"client={place.order.client}/", f"client={place.order.client}/_second_write")
        monkeypatch.setattr(Place, "store", property(lambda _: bucket))
        with proxy.doing(Fault(SENT, note)):
            place.archive()
    assert {method: sum(sent[name] for name in names) for method, names in METHODS.items()} == asdict(told.requests)
    assert sent["UploadPart"] > 1


def test_the_batches_of_the_first_run_are_those_of_the_plan(place: Place) -> None:
    for policy in ({}, {"max_mapped_windows": 7, "windows_per_task": 2}, {"max_mapped_windows": 3}):
        if not policy:
            filled(place, 3000, 130)
        limited = place.with_policy(**policy)
        plan = limited.plan()
        found = outlook(limited)
        assert found.runs[0] == plan.batches
        assert (len(found.runs) > 1) == plan.more
        assert found.complete
        assert len(found.windows) == len({window.cell for window in found.windows}) == 130


def test_it_tells_how_many_runs_it_takes(place: Place) -> None:
    told = looked_at(filled(place, 3000, 50).with_policy(max_mapped_windows=5, windows_per_task=3))
    assert (told.runs, told.batches, told.windows) == (4, 17, 50)
    assert "work      4 runs; 17 batches of windows" in "\n".join(told.lines("gzip", None))


def test_it_counts_the_task_instances_that_a_policy_asks_for(place: Place) -> None:
    place = filled(place, 3000, 50)
    seconds = []
    for tasks in ("chain", "auto", "one"):
        told = looked_at(place.with_policy(tasks=tasks, max_mapped_windows=5, windows_per_task=9))
        work = "\n".join(told.lines("gzip", None))
        seconds.append(told.seconds or 0)
        assert (told.runs, told.windows) == (2, 50)
        if tasks == "chain":
            assert (told.alone, told.batches) == (0, 6)
            assert (
                "work      2 runs; 6 batches of windows, each with a task to export, to store and to delete; " in work
            )
        else:
            assert (told.alone, told.batches) == (2, 0)
            assert "work      2 runs; one task for all of each run; " in work
    assert seconds[0] - seconds[1] == pytest.approx(0.43 * (6 * 3 + 2 * 2 - 2))
    assert seconds[1] == seconds[2]
    much = looked_at(place.with_policy(tasks="auto", max_mapped_windows=7, windows_per_task=7))
    assert (much.runs, much.alone, much.batches) == (2, 1, 7), "49 windows are not few, and one is"
    assert "and one task for all of 1 run; " in "\n".join(much.lines("gzip", None))


def test_a_count_that_takes_long_is_an_estimate_and_is_told_as_one(place: Place) -> None:
    filled(place, 40_000)
    told = looked_at(place, longest_count=timedelta(milliseconds=1))
    assert not told.counted
    assert told.rows == pytest.approx(40_000, rel=0.2)
    assert told.windows == 41
    assert "due       about " in "\n".join(told.lines("gzip", None))
    assert "the planner's estimate" in "\n".join(told.lines("gzip", None))


def test_nothing_due_is_said_so(place: Place) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(1))
    for keep_days in (2, KEEP_EVERYTHING):
        told = looked_at(place, keep_days)
        assert told.nothing_due
        assert "due       nothing is due: a run would archive and delete nothing" in told.lines("gzip", None)
    told = looked_at(place, start=hours_ago(10))
    assert told.nothing_due


def test_start_and_end_limit_it(place: Place) -> None:
    filled(place, 400, 40)
    told = looked_at(place, start=hours_ago(60), end=hours_ago(50))
    assert (told.windows, told.rows) == (10, 100)
    with pytest.raises(SettingError, match="is not after start"):
        looked_at(place, start=hours_ago(50), end=hours_ago(60))


def test_holds_unfinished_windows_and_odd_rows_are_told(place: Place) -> None:
    place.sql(EVENTS)
    place.sql(FILL, hours_ago(49), 5, 500)
    place.archive()
    restored(place)
    place.sql("INSERT INTO analytics.events (triggered_at) VALUES ('infinity'), (%s)", hours_ago(90))
    place.export(place.window())
    told = looked_at(place)
    assert (told.windows, told.rows, told.unfinished) == (1, 1, 1)
    lines = "\n".join(told.lines("gzip", None))
    assert "1 window begun by earlier runs and not finished" in lines
    assert "restored rows stay for now, in 1 span(s)" in lines
    assert "1 row(s) with a timestamp more than a day in the future stay" in lines


def test_rows_that_wait_for_their_children_are_not_counted_and_told(place: Place) -> None:
    filled(place, 100, 10)
    place.sql(
        "CREATE TABLE analytics.clicks (event_id bigint REFERENCES analytics.events ON DELETE CASCADE);"
        "CREATE INDEX ON analytics.clicks (event_id);"
        "INSERT INTO analytics.clicks SELECT id FROM analytics.events WHERE id <= 30"
    )
    told = looked_at(place.ordered(children=(TableName("analytics", "clicks"),)))
    assert told.rows == 70
    assert any("30 of the 100 oldest rows due wait" in note for note in told.notes)
    assert "reach rows that nobody archived: analytics.clicks" in missing(place)["table"]


def test_partitions_that_would_be_dropped_are_told_with_what_they_give_back(place: Place) -> None:
    place.sql(
        "CREATE SCHEMA analytics; CREATE TABLE analytics.events (id bigint, triggered_at timestamp NOT NULL,"
        " PRIMARY KEY (id, triggered_at)) PARTITION BY RANGE (triggered_at);"
        "CREATE INDEX ON analytics.events (triggered_at)"
    )
    today = NOW.replace(hour=0, tzinfo=None)
    for number in (6, 5, 0):
        first = today - timedelta(days=number)
        place.sql(
            f"CREATE TABLE analytics.d{number} PARTITION OF analytics.events FOR VALUES"
            f" FROM ('{first}') TO ('{first + timedelta(days=1)}')"
        )
        place.sql(
            "INSERT INTO analytics.events SELECT number, %s + make_interval(secs => number)"
            " FROM generate_series(1, 5000) AS number",
            first,
        )
    place.sql("ANALYZE analytics.events")
    held = place.sql("SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relname IN ('d6', 'd5')")
    told = looked_at(place)
    assert [name.split()[1] for name in told.partitions] == ["analytics.d6", "analytics.d5"]
    assert told.disk
    assert told.disk.by_partitions == held[0][0]
    assert told.disk.in_table == 0
    # One batch a run: what a run set out to carry and could not is the next one's.
    found = outlook(place.with_policy(max_mapped_windows=1, windows_per_task=3))
    assert [[str(batch.partition).split()[1] for batch in run] for run in found.runs] == [
        ["analytics.d6"],
        ["analytics.d5"],
    ]
    assert len(found.windows) == len(set(found.windows)) == told.windows == 4


@pytest.mark.rare
def test_the_space_that_comes_back_is_about_what_vacuum_and_a_rewrite_give(place: Place) -> None:
    filled(place, 20_000)
    place.sql(
        "INSERT INTO analytics.events (triggered_at, name, data)"
        " SELECT now() AT TIME ZONE 'UTC', name, data FROM analytics.events LIMIT 5000"
    )
    # What a session counted is told up to a second later, and would come on top of what VACUUM counts.
    place.sql("SELECT pg_stat_force_next_flush()")
    place.sql("VACUUM ANALYZE analytics.events")
    before = place.sql("SELECT pg_total_relation_size('analytics.events')")[0][0]
    told = looked_at(place)
    place.archive()
    place.sql("VACUUM FULL analytics.events")
    given_back = before - place.sql("SELECT pg_total_relation_size('analytics.events')")[0][0]
    assert told.disk
    assert told.disk.in_table == pytest.approx(given_back, rel=0.2)
    assert told.disk.by_reclaim == pytest.approx(given_back, rel=0.2)


def test_a_cutoff_at_midnight_is_told_as_it_is(place: Place) -> None:
    filled(place, 10)
    told = looked_at(place, run_time=datetime.fromisoformat("2026-03-03T00:00:00+00:00"))
    assert "cutoff    2026-03-01 00:00 UTC: only older rows are due" in told.lines("gzip", None)
