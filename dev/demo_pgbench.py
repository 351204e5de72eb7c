"""The bank of the demo: Postgres's own benchmark fills its tables and keeps writing while they are archived."""

import re
from pathlib import Path

from dev.demo_clients import BANK
from dev.processes import Child, ProcessError
from dev.stack import Stack
from dev.waiting import wait_until

TRANSACTIONS = 10_000
"""How many there are before the archive begins: as many rows of pgbench_history."""

_CLIENTS = 2
_ROUND_SECONDS = 5
_RATE_A_SECOND = 200
_PROCESSED = re.compile(r"number of transactions actually processed: (\d+)")


class Pgbench:
    """One pgbench at a time on the bank's database; what each has done stands in its log.

    It writes in rounds of a few seconds: pgbench tells exactly how many transactions it made, but only when
    nobody cuts it short.
    """

    def __init__(self, stack: Stack) -> None:
        """Prepare; nothing runs yet."""
        self._postgres = stack.postgres
        self._log = stack.state_directory / "pgbench.log"
        self._round: Child | None = None

    @property
    def transactions(self) -> int:
        """How many transactions all the rounds that have ended since the last filling have made."""
        return sum(int(number) for number in _PROCESSED.findall(self._log.read_text()))

    def start_filling(self) -> None:
        """Create pgbench's tables and begin its first transactions; `finish` waits for their end."""
        self._log.unlink(missing_ok=True)
        self._start("--initialize", "--quiet")
        self.finish()
        self._start("--no-vacuum", f"--client={_CLIENTS}", f"--transactions={TRANSACTIONS // _CLIENTS}")

    def keep_writing(self) -> None:
        """Begin a round of writing, unless one is under way; to be called again and again."""
        if self._round and self._round.running:
            return
        self.finish()
        # Without --no-vacuum pgbench would empty its history first.
        self._start("--no-vacuum", f"--client={_CLIENTS}", f"--rate={_RATE_A_SECOND}", f"--time={_ROUND_SECONDS}")

    def finish(self) -> None:
        """Wait for the end of the round that is under way; raises ProcessError when pgbench failed."""
        current = self._round
        if current is None:
            return
        wait_until(lambda: not current.running, "pgbench", timeout=60)
        status = current.exit_status
        self.stop()
        if status != 0:
            raise ProcessError(f"pgbench ended with status {status}\n{current.log_tail()}")

    def stop(self) -> None:
        """End the round at once; what it has written is then not known."""
        if self._round:
            self._round.stop()
        self._round = None

    def _start(self, *arguments: str) -> None:
        command: list[str | Path] = [self._postgres.tool("pgbench"), *arguments]
        self._round = Child("pgbench", command, self._log, self._postgres.tool_environment(BANK.database))
        self._round.start()
