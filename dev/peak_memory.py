"""The peak of a process's memory, as the kernel keeps it for what the process runs now.

Not `ru_maxrss`: a process that Python started with `subprocess` has its parent's peak in it, since it shared its
parent's memory until it ran a program of its own. Under a large parent that number never moves.
"""

from __future__ import annotations

import os
from pathlib import Path


def read_peak_mb(process: int | None = None) -> float:
    """Return the most memory, in MB, that a process has held so far, resident, of its own and shared; ours by default.

    It is 0 for one that has ended and is not collected yet.

    Raises:
        FileNotFoundError, ProcessLookupError: there is no such process any more.
    """
    status = Path(f"/proc/{os.getpid() if process is None else process}/status")
    for line in status.read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return 0.0
