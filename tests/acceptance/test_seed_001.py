"""The walk of a table that fills a server's disk: an event an hour for thirty days, through Airflow's own scheduler.

What the databases and the bucket hold is predictable to the row, for each N; it is looked at from outside, by plain SQL
and plain S3. Then the index, its check, and the disk space that is given back.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from dev.stack import BUCKET
from dev.waiting import wait_until
from tests.acceptance.conftest import RUN_SECONDS, Finished, Tenant, Tenants
from tests.acceptance.settings import ALL_DAYS, DEFAULT_DAYS, FIVE_DAYS, WALKED

# The fixture has thousands of tasks to wait for.
pytestmark = [pytest.mark.more, pytest.mark.timeout(1500)]

DAYS = 30
ROWS = DAYS * 24
COLUMNS = ("id", "triggered_at", "name", "os", "platform", "device", "user_details", "data")
TABLE = """
    CREATE SCHEMA analytics;
    CREATE TABLE analytics.events (
        id serial PRIMARY KEY,
        triggered_at timestamp NOT NULL,
        name varchar(255) NOT NULL,
        os varchar(255) NOT NULL,
        platform varchar(255) NOT NULL,
        device varchar(255) NOT NULL,
        user_details jsonb NOT NULL,
        data jsonb NOT NULL
    )
"""
# In the order in which an application writes them: the rows that stay are the last in the file, and VACUUM cannot cut
# off its end. A row is of a kilobyte and a half, as where ten million of them take fifteen gigabytes.
FILL = f"""
    INSERT INTO analytics.events (triggered_at, name, os, platform, device, user_details, data)
    SELECT
        date_trunc('second', now() AT TIME ZONE 'UTC') - make_interval(hours => hour), 'event of hour ' || hour,
        (ARRAY['Linux', 'macOS', 'Windows "11", Home'])[1 + hour % 3], 'web', 'desktop',
        jsonb_build_object('city', E'Zürich,\\nSeefeld', 'age', NULL),
        jsonb_build_object('item', hour, 'pages', (SELECT jsonb_agg(md5(hour || ' ' || page))
            FROM generate_series(1, 36) AS page))
    FROM generate_series({ROWS - 1}, 0, -1) AS hour
"""
ONE_MORE = """
    INSERT INTO analytics.events (triggered_at, name, os, platform, device, user_details, data)
    VALUES (now() AT TIME ZONE 'UTC', 'of today', 'Linux', 'web', 'desktop', '{}', '{}') RETURNING id
"""
VERSIONS = "SELECT ctid::text, xmin::text, id FROM analytics.events ORDER BY id"
SIZE = "SELECT pg_total_relation_size('analytics.events')"
FILE = "SELECT pg_relation_filenode('analytics.events')"
INDEXES = """
    SELECT indexrelid::regclass::text, indisvalid FROM pg_index
    JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = 'analytics.events'::regclass AND attname = 'triggered_at'
"""
BUILDS = "SELECT command, phase FROM pg_stat_progress_create_index WHERE datname = current_database()"
BUILD = ("CREATE INDEX CONCURRENTLY", "waiting for writers before build")
AMCHECK = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'amcheck'"
MAINTENANCE = "maintenance"
WALK_SECONDS = 4 * RUN_SECONDS

Row = tuple[str, ...]
Rows = dict[int, Row]


@dataclass(frozen=True)
class Walk:
    """The clients after one run of each, and what their tables held before it."""

    tenants: Tenants
    rows: dict[str, Rows]
    versions: dict[str, list[Any]]
    runs: dict[str, Finished]

    def assert_divided(self, name: str, days: int) -> None:
        """The rows of the last days are in the table, all others are in S3, and each is what it was."""
        rows, last = self.rows[name], ROWS - days * 24
        assert live(self.tenants[name]) == {number: row for number, row in rows.items() if number > last}
        assert archived(self.tenants[name]) == {number: row for number, row in rows.items() if number <= last}


def live(tenant: Tenant) -> Rows:
    """The table's rows as text, by their id."""
    texts = ", ".join(f"{column}::text" for column in COLUMNS)
    return {int(row[0]): tuple(row) for row in tenant.sql(f"SELECT {texts} FROM analytics.events")}


