"""A process's peak of memory is its own, whatever its parent held."""

from __future__ import annotations

import os
import subprocess
import sys

from dev.peak_memory import read_peak_mb

OWN_PEAK = "from dev.peak_memory import read_peak_mb; print(read_peak_mb())"
HELD = 300_000_000


def test_a_large_parent_is_not_in_its_childs_peak() -> None:
    held = bytearray(os.urandom(1)) * HELD
    assert read_peak_mb() > len(held) / 1e6
    child = subprocess.run([sys.executable, "-c", OWN_PEAK], stdout=subprocess.PIPE, text=True, check=True)
    assert 1 < float(child.stdout) < 100


def test_a_process_that_has_ended_has_no_peak() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert read_peak_mb(child.pid) == 0
