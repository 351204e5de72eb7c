"""A worker without Airflow: `python -m pg_archiver.events.work DSN --functions DIR`, or `run_worker` from a program.

It works until it is told to end (SIGTERM or Ctrl-C), and then ends after the event that it is at; with `--until-empty`
until nothing is left. What the DSN does not say comes from libpq's own variables and files: PGPASSWORD, ~/.pgpass,
PGSERVICE. Any number of such processes may work on one queue; with `--lanes` they divide the topics between them.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pg_archiver.errors import ArchiverError, FunctionRefused
from pg_archiver.events.connections import connect_worker
from pg_archiver.events.loading import functions_folder, load_functions
from pg_archiver.events.waiting import WorkLimits
from pg_archiver.events.worker import Worker, WorkResult
from pg_archiver.runtime.stopping import Stop

log = logging.getLogger(__name__)

_LONGEST_SECONDS = 366 * 86_400.0
_MOST_LANES = 64


def run_worker(
    dsn: str, folder: Path | None = None, limits: WorkLimits | None = None, stop: Stop | None = None
) -> WorkResult:
    """Work on the queue of a database, and return what was done.

    In the main thread a function that takes too long is interrupted; in another one only the server's limits hold.

    Args:
        dsn: the database, as libpq reads it. The login is that of functions.
        folder: the folder of functions; None takes that of ARCHIVER_FUNCTIONS, else include/functions.
        limits: which part of the queue, and when to end; None works until nothing is left.
        stop: when it says so, the worker ends after the event that it is at.

    Raises:
        SettingError: the DSN cannot be read, or the folder is not there.
        FunctionRefused: no function of the folder can be used.
        DatabaseRefused: the login may not work on the queue of this database, or it has none.
        DatabaseInterrupted: the connection was lost again and again.
    """
    limits, stop = limits or WorkLimits(), stop or Stop()
    functions = load_functions(folder or functions_folder())
    for reason in (*functions.broken, *functions.refused.values()):
        log.warning("%s", reason)
    if not functions.by_name:
        raise FunctionRefused(
            f"no function of {functions.folder} can be used. Nothing was run. Fix: register one with @event_function"
        )
    return Worker(connect_worker(dsn, limits, stop), functions, limits, stop).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Work as the command line says; return 1 with the reason on stderr if that cannot be done."""
    given = _read_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    limits = WorkLimits(given.lane, given.lanes, given.linger, given.max_seconds, waits=not given.until_empty)
    stop = Stop()
    with _requested_by_signals(stop):
        try:
            result = run_worker(given.dsn, given.functions, limits, stop)
        except ArchiverError as error:
            log.error("%s", error)  # noqa: TRY400 (its words are for people)
            return 1
    log.info("%s", result)
    return 0


@contextmanager
def _requested_by_signals(stop: Stop) -> Generator[None]:
    """Let SIGTERM and Ctrl-C ask for the end in this block."""
    before = {number: signal.signal(number, lambda *_: stop.request()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pg_archiver.events.work", description=__doc__)
    parser.add_argument("dsn", metavar="DSN", help="postgresql://user@host/database, or 'host=... dbname=...'")
    parser.add_argument("--functions", type=Path, metavar="DIR", help="the folder of functions")
    parser.add_argument("--lanes", type=int, default=1, metavar="N", help="topics are divided between so many workers")
    parser.add_argument("--lane", type=int, default=0, metavar="I", help="the part of this one, from 0 to N - 1")
    parser.add_argument("--linger", type=float, default=5.0, metavar="SECONDS", help="look on so long after an event")
    parser.add_argument("--max-seconds", type=float, metavar="SECONDS", help="end after so long")
    parser.add_argument("--until-empty", action="store_true", help="end when nothing is left, instead of waiting")
    given = parser.parse_args(arguments)
    if not 1 <= given.lanes <= _MOST_LANES:
        parser.error(f"--lanes is {given.lanes}: write 1 to {_MOST_LANES}")
    if not 0 <= given.lane < given.lanes:
        parser.error(f"--lane is {given.lane}: write 0 to {given.lanes - 1}")
    for name, value in (("--linger", given.linger), ("--max-seconds", given.max_seconds)):
        if value is not None and not 0 <= value <= _LONGEST_SECONDS:
            parser.error(f"{name} is {value}: write seconds, from 0 on")
    return given


if __name__ == "__main__":
    sys.exit(main())
