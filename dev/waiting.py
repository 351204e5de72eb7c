"""Waiting for something, aloud."""

import time
from collections.abc import Callable

PROGRESS_SECONDS = 5.0


def wait_until(condition: Callable[[], bool], what: str, timeout: float, interval: float = 0.1) -> None:
    """Wait until `condition` holds, with a line of progress every five seconds.

    `timeout` and `interval` are seconds. Raises TimeoutError; whatever `condition` raises ends the wait.
    """
    start = time.monotonic()
    next_line = PROGRESS_SECONDS
    while not condition():
        waited = time.monotonic() - start
        if waited > timeout:
            raise TimeoutError(f"{what}: not within {timeout:.0f} s")
        if waited > next_line:
            print(f"waiting for {what}: {waited:.0f} s", flush=True)
            next_line += PROGRESS_SECONDS
        time.sleep(interval)
