"""A session that notes each statement, and whose connection ends before the one of a number."""

from __future__ import annotations

from collections.abc import Callable

from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import Names


class BrokenSession(Session):
    """Notes each statement from when it knows how to end its connection, and ends it before the one of this number."""

    sent: list[str]
    end: Callable[[], object] | None = None
    ends_before: int | None = None

    def begin(self, end: Callable[[], object], ends_before: int | None) -> None:
        """Begins to note; None ends it before none."""
        self.sent, self.end, self.ends_before = [], end, ends_before

    def fetch_all(self, statement: str, names: Names | None = None, /, **values: object) -> list[Row]:
        self._reach(statement)
        return super().fetch_all(statement, names, **values)

    def execute(self, statement: str, names: Names | None = None, /, **values: object) -> int:
        self._reach(statement)
        return super().execute(statement, names, **values)

    def _reach(self, statement: str) -> None:
        if self.end is None:
            return
        if self.ends_before == len(self.sent):
            self.end()
        self.sent.append(statement)
