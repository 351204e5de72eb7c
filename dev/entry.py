"""The outermost layer of a command: Ctrl-C ends it in order and without a traceback."""

import signal
from collections.abc import Callable

STOPPED = 130
"""The exit status of a program that SIGINT ended, as shells count."""


def exit_status(command: Callable[[], int]) -> int:
    """Run `command` and return its exit status, or 130 when it was stopped by a signal."""
    try:
        return command()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second one has nothing left to stop
        print("\nstopped; nothing is left running", flush=True)
        return STOPPED
