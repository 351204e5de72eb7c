"""One run of a peer in a process of its own: how long it took, how much memory it held, how much WAL it made."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.archive_data import Loaded, fresh_copy, refuse_other_rows, wal_bytes
from bench.cpu_seconds import CpuMeter
from bench.place import Place
from dev import families
from dev.airflow_environment import base_environment
from dev.guard import guard
from dev.peak_memory import read_peak_mb
from dev.processes import ProcessError
from dev.stack import PROJECT_ROOT


@dataclass(frozen=True)
class Run:
    """One run over a whole table. Megabytes are 10^6 bytes; the rate is that of the rows' CSV, however sent.

    `cpu_s` are the CPU seconds of the worker, of Postgres and of the S3 server, if they were measured.
    """

    seconds: float
    rows: int
    csv_bytes: int
    peak_mb: float
    wal_bytes: int
    cpu_s: Mapping[str, float] | None = None

    def figures(self) -> dict[str, Any]:
        """For the results."""
        size = self.csv_bytes / 1e9
        cpu = {name: round(seconds / size, 2) for name, seconds in (self.cpu_s or {}).items()}
        return {
            **{key: value for key, value in asdict(self).items() if key != "cpu_s"},
            **({"cpu_s_gb": {**cpu, "all": round(sum(cpu.values()), 2)}} if cpu else {}),
            "seconds": round(self.seconds, 3),
            "mb_s": round(self.csv_bytes / 1e6 / self.seconds, 1),
            "rows_s": round(self.rows / self.seconds),
        }


def run_peer(
    place: Place,
    loaded: Loaded,
    python: Path,
    module: str,
    environment: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    root: Path = PROJECT_ROOT,
) -> Run:
    """Runs `module` on a fresh copy of the table, from when it has imported everything to when it is done.

    `root` is where the module is found, of another release if it is another folder.

    Raises:
        ProcessError: it failed, or left other rows than it should.
    """
    fresh_copy(place.postgres, loaded)
    run = time_peer(place, loaded, python, module, environment or {}, settings, root)
    place.empty_bucket()
    refuse_other_rows(place.postgres, module)
    return run


def time_peer(
    place: Place,
    loaded: Loaded,
    python: Path,
    module: str,
    environment: Mapping[str, str],
    settings: Mapping[str, Any] | None = None,
    root: Path = PROJECT_ROOT,
) -> Run:
    """Runs `module` on the table as it is, with these settings besides the usual ones; what it did is not looked at.

    Raises:
        ProcessError: it failed.
    """
    log = place.folder / f"{module.rpartition('.')[2]}.log"
    with _process(python, module, environment, log, root) as process:
        _say(process, json.dumps(place.task() | dict(settings or {})))
        _hear(process, "ready", log)
        wal = wal_bytes(place.postgres)
        meter = CpuMeter({"worker": process.pid, "postgres": place.postgres.pid, "s3": place.s3.pid})
        started = time.monotonic()
        _say(process, "go")
        _hear(process, "done", log)
        seconds = time.monotonic() - started
        cpu, peak = meter.seconds(), read_peak_mb(process.pid)
        wal = wal_bytes(place.postgres) - wal
    return Run(seconds, loaded.load.rows, loaded.csv_bytes, peak, wal, cpu)


@contextmanager
def _process(
    python: Path, module: str, environment: Mapping[str, str], log_file: Path, root: Path
) -> Iterator[subprocess.Popen[str]]:
    """The peer's process in a session of its own; it and all that it started is gone on the way out."""
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [str(python), "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**base_environment(log_file.parent / "home", root), **environment},
            cwd=root,
            start_new_session=True,
            text=True,
        )
    guard().watch(process.pid)
    try:
        yield process
    finally:
        families.kill(families.family(process.pid))
        process.communicate()
        guard().forget(process.pid)


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str], word: str, log: Path) -> None:
    assert process.stdout
    if process.stdout.readline().strip() != word:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        raise ProcessError(f"{log.stem} ended before it was {word}; the end of {log}:\n{tail}")
