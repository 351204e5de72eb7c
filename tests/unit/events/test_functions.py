"""A function is registered as it stands, or refused where it stands, with what is wrong and what to write instead."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from pg_archiver.errors import FunctionRefused
from pg_archiver.events import Event, event_function
from pg_archiver.events.functions import find_registered

SECRET = "secretjohndoe4711"


class Key(BaseModel):
    id: int


def plain(event: Event, db: object) -> None:
    """A function as it should be."""


def three(event: Event, db: object, more: str) -> None: ...


def one(event: Event) -> None: ...


def keyword(event: Event, *, db: object) -> None: ...


def with_secret(password: str = SECRET) -> None: ...


def generator(event: Event, db: object) -> Iterator[int]:
    yield 1


async def coroutine(event: Event, db: object) -> None: ...


async def async_generator(event: Event, db: object) -> AsyncIterator[int]:
    yield 1


class Instance:
    def __call__(self, event: Event, db: object) -> None: ...


def test_a_function_stays_what_it_is_and_is_known_by_its_name_and_place() -> None:
    assert event_function("plain", model=Key)(plain) is plain
    found = find_registered(plain)
    assert (found.name, found.call, found.model, found.batch) == ("plain", plain, Key, False)
    assert found.file == Path(__file__)
    assert found.place == f"test_functions.py, line {found.line}"


def with_default(event: Event, db: object, retries: int = 3) -> None: ...


def with_all(*both: object) -> None: ...


def with_more(event: Event, db: object, **more: object) -> None: ...


@pytest.mark.parametrize("more", [with_default, with_all, with_more])
def test_what_may_be_called_with_two_things_is_taken(more: Callable[..., None]) -> None:
    assert event_function("more")(more) is more


def test_a_decorated_function_counts_as_the_one_below() -> None:
    @event_function("wrapped")
    @functools.wraps(plain)
    def wrapped(*given: Any) -> None:
        plain(*given)

    assert find_registered(wrapped).call is wrapped


@pytest.mark.parametrize(
    ("function", "said", "fix"),
    [
        (three, "takes (event, db, more), and is called with two things", "write def three(event, db)"),
        (one, "takes (event), and is called with two things", "write def one(event, db)"),
        (keyword, "takes (event, db), and is called with two things", "write def keyword(event, db)"),
        (lambda: None, "takes (), and is called with two things", "(event, db)"),
        (with_secret, "takes (password), and is called with two things", "write def with_secret(event, db)"),
        (generator, "is a generator, whose body would never run", "without yield"),
        (coroutine, "is a coroutine, which nobody would await", "write def instead of async def"),
        (async_generator, "is a coroutine, which nobody would await", "write def instead of async def"),
        (Key, "is no function", "put @event_function above a def"),
        (Instance(), "is no function", "put @event_function above a def"),
        (functools.partial(plain), "is no function", "put @event_function above a def"),
        (print, "is no function", "put @event_function above a def"),
    ],
)
def test_what_cannot_be_called_for_an_event_is_refused(function: Any, said: str, fix: str) -> None:
    with pytest.raises(FunctionRefused) as refused:
        event_function("odd")(function)
    text = str(refused.value)
    assert text.startswith("test_functions.py, line ")
    assert said in text
    assert "Fix: " in text
    assert fix in text
    assert SECRET not in text


def test_a_list_is_named_where_a_list_is_given() -> None:
    with pytest.raises(FunctionRefused, match=r"write def one\(events, db\)"):
        event_function("odd", batch=True)(one)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": plain}, "@event_function without a name"),
        ({"name": ""}, "the name of @event_function is ''"),
        ({"name": 5}, "the name of @event_function is 5"),
        ({"name": "a" * 101}, "at most 100"),
        ({"name": "drop table"}, "the name of @event_function is 'drop table'"),
        ({"name": "a\nb"}, "the name of @event_function is 'a\\nb'"),
        ({"name": "../etc"}, "take letters, digits"),
        ({"name": "archiver.keep_versions"}, "begins with 'archiver.'"),
        ({"name": "a", "model": dict}, "is no pydantic model"),
        ({"name": "a", "model": Key(id=1)}, "is no pydantic model"),
        ({"name": "a", "batch": "yes"}, "is neither True nor False"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(FunctionRefused) as refused:
        event_function(arguments.pop("name"), **arguments)
    assert said in str(refused.value)
    assert "Fix: " in str(refused.value)


def test_what_is_not_registered_is_told_so() -> None:
    with pytest.raises(FunctionRefused, match=r"one is not registered.*Fix: write @event_function"):
        find_registered(one)
