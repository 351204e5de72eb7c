"""The walk of a worker that drops old versions: its own table of cases, through SQL alone.

Each case is a table of its own, with the versions 1, 5, 10, 20 and 100 of one key, and a row in the table of policies.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from dev.waiting import wait_until
from tests.acceptance.clusters import RUN_SECONDS, Cluster
from tests.acceptance.settings import RETAINED, WATCHED
from tests.acceptance.watching import Watching

pytestmark = pytest.mark.more

VERSIONS = "{1,5,10,20,100}"
# How many of the newest stay, the bound, and what is left.
CASES: dict[str, tuple[int | None, int | None, list[int]]] = {
    "up_to_9": (None, 9, [10, 20, 100]),
    "up_to_10": (None, 10, [10, 20, 100]),
    "up_to_11": (None, 11, [20, 100]),
    "keep_1": (1, None, [100]),
    "keep_2": (2, None, [20, 100]),
    "keep_3": (3, None, [10, 20, 100]),
    "keep_10": (10, None, [1, 5, 10, 20, 100]),
    "the_bound_keeps_more": (1, 10, [10, 20, 100]),
    "the_number_keeps_more": (4, 100, [5, 10, 20, 100]),
}
INSERT = """
    INSERT INTO archiver.data_retention_policy
        (database_name, schema_name, table_name, retention_days, cron_schedule, action, keep_versions, settings)
    VALUES (%s, 'versions', %s, 0, '0 0 * * *', 'delete', %s, %s) RETURNING id
"""
# Without a number the job is no policy of days alone, so it is written as a job.
JOB = """
    INSERT INTO archiver.jobs (job_name, action, database_name, cron_schedule, config)
    VALUES ('versions ' || %s, 'delete', %s, '0 0 * * *', %s) RETURNING job_id
"""
STATE = """
    SELECT state.rehearsed_at IS NOT NULL, stats.job_status, stats.total_successes, stats.total_rows, stats.subject
    FROM archiver.job_state AS state JOIN archiver.job_stats AS stats USING (job_id) WHERE job_id = %s
