"""What all tasks of all DAGs share: whose they are, and when one is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from pg_archiver.errors import Refused

TAG = "archiver"
# The XCom in which a report leaves a line for the note of its run.
NOTE = "note"
RETRIES = 3
# A mistake that a person must fix is not retried; a lost connection or a held lock is, a little later.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[RetryRule(exception=Refused, action=RetryAction.FAIL, reason="needs a person: see the error")]
)
# A connection that died silently must not hold a pool slot forever; progress is kept.
LONGEST = timedelta(hours=4)


def task_timeout(longest_statement: timedelta) -> timedelta:
    """Return how long a task may run whose statements may take so long: as long as before, or for two of them.

    Nothing of a window's export is kept when its task is ended in the middle.
    """
    return max(LONGEST, 2 * longest_statement)


def make_default_args(pool: str | None = None, longest: timedelta = LONGEST) -> dict[str, Any]:
    """Return the `default_args` of a DAG whose tasks run in this pool; without one, in Airflow's default pool."""
    return {
        "owner": "archiver",
        **({"pool": pool} if pool else {}),
        "retries": RETRIES,
        "retry_delay": timedelta(seconds=20),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=10),
        "retry_policy": RETRY_POLICY,
        "weight_rule": "absolute",
        "execution_timeout": longest,
    }
