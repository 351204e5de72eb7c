"""How many requests a peer sends to S3 and what they cost, counted by a proxy in runs that are not timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bench.peer_runs import Run
from bench.place import Place
from tests.faults.s3_proxy import Answer, Fault, Forward, Request, S3Proxy

# US dollars a request of S3 Standard in us-east-1, 2026: PUT, COPY, POST and LIST, then all others. DELETE is free.
DEAR, CHEAP = 0.005 / 1000, 0.0004 / 1000
_DEAR = {"PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload", "ListObjects"}
_FREE = {"DeleteObject", "AbortMultipartUpload"}
OPERATIONS = frozenset(_DEAR | _FREE | {"GetObject", "HeadObject", "HeadBucket"})


def counted(place: Place, run: Callable[[Place], Run]) -> dict[str, Any]:
    """Lets the peer run with a proxy before S3, and scales what it sent to a million rows."""
    requests: Counter[str] = Counter()

    def note(request: Request, forward: Forward) -> Answer:
        requests[request.operation] += 1
        return forward(request.body)

    with S3Proxy.started(place.s3.endpoint_url) as proxy, proxy.doing(Fault(OPERATIONS, note)):
        done = run(replace(place, s3_url=proxy.endpoint_url))
    scale = 1_000_000 / done.rows
    return {
        "rows": done.rows,
        "requests": dict(sorted(requests.items())),
        "requests_per_million_rows": round(sum(requests.values()) * scale),
        "usd_per_million_rows": round(price(requests) * scale, 6),
    }


def price(requests: Mapping[str, int]) -> float:
    """What the requests cost, in US dollars."""
    dear = sum(count for operation, count in requests.items() if operation in _DEAR)
    free = sum(count for operation, count in requests.items() if operation in _FREE)
    return dear * DEAR + (sum(requests.values()) - dear - free) * CHEAP
