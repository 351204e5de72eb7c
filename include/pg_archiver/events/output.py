"""What a function prints, taken without taking the process's stdout from anybody else.

While somebody captures, `sys.stdout` is a stream that asks in which context it is written to: within a function it
keeps the text for that function's event, elsewhere it passes it on to the stream that was there before. A thread that
the function starts has a context of its own, so what it prints is passed on, unless it runs in a copy of the
function's: `threading.Thread(target=contextvars.copy_context().run, args=(work,))`. What other programs print, which
the function starts, goes past this.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO, cast

from pg_archiver.postgres.calls import MOST_KEPT, cut


class Output:
    """What was printed, as much as is kept of it: 8 KB of UTF-8."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = threading.Lock()
        self._parts: list[str] = []
        self._room = MOST_KEPT
        self._closed = False

    def write(self, text: str) -> None:
        """Take a text in; of one that is too long only the beginning, and after the end nothing."""
        with self._lock:
            if self._room > 0 and not self._closed:
                # Never more than this of a text of a gigabyte. One character more tells that there is more.
                part = text[: self._room + 1]
                self._parts.append(part)
                self._room -= len(part.encode("utf-8", "replace"))

    def close(self) -> None:
        """Take nothing in any more, for what goes on printing after its function has ended."""
        with self._lock:
            self._closed = True

    def __str__(self) -> str:
        with self._lock:
            return cut("".join(self._parts), MOST_KEPT)


_current: ContextVar[Output | None] = ContextVar("output of an event function", default=None)


class _Bytes(io.RawIOBase):
    """The binary side of the stream, for `sys.stdout.buffer.write(...)`."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._output.write(bytes(data[: MOST_KEPT + 1]).decode("utf-8", "replace"))
        return len(data)


class _Stdout:
    """The stream that stands for `sys.stdout` while anybody captures; all but writing is the former one's."""

    def __init__(self, before: TextIO) -> None:
        self.before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self.before, name)

    def write(self, text: str) -> int:
        if (output := _current.get()) is None:
            return self.before.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        output.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if _current.get() is None:
            self.before.flush()

    @property
    def buffer(self) -> Any:
        output = _current.get()
        return self.before.buffer if output is None else _Bytes(output)


class _Standing:
    """Puts the stream in place for the first who needs it, and takes it away after the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._stream: _Stdout | None = None

    @contextmanager
    def stand(self) -> Generator[None]:
        with self._lock:
            self._users += 1
            # Somebody may have put another stream there meanwhile: that one is passed on to from now on.
            if self._stream is None or cast(object, sys.stdout) is not self._stream:
                self._stream = _Stdout(sys.stdout)
                sys.stdout = cast(TextIO, self._stream)
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users and self._stream is not None:
                    if cast(object, sys.stdout) is self._stream:
                        sys.stdout = self._stream.before
                    self._stream = None


_standing = _Standing()


@contextmanager
def capturing() -> Generator[None]:
    """Prepare for many functions: what `capture` needs stands for the whole block and not for each of them."""
    with _standing.stand():
        yield


@contextmanager
def capture() -> Generator[Output]:
    """Take what the block prints in this context."""
    output = Output()
    with _standing.stand():
        token = _current.set(output)
        try:
            yield output
        finally:
            _current.reset(token)
            output.close()
