"""What a verification of one table found."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field

from pg_archiver.domain.wording import say_count
from pg_archiver.errors import Unfinished

_MOST_NAMED = 20

log = logging.getLogger(__name__)


@dataclass
class Verified:
    """What was read and compared. A problem is something lost or changed; a note is something left over.

    Of the objects, `elsewhere` lie under another bucket or prefix than the policy's.
    """

    objects: int = 0
    rows: int = 0
    object_bytes: int = 0
    elsewhere: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse_problems(self) -> None:
        """Fail if there are problems: an archive with a hole must not look like a whole one.

        Raises:
            Unfinished: it names the objects.
        """
        if self.problems:
            raise Unfinished(
                f"{len(self.problems):,} problem(s) in the archive: {'; '.join(self.problems[:_MOST_NAMED])}"
            )

    def as_dict(self) -> dict[str, object]:
        """Return plain values; the lists are cut where they get long."""
        return asdict(self) | {"problems": self.problems[:_MOST_NAMED], "notes": self.notes[:_MOST_NAMED]}

    def lines(self) -> list[str]:
        """Return a human-readable summary; each problem was logged when it was found."""
        size = f"{self.object_bytes / 1e6:.1f} MB"
        return [
            f"{say_count(self.objects, 'object')} with {say_count(self.rows, 'row')} ({size}) read back, "
            f"{say_count(len(self.problems), 'problem')}",
            *(f"note: {line}" for line in self.notes[:_MOST_NAMED]),
        ]

    def note_problem(self, problem: str) -> None:
        """Note that something is lost or changed, as an error for those who filter logs for errors."""
        log.error("problem: %s", problem)
        self.problems.append(problem)
