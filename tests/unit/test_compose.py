"""What the compose file promises: the same keys, code and versions in every service, and no open port."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
AIRFLOW = sorted(name for name in COMPOSE["services"] if name.startswith("airflow-"))
COMMON: dict[str, str] = COMPOSE["x-airflow"]["environment"]


def test_all_parts_of_airflow_are_there() -> None:
    parts = {"apiserver", "scheduler", "dag-processor", "triggerer", "init"}
    assert {name.removeprefix("airflow-") for name in AIRFLOW} == parts


@pytest.mark.parametrize("name", AIRFLOW)
def test_every_service_sees_the_same_keys_code_and_connections(name: str) -> None:
    service = COMPOSE["services"][name]
    assert COMMON.items() <= service["environment"].items()
    assert service["volumes"] == COMPOSE["x-airflow"]["volumes"]
    assert service["build"] == "."
    assert {"./dags:/opt/airflow/dags:ro", "./include:/opt/airflow/include:ro"} <= set(service["volumes"])
    assert service["environment"]["PYTHONPATH"] == "/opt/airflow"


def test_every_value_that_must_be_set_is_in_the_example() -> None:
    text = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    wanted = set(re.findall(r"\$\{(\w+)", text))
    assert wanted == set(re.findall(r"^(\w+)=", example, flags=re.MULTILINE))


def test_ports_are_open_to_this_machine_only() -> None:
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_image_is_the_airflow_of_the_requirements() -> None:
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"^apache-airflow==(\S+)$", requirements, flags=re.MULTILINE)
    assert f"FROM apache/airflow:{version}-python3" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
