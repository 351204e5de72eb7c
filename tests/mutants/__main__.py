"""Takes the guards away one by one and sees whether a test tells: `python -m tests.mutants`.

The last line says how many were tried and how many went unnoticed; the exit status is 0 only if none did.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.mutants.catalogue import PAGE, ROOT, Mutant, Tree, load, page_of
from tests.mutants.running import AT_ONCE, Trials, Verdict


def main() -> int:
    """Tries the mutants that are asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names of mutants, or the folders that hold them")
    parser.add_argument("--sample", type=int, metavar="K", help="so many of them, chosen by --seed")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--processes", type=int, default=AT_ONCE, metavar="N", help="so many of them at a time")
    parser.add_argument("--write", action="store_true", help=f"write the list of them into {PAGE}, and try none")
    arguments = parser.parse_args()
    mutants = load("guards")
    if arguments.write:
        (ROOT / PAGE).write_text(page_of(Tree(ROOT), mutants), encoding="utf-8")
        return 0
    mutants = _chosen(mutants, arguments.only, arguments.sample, arguments.seed)
    with TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        trials = Trials(ROOT, Path(folder), arguments.processes)
        trials.compile_ahead()
        if reason := trials.red_already(mutants) or trials.broken_statements(mutants):
            _say(reason)
            return 1
        not_killed = 0
        for outcome in trials.tried(mutants):
            _say(str(outcome))
            not_killed += outcome.verdict is not Verdict.KILLED
    _say(f"mutants: {len(mutants)}, survived: {not_killed}")
    return 1 if not_killed or not mutants else 0


def _chosen(mutants: list[Mutant], only: list[str] | None, sample: int | None, seed: str) -> list[Mutant]:
    if only:
        mutants = [mutant for mutant in mutants if any(_is_in(mutant, name) for name in only)]
    if sample is not None:
        mutants = random.Random(seed).sample(mutants, min(sample, len(mutants)))  # noqa: S311 (no secret)
    return mutants


def _is_in(mutant: Mutant, name: str) -> bool:
    return f"{mutant.name}/".startswith(f"{name.rstrip('/')}/")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
