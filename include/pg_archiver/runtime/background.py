"""Work in the background: threads that wait for each other, so that neither runs far ahead.

Compression, checksums and sockets let other threads run, so a thread for each stage keeps them all busy. What goes
wrong in a thread is raised in its caller, as what it is, and no thread outlives the block that it works for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class BackgroundWorker(Generic[T]):
    """A thread that does one thing with each item that it is given, in their order; it starts with the first one."""

    def __init__(self, work: Callable[[T], object], most: int, name: str) -> None:
        """At most `most` items are in its hands at a time; `name` is the thread's."""
        self._work = work
        self._most = most
        self._room = threading.Semaphore(most)
        # An item in a tuple of its own; None ends the thread.
        self._line: SimpleQueue[tuple[T] | None] = SimpleQueue()
        self._name = name
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread, whatever it has left to do."""
        self.close()

    @property
    def begun(self) -> bool:
        """Whether it was ever given an item."""
        return self._thread is not None

    def submit(self, item: T) -> None:
        """Hand an item over, and wait while there is no room for it.

        Raises:
            Exception: what the work on an earlier item raised; nothing is done with later ones.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._room.acquire()
        self._line.put((item,))
        self._raise()

    def join(self) -> None:
        """Wait until every item was worked on.

        Raises:
            Exception: what the work raised.
        """
        for _ in range(self._most):
            self._room.acquire()
        self._room.release(self._most)
        self._raise()

    def close(self) -> None:
        """End the thread after the item that it works on; those in line are dropped, and no error is raised."""
        self._stopped = True
        if self._thread is not None:
            self._line.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._line.get()) is not None:
            try:
                if not self._stopped:
                    self._work(*item)
            except BaseException as error:  # noqa: BLE001 (it is raised where the items come from)
                self._error, self._stopped = error, True
            # Before there is room for the next one, which may be as large.
            del item
            self._room.release()


@contextmanager
def prefetch(items: Iterator[T], most: int, wake: Callable[[], object], name: str) -> Generator[Iterator[T]]:
    """Yield the same items, made by a thread at most `most` ahead; what making them raises is raised here.

    At the end of the block the thread ends too. If it is not done by then, `wake` is called, which is to end whatever
    it waits for.
    """
    room = threading.Semaphore(most)
    made: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
    stopped, done = threading.Event(), threading.Event()

    def make() -> None:
        try:
            room.acquire()
            while not stopped.is_set():
                made.put((next(items),))
                room.acquire()
        except StopIteration:
            end(None)
        except BaseException as error:  # noqa: BLE001 (it is raised where the items are used)
            end(error)

    def end(error: BaseException | None) -> None:
        # First, so that whoever learns of the end does not wake what no longer sleeps.
        done.set()
        made.put(error)

    def used() -> Iterator[T]:
        while (found := made.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found[0]
            del found
            room.release()

    thread = threading.Thread(target=make, name=name, daemon=True)
    thread.start()
    try:
        yield used()
    finally:
        stopped.set()
        room.release()
        if not done.is_set():
            wake()
        thread.join()
