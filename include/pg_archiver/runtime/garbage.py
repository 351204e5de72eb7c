"""What was there before a long loop begins is not looked through again and again for garbage."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def spare_collector() -> Generator[None]:
    """Keep Python's collector to what the block makes: all that was imported lives on, and is most of its work.

    Where the process has frozen something itself, nothing is done.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
