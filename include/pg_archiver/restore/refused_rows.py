"""Rows that could not come back: their numbers in the object, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from pg_archiver.errors import CheckFailed

_MOST_NUMBERS = 5
# Each refused row costs some twenty statements to be found; more of them are no exception but the rule.
MOST_ROWS = 10_000


@dataclass
class Refusals:
    """The refused rows of one object, by reason."""

    _rows: dict[str, list[int]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The number of refused rows."""
        return sum(map(len, self._rows.values()))

    def add(self, number: int, reason: str) -> None:
        """Add one more row.

        Raises:
            CheckFailed: these are so many that the object as a whole does not fit.
        """
        self._rows.setdefault(reason, []).append(number)
        if self.rows > MOST_ROWS:
            raise CheckFailed(f"more than {MOST_ROWS:,} of its rows cannot come in, the last one because {reason}")

    def lines(self, where: str) -> list[str]:
        """Return human-readable lines: rows are named by their numbers in the object, never by their content."""
        return [f"{where}: {_say_numbers(numbers)}: {reason}" for reason, numbers in self._rows.items()]


def _say_numbers(numbers: list[int]) -> str:
    named = ", ".join(f"{number:,}" for number in sorted(numbers)[:_MOST_NUMBERS])
    more = len(numbers) - _MOST_NUMBERS
    if more > 0:
        return f"rows {named} and {more:,} more"
    return f"row {named}" if len(numbers) == 1 else f"rows {named}"
