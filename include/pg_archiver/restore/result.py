"""What a restore did, human-readable and for Airflow."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from pg_archiver.domain.wording import say_count
from pg_archiver.errors import Unfinished

_MOST_NAMED = 10
_MOST_STATEMENTS = 50


@dataclass
class Restored:
    """What a restore did. Of the rows read, those not restored were one of the things counted below.

    `skipped` met a row in the target that stayed; `in_conflict` met one at all; `superseded` came in a newer
    version; `kept` never left the table; `already` were put into the target before; `refused` could not come in.
    `into` is the target, `held` says how long the archive leaves the rows there. `failures` tells of objects that were
    left out and, in `row_failures` of its lines, of refused rows; `sequences` of those that stand behind the restored
    values; `lacks` are the statements for what is missing in a new table. In a dry run all of it is what
    would be.
    """

    dry_run: bool = False
    into: str = ""
    held: str = ""
    objects: int = 0
    rows_read: int = 0
    restored: int = 0
    skipped: int = 0
    in_conflict: int = 0
    superseded: int = 0
    kept: int = 0
    outside: int = 0
    already: int = 0
    refused: int = 0
    row_failures: int = 0
    notes: list[str] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def found_nothing(self) -> bool:
        """Whether there was nothing to restore, so that nothing was done."""
        return not (self.into or self.failures)

    def refuse_failures(self) -> None:
        """Fail if objects or rows were left out: such a restore must not look like one that succeeded.

        Raises:
            Unfinished: it names them.
        """
        if not self.failures:
            return
        parts = []
        if objects := len(self.failures) - self.row_failures:
            parts.append(f"{objects:,} object(s)")
        if self.refused:
            parts.append(f"{self.refused:,} row(s)")
        named = "; ".join(self.failures[:_MOST_NAMED])
        what = " and ".join(parts)
        if self.dry_run:
            raise Unfinished(f"{what} would not be restored, everything else would be: {named}")
        raise Unfinished(f"{what} were not restored, everything else was: {named}")

    def as_dict(self) -> dict[str, object]:
        """Return plain values; in a dry run `would_be_restored` instead of `restored`. Long lists are cut."""
        found = asdict(self)
        for name in ("notes", "sequences", "failures"):
            found[name] = found[name][: 2 * _MOST_NAMED]
        found["lacks"] = found["lacks"][:_MOST_STATEMENTS]
        if self.dry_run:
            found["would_be_restored"] = found.pop("restored")
        return found

    def lines(self) -> list[str]:
        """Return the result as human-readable lines."""
        lines = [
            f"{say_count(self.restored, 'row')} {self.verb} into {self.into or 'nothing'}, of {self.rows_read:,} read "
            f"from {say_count(self.objects, 'object')}",
            f"left out: {self.skipped:,} for a row in the table, {self.superseded:,} superseded by a newer version, "
            f"{self.kept:,} that never left the table, {self.already:,} that came back before, {self.outside:,} "
            f"outside the span, {self.refused:,} that could not come in",
            f"{say_count(self.in_conflict, 'row')} met one in the table under the same key",
        ]
        lines += [self.held] if self.held else []
        if self.lacks:
            lines.append(f"{self.into} does not have everything that the original has. To add it:")
            lines += [f"    {statement};" for statement in self.lacks[:_MOST_STATEMENTS]]
        failed = f"not {self.verb}"
        wrong = [f"{failed}: {line}" for line in self.failures[:_MOST_NAMED]]
        return lines + self.notes[:_MOST_NAMED] + self.sequences + wrong

    @property
    def verb(self) -> str:
        """What became of the rows, or would."""
        return "would be restored" if self.dry_run else "restored"

    def add(self, other: Restored) -> None:
        """Add what became of one object's rows."""
        for name, value in vars(other).items():
            if type(value) is int:
                setattr(self, name, getattr(self, name) + value)
        self.failures += other.failures
