"""A function that takes too long is ended, whatever it is doing and however it holds on."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from pg_archiver.events.watchdog import FunctionTimeoutError, Watchdog
from tests.support.concurrency import in_background

SHORT, LONG = timedelta(milliseconds=1), timedelta(hours=1)
AT_ONCE = timedelta()


# As good as endless, and no longer than a broken test may take.
ENDLESS_SECONDS = 20


def loop() -> None:
    end = time.monotonic() + ENDLESS_SECONDS
    while time.monotonic() < end:
        pass


def sleep() -> None:
    time.sleep(ENDLESS_SECONDS)


def hold_on() -> None:
    end = time.monotonic() + ENDLESS_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(Exception):
            time.sleep(ENDLESS_SECONDS)


def hold_on_once() -> None:
    try:
        time.sleep(ENDLESS_SECONDS)
    except BaseException:  # noqa: BLE001 (as functions do it)
        time.sleep(ENDLESS_SECONDS)


@pytest.mark.parametrize("work", [loop, sleep, hold_on, hold_on_once])
def test_it_is_ended_wherever_it_is(work: Callable[[], None]) -> None:
    watchdog = Watchdog(AT_ONCE)
    with watchdog.watching(), pytest.raises(FunctionTimeoutError), watchdog.limit(SHORT):
        work()


def test_what_is_in_time_and_what_comes_after_is_left_alone() -> None:
    watchdog = Watchdog(AT_ONCE)
    before = signal.getsignal(signal.SIGVTALRM)
    with watchdog.watching():
        with watchdog.limit(LONG):
            time.sleep(0.3)
        with watchdog.limit(SHORT):
            pass
        time.sleep(0.5)
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}


def test_the_limit_of_the_server_comes_first() -> None:
    watchdog = Watchdog()
    with watchdog.watching(), watchdog.limit(SHORT):
        time.sleep(0.5)


def test_in_another_thread_it_watches_nothing_and_harms_nothing() -> None:
    def work() -> str:
        watchdog = Watchdog(AT_ONCE)
        with watchdog.watching(), watchdog.limit(SHORT):
            time.sleep(0.5)
        return "done"

    with in_background(work) as running:
        assert running.result() == "done"
