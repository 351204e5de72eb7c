"""What else may stand in the extra of an Airflow connection: it works as it is, or is refused in plain words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pg_archiver.airflow import connections
from pg_archiver.errors import ArchiverError, Refused, SettingError
from tests.support.place import Place
from tests.support.task_context import work_on

pytestmark = pytest.mark.more


def connected(place: Place, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], **client: Any) -> int:
    server = {"conn_type": "postgres", "host": place.server.host, "port": place.server.port}
    account = {"login": place.server.user, "password": place.server.password}
    conn_id = client.get("maintenance_conn_id") or "rds_main"
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}".upper(), json.dumps(server | account | {"extra": extra}))
    ours = work_on(place, **client).client
    with connections.open_session(ours, "test", writes=True, maintenance=bool(client)) as session:
        with session.transaction():
            rows = session.fetch_all("postgres/session/clock")
        return len(rows)


WORKING: list[dict[str, Any]] = [
    {},
    {"cursor": "realdictcursor"},
    {"cursor": "dictcursor"},
    {"cursor": "namedtuplecursor"},
    {"cursor": "a cursor that nobody has"},
    {"autocommit": True},
    {"prepare_threshold": "5"},
    {"row_factory": "dict_row"},
    {"cursor_factory": "RealDictCursor"},
    {"context": {}},
    {"client_encoding": "LATIN1"},
    {"options": "-c search_path=nowhere -c statement_timeout=5000 -c TimeZone=Asia/Tokyo"},
    {"sslmode": "prefer", "keepalives_idle": 30, "connect_timeout": "10"},
    {"sqlalchemy_scheme": "postgresql+psycopg2", "iam": False},
]


@pytest.mark.parametrize("extra", WORKING, ids=json.dumps)
def test_what_others_want_of_the_connection_is_no_hindrance(
    place: Place, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]
) -> None:
    assert connected(place, monkeypatch, extra) == 1


def test_what_libpq_does_not_know_is_refused_by_its_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="no_such_option") as caught:
        connected(place, monkeypatch, {"no_such_option": "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_what_the_provider_refuses_is_told_with_the_connection_and_no_value(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"iam": True, "aws_conn_id": "nothing", "azure_conn_id": ["s3cret"], "redshift": True}
    with pytest.raises(ArchiverError) as caught:
        connected(place, monkeypatch, extra)
    assert "s3cret" not in str(caught.value)
    assert "rds_main" in str(caught.value)


def test_a_missing_connection_is_told_by_the_setting_that_names_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = work_on(place, maintenance_conn_id="rds_upkeep").client
    for maintenance, setting, name in ((True, "maintenance_conn_id", "rds_upkeep"), (False, "conn_id", "rds_main")):
        with (
            pytest.raises(SettingError, match=f"no Airflow connection '{name}'.* names as {setting} of client"),
            connections.open_session(ours, "test", writes=True, maintenance=maintenance),
        ):
            pytest.fail("there is none")
