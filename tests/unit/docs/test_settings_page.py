"""docs/settings.md names each setting that there is, and no other one."""

from __future__ import annotations

import re
from pathlib import Path

from pg_archiver.policies.events_settings import ChannelSource, EventsSettings
from pg_archiver.policies.jobs import COLUMNS, Job
from pg_archiver.policies.jobs_settings import JobsSettings
from pg_archiver.policies.object_settings import ObjectSettings
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.table_jobs import OF_FILE
from pg_archiver.policies.yaml_file import Client

PAGE = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
# How the page calls what the policy file writes by another name, or explains in its example alone.
OF_CLIENTS = {"name", "tables", "database", "jobs", "own_jobs", "events"}
# What a client's settings come to is no setting.
NO_SETTING = {"settings"}


JOBS = PAGE.partition("\n## Jobs\n")[2].partition("\n## ")[0]
EVENTS = PAGE.partition("\n## Events\n")[2].partition("\n## ")[0]


def rows(page: str = PAGE.replace(JOBS, "").replace(EVENTS, "")) -> set[str]:
    """The names in the first columns of the page's tables of settings, without Variables and the environment."""
    tables = page.partition("## Airflow Variables")[0]
    first_columns = re.findall(r"^\| (`.*?) \|", tables, flags=re.MULTILINE)
    return {name for column in first_columns for name in re.findall(r"`(\w+)`", column)}


def test_every_setting_of_jobs_is_explained_and_no_other() -> None:
    of_section, rest = JOBS.split("| setting of a job |")
    of_job, of_table = rest.split("### Jobs that archive or delete")
    assert rows(of_section) == set(JobsSettings.model_fields)
    assert rows(of_table) | set(ObjectSettings.model_fields) == OF_FILE
    # A job of the file works on its client's database; rows alone may name another.
    assert rows(of_job) == set(Job.model_fields) - {"database"}


def test_every_setting_of_events_is_explained_and_no_other() -> None:
    assert rows(EVENTS) == set(EventsSettings.model_fields)
    told = EVENTS.partition("| `channels` |")[2].partition("\n")[0]
    assert set(re.findall(r"\(`(\w+)`\)", told)) == set(ChannelSource.model_fields)


def test_a_setting_of_jobs_stands_beside_its_column() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (?:`(.*?)`|the same) \|", JOBS, flags=re.MULTILINE))
    for setting, column in COLUMNS.items():
        if setting != "database":
            assert (setting, told[setting] or setting) == (setting, column)
    assert told["procedure"] == "proc_schema`, `proc_name"


def test_every_setting_of_a_table_is_explained() -> None:
    assert set(TablePolicy.model_fields) - rows() == set()


def test_every_setting_of_a_server_is_explained() -> None:
    of_servers = {"pool_slots", "disk", "maintenance_conn_id", "one_session_proxy", "aws_conn_id"}
    assert of_servers <= rows()
    assert set(Client.__dataclass_fields__) - rows() - OF_CLIENTS - NO_SETTING == {"conn_id"}


def test_nothing_is_explained_that_is_no_setting() -> None:
    known = set(TablePolicy.model_fields) | {"pool_slots", "disk", "maintenance_conn_id", "one_session_proxy"}
    assert rows() - known == set()
