"""A preview as the tests run it: in a session in which the server itself refuses every write."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
from botocore.config import Config

from pg_archiver.archive.run_span import Limits
from pg_archiver.policies.retention import KeepDays
from pg_archiver.postgres.session import Session
from pg_archiver.preview.figures import Figures
from pg_archiver.preview.preview import LONGEST_COUNT, preview
from pg_archiver.preview.readiness import Check, check_bucket, check_database
from tests.faults.s3_proxy import S3Proxy
from tests.support.place import EVENTS, NOW, Place, hours_ago

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FILL = """
    INSERT INTO analytics.events (triggered_at, name, data)
    SELECT %s::timestamp - make_interval(secs => (number %% %s) * 3600 + number %% 3600),
        'event ' || md5(number::text),
        jsonb_build_object('a', md5(number::text), 'b', number, 'c', repeat(md5((number / 7)::text), number %% 5))
    FROM generate_series(1, %s) AS number
"""


def filled(place: Place, rows: int = 6000, hours: int = 40) -> Place:
    """A table whose rows differ in size, spread over so many hours before the cutoff."""
    place.sql(EVENTS)
    place.sql(FILL, hours_ago(49), hours, rows)
    place.sql("ANALYZE analytics.events")
    return place


@contextmanager
def reading(place: Place) -> Generator[Session]:
    """A session in which the server itself refuses every write."""

    def connect() -> psycopg.Connection[Any]:
        connection = place.connect()
        connection.autocommit = True
        connection.execute("SET default_transaction_read_only = on")
        return connection

    with Session.connect(connect, place.database, "test", writes=False) as session:
        yield session


def through(place: Place, proxy: S3Proxy) -> S3Client:
    """A client of the place's S3 whose requests go through the proxy."""
    return boto3.client(
        "s3",
        endpoint_url=proxy.endpoint_url,
        aws_access_key_id=place.s3.access_key,
        aws_secret_access_key=place.s3.secret_key,
        region_name=place.s3.region,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


def looked_at(place: Place, keep_days: int = 2, longest_count: timedelta = LONGEST_COUNT, **limits: Any) -> Figures:
    wanted = Limits(**{"run_time": NOW, "start": None, "end": None, **limits})
    keep = KeepDays(keep_days, "the test")
    with reading(place) as database:
        checks, shape = check_database(database, place.order)
        assert shape, checks
        return preview(database, shape, place.order, place.policy, keep, wanted, longest_count=longest_count)


def checked(place: Place) -> list[Check]:
    with reading(place) as database:
        return [*check_database(database, place.order)[0], *check_bucket(place.store, place.order)]


def missing(place: Place) -> dict[str, str]:
    return {check.subject: check.told for check in checked(place) if not check.ok}
