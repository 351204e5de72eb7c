"""Whether a store refuses to write a key twice, so that keys need not be looked at before they are written.

Stores that resemble S3 may ignore `If-None-Match`. So a key is looked at first, unless this store has shown of late,
below the same folder, that it refuses a second write. It shows that by an object which means nothing and is the same
each time: nothing is lost where it is overwritten after all. Only a refusal counts. No I/O.
"""

from __future__ import annotations

import time
from datetime import timedelta

# How long it is believed. A store may be replaced by another one, or set up anew, at the same address.
BELIEVED_FOR = timedelta(days=1)
TRIED_CONTENT = (
    b"By this object the archive sees whether the store refuses to write a key twice. It is never read, and may be "
    b"deleted at any time.\n"
)
# In place of the token by which a write's own object is known: this one is nobody's own.
TRIED_TOKEN = "0" * 32


class SecondWrites:
    """Where one bucket has shown that it refuses them. Threads may share it."""

    def __init__(self) -> None:
        """Know of nothing."""
        self._shown: tuple[str, float] | None = None

    def believe(self, folder: str, age: timedelta = timedelta()) -> None:
        """Note that a second write below this folder was refused, so long ago."""
        self._shown = (folder, time.monotonic() + (BELIEVED_FOR - age).total_seconds())

    def are_refused(self, key: str) -> bool:
        """Return whether the store has shown so for a key like this one, not too long ago."""
        if self._shown is None:
            return False
        folder, until = self._shown
        return key.startswith(folder) and time.monotonic() < until
