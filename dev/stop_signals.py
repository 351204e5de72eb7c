"""Ctrl-C, SIGTERM and SIGHUP as one exception, so that `finally` and `with` stop what was started."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal asked us to stop; the message is its name.

    It is a KeyboardInterrupt because test runners and `except Exception` let that one through.
    """


class StopSignals:
    """While entered, the first signal raises Stopped in the main thread; later ones only print a line."""

    def __init__(self) -> None:
        """Prepare; nothing changes before entering."""
        self._holding = False
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Take the signals over."""
        self._holding = False
        self._former = {number: signal.signal(number, self._handle) for number in _NUMBERS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back to whom they belonged."""
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def hold(self) -> None:
        """From here on raise nothing: stopping must not be interrupted, or it leaves processes behind."""
        self._holding = True

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self._holding:
            print(f"{name}: stopping already, please wait", flush=True)
            return
        self.hold()
        raise Stopped(name)
