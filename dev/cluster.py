"""The services of docker-compose.yaml without containers: the same commands and environments as plain processes.

Each service has a folder of its own that stands for its machine's /opt/airflow, with its own copy of the code. They
share nothing but the network: Postgres, Redis, S3 and the API server on 127.0.0.1.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests
from psycopg import sql

from dev.airflow_api import AirflowApi
from dev.airflow_environment import ADMIN, base_environment
from dev.airflow_session import AirflowApiError
from dev.compose import ComposeFile
from dev.postgres import PostgresServer
from dev.processes import LOCALHOST, Child, ProcessError, free_port
from dev.redis import RedisServer
from dev.running import Running
from dev.waiting import wait_until

WORKER = "airflow-worker"
API_SERVER = "airflow-apiserver"
INIT = "airflow-init"
SCHEDULER = "airflow-scheduler"
_HOME_IN_IMAGE = "/opt/airflow"
_START_SECONDS = 180.0
_STOP_SECONDS = 10.0
_AIRFLOW_COMMANDS = {"scheduler", "dag-processor", "triggerer", "celery"}
# Their servers of logs listen on every address.
_LOG_SERVERS = {"scheduler", "triggerer", "celery"}


class Machine:
    """One service on its own folder."""

    def __init__(self, name: str, service: str, home: Path) -> None:
        """`name` tells machines of one service apart."""
        self.name = name
        self.service = service
        self.home = home
        self.child: Child | None = None

    @property
    def logs(self) -> Path:
        """Where the tasks that ran here left their logs."""
        return self.home / "logs"


class Cluster(Running):
    """All of Airflow's services of the compose file, with as many workers as asked for."""

    def __init__(
        self,
        directory: Path,
        compose: ComposeFile,
        postgres: PostgresServer,
        redis: RedisServer,
        *,
        code: Sequence[Path],
        workers: int = 2,
        extra_environment: Mapping[str, str] | None = None,
    ) -> None:
        """`code` are the folders that each machine gets a copy of; `extra_environment` goes over the file's."""
        self._directory = directory.absolute()
        self._compose = compose
        self._postgres = postgres
        self._redis = redis
        self._code = list(code)
        self._extra_environment = dict(extra_environment or {})
        self._port, self._health_port = free_port(), free_port()
        services = [name for name in compose.services if name.startswith("airflow-")]
        names = [(name, name) for name in services if name not in {WORKER, INIT}]
        names += [(f"{WORKER}-{number}", WORKER) for number in range(1, workers + 1)]
        self.machines = {name: Machine(name, service, self._directory / name) for name, service in names}

    @property
    def workers(self) -> list[Machine]:
        """The machines that run tasks."""
        return [machine for machine in self.machines.values() if machine.service == WORKER]

    def environment(self, machine: Machine) -> dict[str, str]:
        """Return the machine's environment: the compose file's with the addresses of this place, and nothing less."""
        environment = self._compose.environment(machine.service)
        here = {name: self._with_addresses(value, machine) for name, value in environment.items()}
        base = base_environment(machine.home, machine.home)
        return {**base, **here, **self._listening(), **self._extra_environment, "HOSTNAME": machine.name}

    def api(self) -> AirflowApi:
        """Return a client of the running API server, logged in as the admin."""
        password = self._compose.environment(API_SERVER)["ADMIN_PASSWORD"]
        return AirflowApi(f"http://{LOCALHOST}:{self._port}", ADMIN, password)

    def start(self) -> None:
        """Run the service airflow-init to its end, then start the others; raises ProcessError when one fails."""
        self._create_metadata_database()
        init = Machine(INIT, INIT, self._directory / INIT)
        try:
            for machine in [init, *self.machines.values()]:
                self._furnish(machine)
            self._run_to_end(init)
            for machine in self.machines.values():
                self._start(machine)
            self._child(API_SERVER).wait_until(self._is_healthy, "all services healthy", _START_SECONDS)
            self.api().warm_up(_START_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the services, the API server last."""
        running = [machine.child for machine in reversed(self.machines.values()) if machine.child]
        for child in running:
            if child is not self.machines[API_SERVER].child:
                child.announce_stop()
        for child in running:
            child.stop(_STOP_SECONDS)
        for machine in self.machines.values():
            machine.child = None

    def kill(self, machine: Machine) -> None:
        """SIGKILL the service and all that it started, as when its machine dies."""
        self._child(machine.name).kill()
        machine.child = None

    def check_health(self, machine: Machine) -> subprocess.CompletedProcess[str]:
        """Run the health check of the compose file on the machine and return its output."""
        command = [self._with_addresses(word, machine) for word in self._compose.health_check(machine.service)]
        return subprocess.run(
            command,
            env=self.environment(machine),
            cwd=machine.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def _with_addresses(self, value: str, machine: Machine) -> str:
        """Put this place's paths, hosts and ports where the file has those of the containers."""
        places = {
            _HOME_IN_IMAGE: str(machine.home),
            "airflow-apiserver:8080": f"{LOCALHOST}:{self._port}",
            "localhost:8080": f"{LOCALHOST}:{self._port}",
            "localhost:8974": f"{LOCALHOST}:{self._health_port}",
            "@postgres:5432/": f"@{self._postgres.host}:{self._postgres.port}/",
            "@redis:6379/": f"@{self._redis.host}:{self._redis.port}/",
        }
        for there, here in places.items():
            value = value.replace(there, here)
        return value

    def _listening(self) -> dict[str, str]:
        """Return the addresses that the image's own defaults would open to everybody on this machine."""
        return {
            "AIRFLOW__API__HOST": LOCALHOST,
            "AIRFLOW__API__PORT": str(self._port),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": LOCALHOST,
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self._health_port),
        }

    def _create_metadata_database(self) -> None:
        """Do what the image of Postgres does with its POSTGRES_ variables."""
        asked = self._compose.environment("postgres")
        user, database = sql.Identifier(asked["POSTGRES_USER"]), sql.Identifier(asked["POSTGRES_DB"])
        password = sql.Literal(asked["POSTGRES_PASSWORD"])
        with self._postgres.connect() as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(user, password))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, user))

    def _furnish(self, machine: Machine) -> None:
        machine.logs.mkdir(parents=True)
        for folder in self._code:
            shutil.copytree(folder, machine.home / folder.name, ignore=shutil.ignore_patterns("__pycache__"))

    def _run_to_end(self, machine: Machine) -> None:
        self._start(machine)
        child = machine.child
        assert child is not None  # noqa: S101  # started the line before
        try:
            wait_until(lambda: not child.running, f"{machine.name} to end", _START_SECONDS)
            if child.exit_status != 0:
                raise ProcessError(f"{machine.name} failed\n{child.log_tail()}")
        finally:
            child.stop()

    def _start(self, machine: Machine) -> None:
        command = [self._with_addresses(word, machine) for word in self._compose.command(machine.service)]
        # As the image's entry point does it.
        if command[0] in _AIRFLOW_COMMANDS:
            command = ["airflow", *command, *(["--skip-serve-logs"] if command[0] in _LOG_SERVERS else [])]
        if machine.service == WORKER:
            command += ["--celery-hostname", f"celery@{machine.name}"]
        machine.child = Child(
            machine.name, command, machine.home / "process.log", self.environment(machine), directory=machine.home
        )
        machine.child.start()

    def _child(self, name: str) -> Child:
        child = self.machines[name].child
        if child is None:
            raise ProcessError(f"{name} is not running")
        return child

    def _is_healthy(self) -> bool:
        """Say whether Airflow reports every part as healthy; raises ProcessError when a process ended."""
        for machine in self.machines.values():
            if machine.child and not machine.child.running:
                raise ProcessError(f"{machine.name} ended\n{machine.child.log_tail()}")
        with contextlib.suppress(requests.RequestException, AirflowApiError):
            report = self.api().health()
            return all(part["status"] == "healthy" for part in report.values()) and self._workers_are_ready()
        return False

    def _workers_are_ready(self) -> bool:
        logs = [(machine.home / "process.log").read_text(errors="replace") for machine in self.workers]
        return all(" ready." in log for log in logs)
