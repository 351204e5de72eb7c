"""Where the servers of tests keep their files: in memory where there is plenty of it.

Hundreds of databases are made and dropped, hundreds of files each. Linux's ext4 looks for a free inode the longer the
more were freed in the last seconds, which took an eighth of all time of the tests.
"""

from __future__ import annotations

import os
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of its own is made in it
_ENOUGH_BYTES = 8 << 30


def memory_folder() -> Path | None:
    """Return a folder that is kept in memory, None where none has 8 GiB free or the machine has less to spare."""
    if not (os.path.ismount(_IN_MEMORY) and os.access(_IN_MEMORY, os.W_OK | os.X_OK)):
        return None
    filesystem = os.statvfs(_IN_MEMORY)
    free = filesystem.f_bavail * filesystem.f_frsize
    return _IN_MEMORY if min(free, _spare_bytes()) >= _ENOUGH_BYTES else None


def _spare_bytes() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    (kilobytes,) = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return kilobytes << 10