def stored(tenant: Tenant) -> Iterator[tuple[str, list[Row]]]:
    """The key and the rows of each of the client's objects, read by nothing of ours."""
    client = tenant.stack.s3.client()
    for key in tenant.data_objects():
        content = gzip.decompress(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
        assert tuple(header) == COLUMNS
        yield key, [tuple(row) for row in rows]


def archived(tenant: Tenant) -> Rows:
    """All of them by their id; each is there once, in an object of its hour alone, which the key names."""
    found: Rows = {}
    for key, rows in stored(tenant):
        for row in rows:
            day, hour = row[1][:13].split(" ")
            assert f"/dt={day}/hour={hour}/" in key
            assert int(row[0]) not in found
            found[int(row[0])] = row
    return found


def archive(tenant: Tenant) -> Finished:
    """Runs the client's DAG, which has hundreds of windows to work through."""
    run_id = tenant.start()
    return Finished(tenant, run_id, tenant.api.wait_for_run(tenant.dag_id, run_id, WALK_SECONDS))


def one(tenant: Tenant, statement: str) -> Any:
    ((found,),) = tenant.sql(statement)
    return found


@pytest.fixture(scope="module")
def walk(tenants: Tenants) -> Walk:
    """The databases of three clients on one server, an hour's row in each hour, after one run of each client's DAG."""
    for name in WALKED:
        tenants[name].sql(TABLE)
        tenants[name].sql(FILL)
    rows = {name: live(tenants[name]) for name in WALKED}
    assert {len(of_client) for of_client in rows.values()} == {ROWS}
    versions = {name: tenants[name].sql(VERSIONS) for name in WALKED}
    tenants.api.set_variable(f"archive_keep_days__{ALL_DAYS}", "-1")
    tenants.api.set_variable(f"archive_keep_days__{FIVE_DAYS}", "5")
    return Walk(tenants, rows, versions, {name: archive(tenants[name]) for name in WALKED})


def test_where_nobody_says_n_two_days_stay_and_the_rest_is_in_s3(walk: Walk) -> None:
    assert walk.runs[DEFAULT_DAYS].state == "success"
    walk.assert_divided(DEFAULT_DAYS, 2)


def test_minus_one_touches_nothing(walk: Walk) -> None:
    assert walk.runs[ALL_DAYS].state == "success"
    assert walk.tenants[ALL_DAYS].sql(VERSIONS) == walk.versions[ALL_DAYS]
    assert walk.tenants[ALL_DAYS].objects() == {}
    walk.assert_divided(ALL_DAYS, DAYS)


def test_five_days_stay_and_once_n_is_two_the_next_run_takes_three_days_more(walk: Walk) -> None:
    assert walk.runs[FIVE_DAYS].state == "success"
    walk.assert_divided(FIVE_DAYS, 5)
    tenant = walk.tenants[FIVE_DAYS]
    before = tenant.objects()
    walk.tenants.api.set_variable(f"archive_keep_days__{FIVE_DAYS}", "2")
    assert archive(tenant).state == "success"
    walk.assert_divided(FIVE_DAYS, 2)
    assert before.items() <= tenant.objects().items(), "no object was overwritten"


@contextmanager
def while_the_index_waits(tenant: Tenant) -> Iterator[None]:
    """Holds the build of the table's index up, as any older transaction does, until the block ends."""
    with tenant.stack.postgres.connect(tenant.name, autocommit=False) as application:
        application.execute(ONE_MORE.encode())
        yield
        application.commit()


def assert_index(tenant: Tenant) -> None:
    """A valid index begins with the column, and amcheck, which is installed now, finds each row in it."""
    ((index, valid),) = tenant.sql(INDEXES)
    assert valid
    ((schema,),) = tenant.sql(AMCHECK)
    tenant.sql(f"SELECT {schema}.bt_index_check(%s::regclass, true)", index)


def test_the_index_is_built_beside_writers_and_the_disk_space_comes_back(walk: Walk) -> None:
    api = walk.tenants.api
    walk.tenants.stack.airflow.wait_for_dags([MAINTENANCE])
    api.unpause(MAINTENANCE)
    now, later = walk.tenants[DEFAULT_DAYS], walk.tenants[FIVE_DAYS]
    assert [now.sql(INDEXES), now.sql(AMCHECK), later.sql(INDEXES)] == [[], [], []]
    size, size_later = one(now, SIZE), one(later, SIZE)
    file, file_later = one(now, FILE), one(later, FILE)
    with while_the_index_waits(now):
        run_id = api.trigger(MAINTENANCE, {"clients": [now.name, later.name]})
        wait_until(lambda: now.sql(BUILDS) == [BUILD], "the build of the index to wait", RUN_SECONDS)
        now.sql(f"SET lock_timeout = '1s'; {ONE_MORE}; UPDATE analytics.events SET os = 'macOS' WHERE id > {ROWS}")
        assert now.sql(BUILDS) == [BUILD]
    rows, rows_later = live(now), live(later)
    assert api.wait_for_run(MAINTENANCE, run_id, RUN_SECONDS) == "success"
    assert_index(now)
    assert_index(later)
    assert len(rows) == 48 + 2
    assert (live(now), live(later)) == (rows, rows_later)
    assert one(now, FILE) != file, "VACUUM FULL writes a new file"
    assert one(later, FILE) == file_later, "which is for off hours"
    assert one(now, SIZE) < size / 5
    assert one(later, SIZE) < size_later
