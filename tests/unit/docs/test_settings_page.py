"""docs/settings.md names each setting that there is, and no other one."""

from __future__ import annotations

import re
from pathlib import Path

from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client

PAGE = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
# How the page calls what the policy file writes by another name, or explains in its example alone.
OF_CLIENTS = {"name", "tables", "database"}


def rows() -> set[str]:
    """The names in the first columns of the page's tables of settings, without Variables and the environment."""
    tables = PAGE.partition("## Airflow Variables")[0]
    first_columns = re.findall(r"^\| (`.*?) \|", tables, flags=re.MULTILINE)
    return {name for column in first_columns for name in re.findall(r"`(\w+)`", column)}


def test_every_setting_of_a_table_is_explained() -> None:
    assert set(TablePolicy.model_fields) - rows() == set()


def test_every_setting_of_a_server_is_explained() -> None:
    of_servers = {"pool_slots", "disk", "maintenance_conn_id", "one_session_proxy", "aws_conn_id"}
    assert of_servers <= rows()
    assert set(Client.__dataclass_fields__) - rows() - OF_CLIENTS == {"conn_id"}


def test_nothing_is_explained_that_is_no_setting() -> None:
    known = set(TablePolicy.model_fields) | {"pool_slots", "disk", "maintenance_conn_id", "one_session_proxy"}
    assert rows() - known == set()
