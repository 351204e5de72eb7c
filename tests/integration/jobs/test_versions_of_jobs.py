"""What a job that keeps the last versions says of itself: what binds, and the highest version that went."""

from __future__ import annotations

from typing import Any

from psycopg import sql

from tests.support.table_jobs import TableJobs

STATS = (
    "SELECT kept_by, highest_version, total_rows, total_bytes > 0, total_keys, action FROM archiver.job_stats"
    " WHERE job_name = 'old events'"
)
OF_VERSIONS = {"keep_versions": 3, "key_columns": ["kind"], "version_column": "version"}


def test_the_statistics_say_what_binds_and_which_version_went(tables: TableJobs) -> None:
    tables = TableJobs(tables.place.with_settings(min_keep_days=0))
    place = tables.place
    # The row of n hours ago is the (n + 1)th: the newer a version, the older the row. Then 117 are superseded.
    place.sql(
        place.target,
        "ALTER TABLE app.events ADD kind int DEFAULT 1, ADD version bigint; UPDATE app.events SET version = -id",
    )
    lock = sql.SQL("GRANT UPDATE (name) ON app.events TO {}").format(sql.Identifier(place.archive))
    place.sql(place.target, lock.as_string())
    place.sql(place.target, "CREATE TABLE app.consumers (position bigint); INSERT INTO app.consumers VALUES (-119)")
    read = sql.SQL("GRANT SELECT ON app.consumers TO {}").format(sql.Identifier(place.archive))
    place.sql(place.target, read.as_string())
    tables.add("delete", config={**OF_VERSIONS, "keep_days": 0, "floors": ["app.consumers.position"]})
    tables.rehearse()
    assert stats(tables) == (None, None, 0, False, 0, "delete")

    # A consumer that stands still holds all but one, and it is said which.
    tables.act()
    assert stats(tables) == ("floor app.consumers.position", "-120", 1, True, 0, "delete")

    place.sql(place.target, "UPDATE app.consumers SET position = 0")
    tables.act()
    assert stats(tables) == ("keep_versions (3)", "-4", 117, True, 0, "delete")

    # Which one went last stays known.
    tables.act()
    assert stats(tables) == ("keep_versions (3)", "-4", 117, True, 0, "delete")


def test_a_job_that_archives_keeps_the_newest_too_and_says_what_binds(tables: TableJobs) -> None:
    tables = TableJobs(tables.place.with_settings(min_keep_days=0))
    place = tables.place
    place.sql(place.target, "ALTER TABLE app.events ADD kind int DEFAULT 1")
    lock = sql.SQL("GRANT UPDATE (name) ON app.events TO {}").format(sql.Identifier(place.archive))
    place.sql(place.target, lock.as_string())
    create = sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
        sql.Identifier(place.target), sql.Identifier(place.archive)
    )
    place.sql(place.target, create.as_string())
    # A row's hour tells its age, and its number is its version: of 120, the newest three are the oldest rows.
    tables.add("archive", config={**OF_VERSIONS, "version_column": "id", "keep_days": 0})
    assert "117 rows" not in tables.rehearse().told
    result = tables.act()
    assert "117 rows of " in result.told
    assert result.told.endswith("kept by: keep_versions (3)")
    assert tables.left()[0] == 3
    assert stats(tables) == ("keep_versions (3)", None, 117, True, 0, "archive")
    # Five days lie in two years of the grid at most.
    assert 1 <= len(tables.objects()) <= 2


def stats(tables: TableJobs) -> tuple[Any, ...]:
    (found,) = tables.place.sql(tables.place.control, STATS)
    return tuple(found)
