"""Calling a function once: its key made into its model, its output taken, and whatever it may do wrong an answer."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from pg_archiver.events.event import Discard, Event, Snooze
from pg_archiver.events.failures import Failure
from pg_archiver.events.functions import EventFunction
from pg_archiver.events.output import capture
from pg_archiver.events.watchdog import FunctionTimeoutError
from pg_archiver.postgres.functions_session import Connection

# How a process ends that a function has forked and that came back from it: it has none of our work to do.
_FORKED = 70
# What a function may raise that is its own failure; anything else asks the process to end.
_OF_FUNCTIONS = (Exception, SystemExit, GeneratorExit, asyncio.CancelledError, FunctionTimeoutError)


class Ending(StrEnum):
    """How it ended."""

    DONE = "done"
    FAILED = "failed"
    SNOOZED = "snoozed"
    DISCARDED = "discarded"


@dataclass(frozen=True)
class CallResult:
    """What came of a call.

    Attributes:
        ending: how it ended; only what is `DONE` is kept.
        started_at: when it began, by this machine's clock.
        seconds: how long it took.
        output: what it printed, 8 KB at most. It may hold rows.
        failure: why it failed, or was discarded.
        wait_seconds: how long a snoozed event waits.
        error: what the function raised.
    """

    ending: Ending
    started_at: datetime
    seconds: float
    output: str
    failure: Failure | None = None
    wait_seconds: float = 0.0
    error: BaseException | None = None

    @property
    def raised(self) -> Exception | None:
        """The error that the function itself raised, if a caller may raise it again."""
        return self.error if isinstance(self.error, Exception) and not isinstance(self.error, _UnfitError) else None

    def failed(self, failure: Failure) -> CallResult:
        """Return the result with a failure that was found out after the call."""
        return replace(self, ending=Ending.FAILED, failure=failure)


def call_function(
    function: EventFunction,
    make_events: Callable[[], Sequence[Event[Any]]],
    connection: Connection,
    limit: AbstractContextManager[None] | None = None,
) -> CallResult:
    """Call a function for one event, or for a list of them if it takes lists.

    Whatever it does wrong is an answer; what it did in the database is for the caller to keep or to undo.

    Args:
        function: the function.
        make_events: makes what it is called for; what it raises is a failure too.
        connection: what it gets.
        limit: raises FunctionTimeoutError in it when its time is over.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    with capture() as output, _guard_process():
        error: BaseException | None = None
        try:
            with limit or nullcontext():
                returned = _call(function, make_events(), connection)
            _refuse_unrun(returned)
        except _OF_FUNCTIONS as raised:
            error = raised
    seconds = time.monotonic() - started
    result = CallResult(Ending.DONE, started_at, seconds, str(output), error=error)
    match error:
        case None:
            return result
        case Snooze():
            return replace(result, ending=Ending.SNOOZED, wait_seconds=error.seconds)
        case Discard():
            return replace(result, ending=Ending.DISCARDED, failure=Failure(f"discarded: {error.reason}", "discarded"))
        case FunctionTimeoutError():
            return result.failed(
                Failure.said(
                    f"the function took too long: {seconds:.0f} s. Fix: make it faster, see max_runtime of its job, or "
                    "let the binding say transaction => 'own', with which it may take hours"
                )
            )
        case _UnfitError():
            return result.failed(error.failure)
        case _:
            return result.failed(Failure.of(error, function.file.parent))


class _UnfitError(Exception):
    """What is wrong is not an error that the function raised."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@contextmanager
def _guard_process() -> Generator[None]:
    """End a process that the block has forked where it would come out of it: it shares our connections."""
    process = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(_FORKED)


def _call(function: EventFunction, events: Sequence[Event[Any]], connection: Connection) -> object:
    given = [_with_model(function, event) for event in events]
    call: Callable[[Any, Any], object] = function.call
    return call(given if function.batch else given[0], connection)


def _with_model(function: EventFunction, event: Event[Any]) -> Event[Any]:
    if function.model is None or isinstance(event.key, function.model):
        return event
    make = function.model.model_validate
    try:
        old_key = None if event.old_key is None else make(dict(event.old_key))
        return replace(event, key=make(dict(event.key)), old_key=old_key)
    except ValidationError as error:
        told = f"the key does not fit {function.model.__name__}, the model of {function.name!r}. It was not called"
        raise _UnfitError(Failure(f"{told}: {error}", told)) from None


def _refuse_unrun(returned: object) -> None:
    """Refuse what is yet to be run: nobody would."""
    if inspect.isgenerator(returned) or inspect.isasyncgen(returned) or inspect.isawaitable(returned):
        if inspect.iscoroutine(returned):
            # So that nothing is said of one that was never awaited.
            returned.close()
        kind = type(returned).__name__
        raise _UnfitError(
            Failure.said(
                f"the function returned a {kind}, whose body nobody would run. Nothing of it is kept. Fix: do the work "
                "in the function itself"
            )
        )
