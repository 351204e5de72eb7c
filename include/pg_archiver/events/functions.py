"""The decorator by which a function of users is registered under a name, and what a function must be like for that."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from pydantic import BaseModel

from pg_archiver.errors import FunctionRefused

# Names that begin so are those of functions that come with this program.
OWN_PREFIX = "archiver."
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_REGISTERED = "__event_function__"
_Function = TypeVar("_Function", bound=Callable[..., object])

_collected: ContextVar[list[EventFunction] | None] = ContextVar("collected event functions", default=None)


@dataclass(frozen=True)
class EventFunction:
    """A function of users, as it was registered.

    Attributes:
        name: the name by which jobs know it.
        call: the function: it takes an event, or a list of them, and a connection.
        model: what the key of an event is made into; None leaves it a mapping.
        batch: whether it takes a list of events.
        module: the module that registered it.
        file: that module's file.
        line: where in it.
    """

    name: str
    call: Callable[[Any, Any], object]
    model: type[BaseModel] | None
    batch: bool
    module: str
    file: Path
    line: int

    @property
    def place(self) -> str:
        """Where it was registered, for messages."""
        return f"{self.file.name}, line {self.line}"


def event_function(
    name: str, *, model: type[BaseModel] | None = None, batch: bool = False
) -> Callable[[_Function], _Function]:
    """Register a function under this name, and leave it as it is.

    Args:
        name: what `function_name` of a job says: letters, digits, `_`, `.` and `-`, at most 100.
        model: a pydantic model that the event's key is made into, so that a wrong key fails before the function runs.
        batch: the function takes a list of events, all that are at hand, instead of one.

    Raises:
        FunctionRefused: the name or the function cannot be used; the message says why and where.
    """
    frame = inspect.currentframe()
    place = _Place.of(frame.f_back if frame else None)
    _check_arguments(place, name, model, batch)

    def register(function: _Function) -> _Function:
        _check_function(place, name, function, batch=batch)
        registered = EventFunction(name, function, model, batch, place.module, place.file, place.line)
        setattr(function, _REGISTERED, registered)
        if (found := _collected.get()) is not None:
            found.append(registered)
        return function

    return register


def find_registered(function: Callable[..., object]) -> EventFunction:
    """Return what a function was registered as; its last name if it has several.

    Raises:
        FunctionRefused: it was not.
    """
    found = getattr(function, _REGISTERED, None)
    if not isinstance(found, EventFunction):
        raise FunctionRefused(
            f"{getattr(function, '__name__', type(function).__name__)} is not registered, so no event can run it. "
            'Nothing was run. Fix: write @event_function("its name") above its def'
        )
    return found


@contextmanager
def collect_functions() -> Generator[list[EventFunction]]:
    """Yield a list that gets every function which is registered in the block, in this thread."""
    found: list[EventFunction] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


@dataclass(frozen=True)
class _Place:
    """Where a decorator stands."""

    module: str
    file: Path
    line: int

    @classmethod
    def of(cls, frame: FrameType | None) -> _Place:
        if frame is None:
            return cls("", Path("unknown"), 0)
        return cls(str(frame.f_globals.get("__name__", "")), Path(frame.f_code.co_filename), frame.f_lineno)

    def __str__(self) -> str:
        return f"{self.file.name}, line {self.line}"


def _check_arguments(place: _Place, name: object, model: object, batch: object) -> None:
    if callable(name):
        raise FunctionRefused(
            f"{place}: @event_function without a name. Nothing of this file is registered. Fix: write "
            '@event_function("its name")'
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FunctionRefused(
            f"{place}: the name of @event_function is {_cut(repr(name))}. Nothing of this file is registered. Fix: "
            "take letters, digits, '_', '.' and '-', at most 100 of them, the first a letter or '_'"
        )
    if name.startswith(OWN_PREFIX):
        raise FunctionRefused(
            f"{place}: the name {name!r} begins with {OWN_PREFIX!r}, as those do that come with this program. Nothing "
            "of this file is registered. Fix: take another name"
        )
    if model is not None and not (inspect.isclass(model) and issubclass(model, BaseModel)):
        raise FunctionRefused(
            f"{place}: the model of function {name!r} is no pydantic model. Nothing of this file is registered. Fix: "
            "derive it from pydantic.BaseModel, or leave it out"
        )
    if not isinstance(batch, bool):
        raise FunctionRefused(
            f"{place}: batch of function {name!r} is neither True nor False. Nothing of this file is registered. "
            "Fix: write batch=True, or leave it out"
        )


def _check_function(place: _Place, name: str, function: Callable[..., object], *, batch: bool) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise FunctionRefused(
            f"{place}: function {name!r} is a coroutine, which nobody would await. Nothing of this file is "
            "registered. Fix: write def instead of async def, and asyncio.run(...) inside if need be"
        )
    if inspect.isgeneratorfunction(function):
        raise FunctionRefused(
            f"{place}: function {name!r} is a generator, whose body would never run. Nothing of this file is "
            "registered. Fix: do the work in the function itself, without yield"
        )
    if not inspect.isfunction(function):
        raise FunctionRefused(
            f"{place}: what is registered as {name!r} is no function. Nothing of this file is registered. Fix: put "
            "@event_function above a def"
        )
    signature = inspect.signature(function)
    try:
        signature.bind(None, None)
    except TypeError:
        # Their names alone: a default may be a secret.
        parameters = ", ".join(signature.parameters)
        raise FunctionRefused(
            f"{place}: function {name!r} takes ({parameters}), and is called with two things. Nothing of this file is "
            f"registered. Fix: write def {function.__name__}({'events' if batch else 'event'}, db)"
        ) from None


def _cut(text: str) -> str:
    return text if len(text) <= 2 * 100 else text[: 2 * 100] + "..."