"""


@pytest.mark.usefixtures("tenants")
def test_each_case_of_the_worker_is_a_policy(clusters: dict[str, Cluster]) -> None:
    one = clusters[RETAINED]
    assert one.api.wait_for_run(one.dag_id, one.api.trigger(one.dag_id), RUN_SECONDS) == "success"
    one.sql("CREATE SCHEMA versions")
    jobs = {case: add(one, case) for case in CASES}

    # Rehearsed at once, and nothing has gone.
    for case, job in jobs.items():
        wait_until(lambda: bool(state(one, job)[0]), f"{case} to be rehearsed", RUN_SECONDS, 0.5)  # noqa: B023
        assert left(one, case) == [1, 5, 10, 20, 100]

    # A version that is not committed is none yet: it keeps nothing from going, and does not go.
    with one.server.connect(RETAINED) as pending:
        pending.autocommit = False
        pending.execute("INSERT INTO versions.keep_1 VALUES (1, 200)")
        for job in jobs.values():
            one.sql("SELECT archiver.alter_job(%s, next_start => clock_timestamp())", job)
        for case, job in jobs.items():
            gone = 5 - len(CASES[case][2])
            done = (True, "Scheduled", 1, gone, f"versions.{case}")
            wait_until(lambda: state(one, job) == done, f"the versions of {case} to go", RUN_SECONDS, 0.5)  # noqa: B023
        pending.commit()
    expected = {case: staying for case, (_, _, staying) in CASES.items()} | {"keep_1": [100, 200]}
    assert {case: left(one, case) for case in CASES} == expected

    # What keeps what is told; the statistics name every table from which rows go without an archive.
    told = "SELECT output FROM archiver.job_runs WHERE NOT dry_run AND subject = 'versions.keep_3'"
    ((output,),) = one.sql(told)
    assert "2 rows deleted" in output
    assert "3 rows kept by keep_versions (3)" in output

    # Neither bound, and none at all, are refused where they are written or looked at.
    for number, settings in ((0, {"key_columns": ["id"], "version_column": "version"}), (3, {})):
        with pytest.raises(Exception, match=r"keep_versions of the policy for table .* Nothing was saved\. Fix: "):
            one.sql(INSERT, RETAINED, "refused", number, json.dumps(settings))


def test_versions_go_at_once_by_events(watching: Watching) -> None:
    watching.sql("CREATE TABLE docs (doc_id int, version bigint, PRIMARY KEY (doc_id, version))")
    config = {"table": "public.docs", "keep_days": 0, "keep_versions": 3}
    config |= {"key_columns": ["doc_id"], "version_column": "version"}
    # Without a schedule: what goes, goes by events.
    watching.sql(
        "INSERT INTO archiver.jobs (job_name, action, config) VALUES ('docs', 'delete', %s)", json.dumps(config)
    )
    watching.sql("SELECT archiver.watch('docs', 'docs', merge => true)")
    rehearsed = (
        "SELECT state.rehearsed_at IS NOT NULL FROM archiver.job_state AS state JOIN archiver.jobs USING (job_id)"
        " WHERE job_name = 'docs'"
    )
    watching.until(lambda: watching.sql(rehearsed) == [(True,)], "the job to be rehearsed")
    watching.sql(
        "INSERT INTO docs SELECT doc, version FROM generate_series(1, 120) AS doc, generate_series(1, 5) AS version"
    )
    stats = "SELECT action, total_keys, total_rows, highest_version FROM archiver.job_stats WHERE job_name = 'docs'"
    watching.until(lambda: watching.sql(stats) == [("delete", 120, 240, "2")], "the versions to go")
    assert watching.sql("SELECT DISTINCT array_agg(version ORDER BY version) FROM docs GROUP BY doc_id") == [
        ([3, 4, 5],)
    ]

    # The version that is pending is neither seen nor dropped; once it is committed, the oldest goes.
    with watching.stack.postgres.connect(WATCHED) as pending:
        pending.autocommit = False
        pending.execute("INSERT INTO docs VALUES (1, 6)")
        watching.sql("INSERT INTO docs VALUES (2, 6)")
        watching.until(lambda: watching.sql(stats) == [("delete", 121, 241, "3")], "one more to go")
        assert watching.sql("SELECT version FROM docs WHERE doc_id = 1 ORDER BY 1") == [(3,), (4,), (5,)]
        pending.commit()
    watching.until(lambda: watching.sql(stats) == [("delete", 122, 242, "3")], "the last to go")
    watching.until_drained()
    watching.sql("DELETE FROM archiver.jobs WHERE job_name = 'docs'; DROP TABLE docs")


def add(one: Cluster, case: str) -> int:
    keep, up_to, _ = CASES[case]
    one.sql(f"CREATE TABLE versions.{case} (id int, version bigint, PRIMARY KEY (id, version))")
    one.sql(f"INSERT INTO versions.{case} SELECT 1, unnest('{VERSIONS}'::bigint[])")
    settings: dict[str, Any] = {"key_columns": ["id"], "version_column": "version"}
    settings |= {} if up_to is None else {"up_to_version": up_to}
    if keep is None:
        config = {"table": f"versions.{case}", "keep_days": 0, **settings}
        ((job,),) = one.sql(JOB, case, RETAINED, json.dumps(config))
    else:
        ((job,),) = one.sql(INSERT, RETAINED, case, keep, json.dumps(settings))
    return int(job)


def state(one: Cluster, job: int) -> tuple[Any, ...]:
    found = one.sql(STATE, job)
    return tuple(found[0]) if found else (False,)


def left(one: Cluster, case: str) -> list[int]:
    return [row[0] for row in one.sql(f"SELECT version FROM versions.{case} ORDER BY version")]
