"""One event whose function commits by itself: held by a lock of the session, run outside of any transaction.

So its work may be committed and its end not, if its worker dies between the two: then it runs once more. The event's
`id` is the same each time, by which the function can tell.
"""

from __future__ import annotations

from datetime import timedelta

from pg_archiver.events.calling import CallResult, Ending, call_function
from pg_archiver.events.failures import Failure
from pg_archiver.events.functions import EventFunction
from pg_archiver.events.making import make_event
from pg_archiver.events.watchdog import Watchdog
from pg_archiver.ledger.event_queue import ClaimedEvent
from pg_archiver.postgres.functions_session import (
    FunctionsSession,
    TransactionEndedError,
    TransactionFailedError,
)

LEFT_OPEN = Failure.said(
    "the function left a transaction open, which was rolled back. Fix: end it in the function, as "
    "`with db.transaction():` does"
)
CLOSED = Failure.said(
    "the function closed its connection, or left a statement running in it. Fix: leave the connection open, and end "
    "what was begun in it"
)


def run_alone(
    session: FunctionsSession,
    function: EventFunction,
    event: ClaimedEvent,
    watchdog: Watchdog,
    longest: timedelta,
) -> CallResult:
    """Run the function of an event that is held, for so long at most; the session may be closed after it."""
    session.begin_alone(longest)
    result = call_function(function, lambda: [make_event(event)], session.connection, watchdog.limit(longest))
    try:
        session.end_alone()
    except TransactionFailedError:
        return result.failed(LEFT_OPEN) if result.ending is Ending.DONE else result
    except TransactionEndedError:
        session.abandon()
        return result.failed(CLOSED) if result.ending is Ending.DONE else result
    return result
