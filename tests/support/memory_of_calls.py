"""A call in a process of its own, which tells how it ended and by how many MiB its peak of memory grew."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from datetime import timedelta
from typing import Any

import psycopg

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.jobs.call import call, find_procedure
from pg_archiver.postgres.procedures_session import ProceduresSession
from tests.support.procedures import Procedures, procedure


def call_apart(procedures: Procedures, body: str) -> dict[str, Any]:
    """Calls a procedure of this body in a fresh process."""
    procedures.place.sql(procedure("app.job", body))
    dsn = {**procedures.place.server.dsn(procedures.place.database), "user": procedures.login}
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(dsn),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    dsn = json.load(sys.stdin)
    with ProceduresSession.connect(lambda: psycopg.connect(**dsn), dsn["dbname"], "test") as session:
        routine = find_procedure(session, ProcedureName("app", "job"), lambda _: True)
        before = peak()
        ended = call(session, routine, 1, "{}", timedelta(minutes=5))
        error = ended.error and ended.error.sqlerrcode
        found = {"grown": peak() - before, "output": len(ended.output), "error": error, "left": ended.left}
    sys.stdout.write(json.dumps(found))


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
