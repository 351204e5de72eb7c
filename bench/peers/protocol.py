"""How a peer's process is spoken to. The standard library alone: some peers run without the project's packages."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def serve(work: Callable[[dict[str, Any]], None]) -> None:
    """Reads the task, says `ready`, waits for `go`, works, says `done`, and lives on until its memory was read.

    All that is imported is imported before `ready`, so the time between `go` and `done` is that of the work. The
    first line of standard input is the task as JSON. What the work prints goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    task = json.loads(sys.stdin.readline())
    answers.write("ready\n")
    sys.stdin.readline()
    work(task)
    answers.write("done\n")
    sys.stdin.readline()
