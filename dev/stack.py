"""The whole local stack in one place: Postgres, S3 and Airflow, started and stopped together."""

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from dev.airflow import Airflow
from dev.postgres import PostgresServer
from dev.processes import ProcessError
from dev.running import Running
from dev.s3 import MotoS3, RcloneS3, S3Server
from dev.stop_signals import StopSignals

PROJECT_ROOT = Path(__file__).absolute().parent.parent
DEFAULT_STATE_DIRECTORY = PROJECT_ROOT / ".state"
DATABASE_CONNECTION = "rds_main"
STORAGE_CONNECTION = "aws_default"
PROCEDURES_CONNECTION = "rds_main_procedures"
PROCEDURES_LOGIN = "app_procedures"
FUNCTIONS_CONNECTION = "rds_main_events"
FUNCTIONS_LOGIN = "app_functions"
BUCKET = "archive"


class Stack(Running):
    """Postgres, S3 and Airflow with their state in one folder.

    As a context manager it stops everything on the way out, on an error and on SIGINT, SIGTERM or SIGHUP.
    """

    def __init__(
        self,
        state_directory: Path = DEFAULT_STATE_DIRECTORY,
        s3: Literal["rclone", "moto"] = "rclone",
        *,
        project_root: Path = PROJECT_ROOT,
        policies: Path | None = None,
        postgres_settings: Mapping[str, str] | None = None,
        airflow_environment: Mapping[str, str] | None = None,
    ) -> None:
        """`policies` is the file for ARCHIVER_POLICIES; the settings go over the defaults of Postgres and Airflow."""
        self.state_directory = state_directory.absolute()
        self.project_root = project_root.absolute()
        self.postgres = PostgresServer(self.state_directory / "postgres", postgres_settings)
        self.s3: S3Server = RcloneS3(self.state_directory / "s3") if s3 == "rclone" else MotoS3()
        self._policies = policies
        self._airflow_environment = dict(airflow_environment or {})
        self._airflow: Airflow | None = None
        self._signals = StopSignals()
        self._exits = contextlib.ExitStack()

    @property
    def airflow(self) -> Airflow:
        """The running Airflow."""
        if self._airflow is None:
            raise ProcessError("the stack is not started")
        return self._airflow

    def start(self) -> None:
        """Start everything in order; what has started is stopped again when a later part fails.

        Raises ProcessError, also when another stack runs on the same state folder.
        """
        self._exits.enter_context(locked(self.state_directory))
        self._exits.enter_context(self._signals)
        try:
            self._start_parts()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything in the opposite order; signals have to wait for it."""
        self._signals.hold()
        self._exits.close()
        self._airflow = None

    def status_lines(self) -> list[str]:
        """Return what a person needs to look around: addresses, names, where the passwords are."""
        return [
            f"Airflow   {self.airflow.base_url}  user {self.airflow.user}  password {self.airflow.password}",
            f"Postgres  {self.postgres.host}:{self.postgres.port}  user {self.postgres.user}"
            f"  password in {self.postgres.directory / 'password'}",
            f"S3        {self.s3.endpoint_url}  bucket {BUCKET}  ({self.s3.name})",
            f"Logs      {self.state_directory}",
        ]

    def _start_parts(self) -> None:
        self._exits.enter_context(self.postgres)
        self._exits.enter_context(self.s3)
        self.s3.create_bucket(BUCKET)
        airflow = Airflow(
            self.state_directory / "airflow",
            self.project_root,
            self.postgres,
            {
                **project_environment(self.postgres, self.s3, self.s3.endpoint_url, self._policies),
                **self._airflow_environment,
            },
        )
        airflow.migrate()
        self._exits.enter_context(airflow)
        self._airflow = airflow


def connections(postgres: PostgresServer, s3: S3Server, endpoint_url: str) -> dict[str, dict[str, Any]]:
    """Return the connections that the project's DAGs use, by name; requests to S3 go to `endpoint_url`."""
    database = {
        "conn_type": "postgres",
        "host": postgres.host,
        "port": postgres.port,
        "login": postgres.user,
        "password": postgres.password,
    }
    storage = {
        "conn_type": "aws",
        "login": s3.access_key,
        "password": s3.secret_key,
        "extra": {
            "endpoint_url": endpoint_url,
            "region_name": s3.region,
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        },
    }
    return {
        DATABASE_CONNECTION: database,
        PROCEDURES_CONNECTION: database | {"login": PROCEDURES_LOGIN},
        FUNCTIONS_CONNECTION: database | {"login": FUNCTIONS_LOGIN},
        STORAGE_CONNECTION: storage,
    }


def project_environment(
    postgres: PostgresServer, s3: S3Server, endpoint_url: str, policies: Path | None
) -> dict[str, str]:
    """Return the connections and settings that the project's DAGs use; requests to S3 go to `endpoint_url`."""
    environment = {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection)
        for name, connection in connections(postgres, s3, endpoint_url).items()
    }
    if policies:
        environment["ARCHIVER_POLICIES"] = str(policies.absolute())
    return environment


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the folder for this process alone; raises ProcessError when another one holds it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProcessError(f"another stack runs on {directory}: stop it, or choose another state folder") from error
        yield
