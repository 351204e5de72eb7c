"""Airflow as its own processes: API server, scheduler, DAG processor and triggerer."""

import base64
import contextlib
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import requests

from dev.airflow_api import AirflowApi
from dev.airflow_environment import (
    ADMIN,
    METADATA_DATABASE,
    as_variables,
    base_environment,
    metadata_url,
    settings,
)
from dev.airflow_session import AirflowApiError
from dev.postgres import PostgresServer
from dev.processes import LOCALHOST, Child, ProcessError, free_port
from dev.running import Running
from dev.secret_files import kept_secret, write_secret
from dev.waiting import wait_until

API_SERVER = "api-server"
SCHEDULER = "scheduler"
TRIGGERER = "triggerer"
START_TIMEOUT_SECONDS = 300.0
STOP_PATIENCE_SECONDS = {"dag-processor": 5.0, TRIGGERER: 2.0, SCHEDULER: 10.0, API_SERVER: 10.0}
"""How long each gets to stop, in this order: the API server last, since ending tasks report to it.

The triggerer often sits out a delay of ten seconds of its own and has nothing to lose here.
"""


class Airflow(Running):
    """One Airflow with its home in a folder and its metadata in the given server."""

    def __init__(
        self,
        state_directory: Path,
        project_root: Path,
        postgres: PostgresServer,
        extra_environment: Mapping[str, str] | None = None,
        *,
        parallelism: int = 8,
    ) -> None:
        """`extra_environment` goes over all else; `parallelism` is how many tasks run at once."""
        self.home = state_directory.absolute()
        self.project_root = project_root.absolute()
        self.base_url = ""
        self._postgres = postgres
        self._extra_environment = dict(extra_environment or {})
        self._parallelism = parallelism
        self._port = free_port()
        self._children: dict[str, Child] = {}

    @property
    def user(self) -> str:
        """The name to log in with."""
        return ADMIN

    @property
    def password(self) -> str:
        """The password to log in with, made at the first use and kept in the home folder."""
        return kept_secret(self.home / "admin-password")

    def environment(self) -> dict[str, str]:
        """Return the whole environment of Airflow's processes."""
        options = settings(self.home, self.project_root, self._port, self._parallelism)
        options[("database", "sql_alchemy_conn")] = metadata_url(self._postgres)
        options[("core", "fernet_key")] = self._fernet_key()
        options[("api", "secret_key")] = kept_secret(self.home / "api-secret")
        options[("api_auth", "jwt_secret")] = kept_secret(self.home / "jwt-secret")
        return {
            **base_environment(self.home, self.project_root),
            **as_variables(options),
            **self._extra_environment,
        }

    def cli(self, *arguments: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Run `airflow` with `arguments` and return its captured output, whatever its exit status."""
        return subprocess.run(
            _command(*arguments),
            env=self.environment(),
            cwd=self.project_root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def migrate(self) -> None:
        """Create the metadata database if there is none and bring it to this Airflow's schema.

        A note in the home folder saves the seconds of a migration that has been done.
        """
        version = importlib.metadata.version("apache-airflow")
        note = self.home / "migrated-to"
        if not self._postgres.has_database(METADATA_DATABASE):
            note.unlink(missing_ok=True)
            self._postgres.create_database(METADATA_DATABASE)
        if note.exists() and note.read_text() == version:
            return
        self._run_migration()
        note.write_text(version)

    def start(self) -> None:
        """Start the four processes and wait until all are healthy; raises ProcessError if one is not."""
        self._write_password_file()
        self.base_url = f"http://{LOCALHOST}:{self._port}"
        self._children = {
            API_SERVER: self._child(API_SERVER, "api-server"),
            # Without their log servers, which listen on every address; the API server reads the files.
            SCHEDULER: self._child(SCHEDULER, "scheduler", "--skip-serve-logs"),
            "dag-processor": self._child("dag-processor", "dag-processor"),
            TRIGGERER: self._child(TRIGGERER, "triggerer", "--skip-serve-logs"),
        }
        since = datetime.now(UTC)
        try:
            for child in self._children.values():
                child.start()
            for child in self._children.values():
                child.wait_until(lambda: self._is_healthy(since), "healthy", START_TIMEOUT_SECONDS)
            self.api().warm_up(START_TIMEOUT_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the processes, and after some patience kill them; running tasks end with the scheduler."""
        for name, child in self._children.items():
            if name != API_SERVER:
                child.announce_stop()
        for name, patience in STOP_PATIENCE_SECONDS.items():
            if name in self._children:
                self._children[name].stop(patience)

    def restart(self, part: str = SCHEDULER) -> None:
        """Stop one of the processes in order, if it runs, and start it again."""
        child = self._children[part]
        child.stop()
        since = datetime.now(UTC)
        child.start()
        child.wait_until(lambda: self._is_healthy(since), "healthy", START_TIMEOUT_SECONDS)

    def kill(self, part: str = SCHEDULER) -> None:
        """SIGKILL one of the processes, the scheduler with the tasks that it runs, as when its machine dies."""
        self._children[part].kill()

    def api(self) -> AirflowApi:
        """Return a client of the running API server, logged in as the admin."""
        return AirflowApi(self.base_url, self.user, self.password)

    def wait_for_dags(self, dag_ids: Iterable[str], timeout: float = 300.0) -> None:
        """Wait until the DAGs are known; raises ProcessError naming the import errors when they are not."""
        wanted = set(dag_ids)
        api = self.api()
        try:
            wait_until(lambda: wanted <= {dag["dag_id"] for dag in api.dags()}, "the DAGs to be parsed", timeout, 0.5)
        except TimeoutError as error:
            missing = sorted(wanted - {dag["dag_id"] for dag in api.dags()})
            raise ProcessError(f"DAGs not found: {missing}; import errors: {api.import_errors()}") from error

    def _run_migration(self) -> None:
        migration = self._child("migrate", "db", "migrate")
        migration.start()
        try:
            wait_until(lambda: not migration.running, "airflow db migrate", START_TIMEOUT_SECONDS)
            if migration.exit_status != 0:
                raise ProcessError(f"airflow db migrate failed\n{migration.log_tail()}")
        finally:
            migration.stop()

    def _child(self, name: str, *arguments: str) -> Child:
        log_folder = self.home / "processes"
        environment = self.environment()
        log_folder.mkdir(parents=True, exist_ok=True)
        return Child(
            f"airflow {name}",
            _command(*arguments),
            log_folder / f"{name}.log",
            environment,
            directory=self.project_root,
        )

    def _is_healthy(self, since: datetime) -> bool:
        """Say whether the API server reports every part as healthy, the scheduler by a sign after `since`."""
        with contextlib.suppress(requests.RequestException, AirflowApiError):
            report = self.api().health()
            heartbeat = report["scheduler"]["latest_scheduler_heartbeat"]
            fresh = heartbeat is not None and datetime.fromisoformat(heartbeat) >= since
            return fresh and all(part["status"] == "healthy" for part in report.values())
        return False

    def _write_password_file(self) -> None:
        passwords = json.dumps({self.user: self.password})
        write_secret(self.home / "passwords.json", passwords)

    def _fernet_key(self) -> str:
        """Return the kept secret in the form of a Fernet key: 32 bytes in URL-safe base64."""
        return base64.urlsafe_b64encode(kept_secret(self.home / "fernet-secret").encode()[:32]).decode()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]
