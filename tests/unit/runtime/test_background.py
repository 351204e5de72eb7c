"""Threads beside the caller's: in order, never far ahead, their errors told, and none of them left running."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pg_archiver.errors import StorageInterrupted
from pg_archiver.runtime.background import BackgroundWorker, prefetch


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def nothing() -> None:
    """There is nobody to wake."""


def broken_after(count: int) -> Iterator[int]:
    yield from range(count)
    raise StorageInterrupted("the stream broke off")


def test_items_are_worked_on_in_their_order_and_all_of_them_before_it_is_settled() -> None:
    done: list[int] = []
    with BackgroundWorker(done.append, 3, "test") as work:
        for number in range(100):
            work.submit(number)
        work.join()
        assert done == list(range(100))
        work.submit(100)
        work.join()
    assert done[-1] == 100


def test_no_more_items_than_asked_for_are_in_its_hands() -> None:
    go_on = threading.Semaphore(0)
    given: list[int] = []
    with BackgroundWorker[int](lambda _: go_on.acquire(), 2, "test") as work:

        def give() -> None:
            for number in range(5):
                work.submit(number)
                given.append(number)

        giver = threading.Thread(target=give)
        giver.start()
        giver.join(0.1)
        assert len(given) <= 2
        go_on.release(5)
        giver.join()
        assert given == list(range(5))


def test_what_the_work_raises_is_raised_where_the_items_come_from_and_ends_the_work() -> None:
    done: list[int] = []

    def work_on(number: int) -> None:
        if number == 2:
            raise StorageInterrupted("no room")
        done.append(number)

    def give_all() -> None:
        with BackgroundWorker(work_on, 2, "test") as work:
            for number in range(10):
                work.submit(number)
            work.join()

    with pytest.raises(StorageInterrupted, match="no room"):
        give_all()
    assert done == [0, 1]


def test_the_last_items_error_is_raised_when_all_is_settled() -> None:
    with BackgroundWorker[int](lambda _: next(broken_after(0)), 4, "test") as work:
        work.submit(1)
        with pytest.raises(StorageInterrupted):
            work.join()


def test_an_error_of_the_caller_drops_what_stands_in_line() -> None:
    done: list[int] = []
    started, go_on = threading.Event(), threading.Event()

    def work_on(number: int) -> None:
        started.set()
        go_on.wait()
        done.append(number)

    def give_all(work: BackgroundWorker[int]) -> None:
        for number in range(3):
            work.submit(number)
        started.wait()
        threading.Timer(0.05, go_on.set).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), BackgroundWorker(work_on, 3, "test") as work:
        give_all(work)
    assert done == [0]


def test_items_made_ahead_come_in_their_order_and_few_at_a_time() -> None:
    made: list[int] = []

    def noted() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with prefetch(noted(), 2, nothing, "test") as items:
        for number in items:
            assert number == made[number]
            assert len(made) <= number + 4
    assert len(made) == 100


def test_what_making_them_raises_comes_after_the_items_before_it() -> None:
    with prefetch(broken_after(3), 2, nothing, "test") as items:
        assert [next(items), next(items), next(items)] == [0, 1, 2]
        with pytest.raises(StorageInterrupted, match="broke off"):
            next(items)


def test_a_maker_that_waits_is_woken_when_nobody_wants_its_items_any_more() -> None:
    asleep = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        asleep.wait()
        raise StorageInterrupted("woken")

    def use_one() -> None:
        with prefetch(slow(), 2, asleep.set, "test") as items:
            assert next(items) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use_one()


def test_a_maker_that_is_done_is_not_woken() -> None:
    woken: list[int] = []
    for _ in range(200):
        with prefetch(iter([1, 2]), 2, lambda: woken.append(1), "test") as items:
            assert list(items) == [1, 2]
    assert not woken
