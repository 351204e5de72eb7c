"""How much CPU the worker, Postgres and S3 took, each with all of its processes, user and system together."""

from __future__ import annotations

from collections.abc import Mapping

import psutil


class CpuMeter:
    """Adds up what happened to some families of processes since it was made."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        """`roots` names each family by the process that started the others of it."""
        self._roots = roots
        self._began = self._read()

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each family since then; its processes must not have been collected by anybody else."""
        now = self._read()
        return {name: round(now[name] - self._began[name], 3) for name in self._roots}

    def _read(self) -> dict[str, float]:
        return {name: _seconds(psutil.Process(root)) for name, root in self._roots.items()}


def _seconds(root: psutil.Process) -> float:
    """Its own time and that of all it started; of those that have ended as their parents have it."""
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            # It has ended since: its parent has its time by the next look.
            continue
    return total
