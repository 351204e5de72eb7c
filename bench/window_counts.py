"""What a window of few rows asks for beside its rows: requests to S3 and statements, counted, alone and in a group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.peers.opening import open_task
from bench.place import Place
from bench.requests_counted import OPERATIONS
from bench.small_clients import SmallClients
from pg_archiver.archive.delete import delete_all
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.store import store_all
from pg_archiver.archive.take_over import take_over
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import WorkOrder
from pg_archiver.s3.bucket import Bucket
from tests.faults.s3_proxy import Answer, Fault, Forward, Request, S3Proxy
from tests.support.groups import CountingDatabase

NAME = "counted_windows"
# As many as go together with the default `batch_size`.
TOGETHER = 20


def count_windows(place: Place) -> dict[str, float]:
    """Requests and statements of a window alone, and of each of those that go together, by one connection.

    Statements are counted without those that begin and end transactions, and both without what a connection and a plan
    ask for.
    """
    clients = SmallClients(place.postgres, [NAME], days=1)
    clients.add_day()
    try:
        return _count(place)
    finally:
        clients.drop()
        place.empty_bucket()


def _count(place: Place) -> dict[str, float]:
    requests: Counter[str] = Counter()

    def note(request: Request, forward: Forward) -> Answer:
        requests[request.operation] += 1
        return forward(request.body)

    with S3Proxy.started(place.s3.endpoint_url) as proxy, proxy.doing(Fault(OPERATIONS, note)):
        task = place.task()
        through = {"postgres": place.postgres.dsn(NAME), "s3": task["s3"] | {"endpoint_url": proxy.endpoint_url}}
        opened = open_task(task | through)
        bucket, order = opened.bucket, opened.order
        with CountingDatabase.connect(opened.connect, NAME, "archiver bench") as session:
            assert isinstance(session, CountingDatabase)
            found = opened.plan(session)
            take_over(session, bucket, order, found)
            windows = [window for batch in found.batches for window in batch]
            # The first one finds out what holds for all.
            _archive(session, bucket, order, windows[:1])
            figures = {}
            for kind, some in (("", windows[1:2]), ("grouped_", windows[2 : 2 + TOGETHER])):
                requests.clear()
                session.sent = Counter()
                _archive(session, bucket, order, some)
                figures[f"small_window_{kind}requests"] = round(requests.total() / len(some), 2)
                figures[f"small_window_{kind}statements"] = round(session.sent.total() / len(some), 2)
    return figures


def _archive(session: CountingDatabase, bucket: Bucket, order: WorkOrder, windows: Sequence[DueWindow]) -> None:
    export_all(session, bucket, order, windows)
    store_all(session, bucket, order, windows)
    delete_all(session, bucket, order, windows, lambda: False)
