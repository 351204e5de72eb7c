"""Child processes that end with us: own session, output in a log file, stopped with all they started."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from dev import families, pid_files
from dev.accounts import run_as
from dev.guard import guard
from dev.waiting import wait_until

LOCALHOST = "127.0.0.1"
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ProcessError(RuntimeError):
    """A process of the local stack did not do what was expected; the message holds the tail of its log."""


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind((LOCALHOST, 0))
        port: int = listener.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Say whether a server could listen on 127.0.0.1:`port` at this moment."""
    with socket.socket() as listener:
        # As servers do it: connections that ended a moment ago are nobody's.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOCALHOST, port))
        except OSError:
            return False
        return True


def is_listening(host: str, port: int) -> bool:
    """Say whether a TCP connection to `host`:`port` is accepted."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


class Child:
    """A long-running process, its log file and its pid file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log_file: Path,
        environment: Mapping[str, str],
        *,
        directory: Path | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Describe the process; `environment` is all it gets, `user` (root only) is whom it runs as."""
        self.name = name
        self.log_file = log_file
        self._command = [str(word) for word in command]
        self._environment = dict(environment)
        self._directory = directory
        self._user = user
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._stop_announced = False

    @property
    def pid(self) -> int | None:
        """The process id between start and stop."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """How the process ended (minus the signal's number if by one), None while it runs."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start the process, appending its output to the log file.

        Raises ProcessError outside the main thread: the system would end the child with that thread.
        """
        if threading.current_thread() is not threading.main_thread():
            raise ProcessError(f"{self.name}: start it from the main thread, a child ends with its thread")
        if self._process:
            raise ProcessError(f"{self.name} is started already")
        pid_files.await_end(self._pid_file)
        self._stop_announced = False
        watcher = guard()
        with self.log_file.open("ab") as log, _signals_blocked() as former_mask:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._directory,
                start_new_session=True,
                preexec_fn=self._prepare(former_mask),  # noqa: PLW1509  # system calls, from the main thread
                **run_as(self._user),
            )
            watcher.watch(self._process.pid)
            pid_files.write(self._pid_file, self._process.pid)

    def stop(self, patience: float = 20.0) -> None:
        """Signal the process, wait up to `patience` seconds, then kill what is left of its family."""
        self.end(self._stop_signal, patience)

    def kill(self) -> None:
        """SIGKILL the process and its family, as when its machine dies."""
        self.end(signal.SIGKILL, patience=5.0)

    def end(self, first_signal: signal.Signals, patience: float = 20.0) -> None:
        """End the process by another signal than its usual one; otherwise as `stop`."""
        if self._process is None:
            return
        process = self._process
        members = families.family(process.pid)
        if process.poll() is None:
            # Some programs drop everything at a second signal.
            if not (self._stop_announced and first_signal == self._stop_signal):
                process.send_signal(first_signal)
            self._await_end(process, patience)
        # Those who were born or orphaned in between are found by the session; the dead are skipped.
        families.kill([*members, *families.family(process.pid)])
        process.wait()
        guard().forget(process.pid)
        self._pid_file.unlink(missing_ok=True)
        self._process = None

    def announce_stop(self) -> None:
        """Send the stop signal without waiting, so that several processes stop at the same time."""
        if self.running and self._process and not self._stop_announced:
            self._stop_announced = True
            self._process.send_signal(self._stop_signal)

    def wait_until(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """Wait until `condition` holds.

        Raises ProcessError with the tail of the log when the process ends first or after `timeout` seconds.
        """

        def holds() -> bool:
            if not self.running:
                raise ProcessError(f"{self.name} ended before {what}\n{self.log_tail()}")
            return condition()

        try:
            wait_until(holds, f"{self.name}: {what}", timeout)
        except TimeoutError as error:
            raise ProcessError(f"{error}\n{self.log_tail()}") from error

    def wait_until_listening(self, host: str, port: int, timeout: float = 60.0) -> None:
        """Wait until the process accepts connections; raises as `wait_until`."""
        self.wait_until(lambda: is_listening(host, port), f"listening on {host}:{port}", timeout)

    def log_tail(self, lines: int = 30) -> str:
        """Return the file name and the last lines of the log."""
        text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        return "\n".join([f"--- {self.log_file}", *text.splitlines()[-lines:]])

    @property
    def _pid_file(self) -> Path:
        return self.log_file.with_suffix(".pid")

    def _await_end(self, process: subprocess.Popen[bytes], patience: float) -> None:
        try:
            wait_until(lambda: process.poll() is not None, f"{self.name} to stop", patience)
        except TimeoutError:
            print(f"{self.name} did not stop within {patience:.0f} s, killing it", flush=True)

    def _prepare(self, signal_mask: set[signal.Signals]) -> Callable[[], None]:
        """Return what the child does after the change of user and before it becomes the program."""
        stop_signal, parent = int(self._stop_signal), os.getpid()

        def prepare() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)
            if _libc:  # Linux sends the stop signal when we die; a change of user would clear that
                _libc.prctl(_PR_SET_PDEATHSIG, stop_signal)
            if os.getppid() != parent:  # we died before the call
                os._exit(1)

        return prepare


@contextlib.contextmanager
def _signals_blocked() -> Iterator[set[signal.Signals]]:
    """Delay the stop signals, so that none comes between a child's start and the note of its pid."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield {signal.Signals(number) for number in former}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
