"""Where the servers of tests keep their files: in memory where there is plenty of it.

Hundreds of databases are made and dropped, hundreds of files each. Linux's ext4 looks for a free inode the longer the
more were freed in the last seconds, which took a fifth of all time of the tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_IN_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of its own is made in it
_ENOUGH_BYTES = 8 << 30
_OTHERS_MAY_PASS = 0o711


@contextmanager
def server_folder() -> Iterator[Path]:
    """Make a folder for one server, in memory where that and the machine have 8 GiB to spare.

    Others may pass through it: a server that root starts runs as somebody else, and its data move to where that
    account can reach them, which may be a disk.
    """
    with TemporaryDirectory(dir=_find_memory()) as name:
        folder = Path(name)
        folder.chmod(_OTHERS_MAY_PASS)
        yield folder


def _find_memory() -> Path | None:
    if not (os.path.ismount(_IN_MEMORY) and os.access(_IN_MEMORY, os.W_OK | os.X_OK)):
        return None
    filesystem = os.statvfs(_IN_MEMORY)
    free = filesystem.f_bavail * filesystem.f_frsize
    return _IN_MEMORY if min(free, _spare_bytes()) >= _ENOUGH_BYTES else None


def _spare_bytes() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    (kilobytes,) = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return kilobytes << 10
