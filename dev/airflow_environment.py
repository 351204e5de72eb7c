"""The environment of the local stack's Airflow processes: every setting, nothing taken from the caller."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from dev.postgres import PostgresServer
from dev.processes import LOCALHOST

ADMIN = "admin"
METADATA_DATABASE = "airflow"

_INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LOGNAME", "TERM", "TMPDIR", "USER")
"""What a program may need of its user's environment. Proxies, AIRFLOW_*, AWS_* and PG* are not among it."""


def base_environment(home: Path, project_root: Path) -> dict[str, str]:
    """Return what every Airflow process needs before any setting: search paths, folders, no cloud profile."""
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": str(project_root / "include"),
        "PYTHONUNBUFFERED": "1",
        "TZ": "UTC",
        "AIRFLOW_HOME": str(home),
        # boto3 looks into the user's files and asks the machine's metadata service unless told not to.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def metadata_url(postgres: PostgresServer) -> str:
    """Return the SQLAlchemy URL of Airflow's own database."""
    account = f"{quote(postgres.user, safe='')}:{quote(postgres.password, safe='')}"
    return f"postgresql+psycopg://{account}@{postgres.host}:{postgres.port}/{METADATA_DATABASE}"


def settings(home: Path, project_root: Path, port: int, parallelism: int) -> dict[tuple[str, str], str]:
    """Return Airflow's settings by (section, option): local, private, quick to react, small."""
    base_url = f"http://{LOCALHOST}:{port}"
    return {
        ("core", "dags_folder"): str(project_root / "dags"),
        ("core", "plugins_folder"): str(project_root / "plugins"),
        ("core", "load_examples"): "False",
        ("core", "executor"): "LocalExecutor",
        ("core", "parallelism"): str(parallelism),
        ("core", "auth_manager"): ("airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"),
        ("core", "simple_auth_manager_users"): f"{ADMIN}:admin",
        ("core", "simple_auth_manager_passwords_file"): str(home / "passwords.json"),
        ("core", "execution_api_server_url"): f"{base_url}/execution/",
        ("core", "min_serialized_dag_update_interval"): "1",
        # The default asks the name service for this machine's full name.
        ("core", "hostname_callable"): "socket.gethostname",
        ("api", "host"): LOCALHOST,
        ("api", "port"): str(port),
        ("api", "base_url"): base_url,
        ("api", "workers"): "1",
        ("api", "expose_config"): "False",
        ("logging", "base_log_folder"): str(home / "logs"),
        ("dag_processor", "refresh_interval"): "2",
        ("dag_processor", "bundle_refresh_check_interval"): "1",
        ("dag_processor", "min_file_process_interval"): "10",
        ("dag_processor", "parsing_processes"): "1",
        ("dag_processor", "dag_bundle_storage_path"): str(home / "bundles"),
        # A supervisor may notice only after this many seconds that its task has ended, and keeps its slot.
        ("workers", "min_heartbeat_interval"): "1",
        ("scheduler", "scheduler_idle_sleep_time"): "0.2",
        ("scheduler", "scheduler_heartbeat_sec"): "1",
        ("scheduler", "job_heartbeat_sec"): "2",
        ("scheduler", "parsing_cleanup_interval"): "10",
        ("triggerer", "job_heartbeat_sec"): "2",
    }


def as_variables(options: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """Return settings as the environment variables that Airflow reads them from."""
    return {f"AIRFLOW__{section.upper()}__{name.upper()}": value for (section, name), value in options.items()}
