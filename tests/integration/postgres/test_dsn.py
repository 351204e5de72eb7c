"""A DSN is read as libpq reads it, and what it says of the login is never repeated."""

from __future__ import annotations

import pytest
from psycopg.conninfo import make_conninfo

from pg_archiver.errors import SettingError
from pg_archiver.postgres.dsn import Dsn
from tests.support.place import Place

SECRET = "secretjohndoe4711"


def test_a_url_and_keywords_lead_to_the_database(place: Place) -> None:
    login = place.server.dsn(place.database)
    url = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**login)
    for text in (url, make_conninfo(**login)):
        dsn = Dsn.parse(text)
        assert dsn.name == place.database
        with dsn.connect() as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (place.database,)


def test_what_it_does_not_say_comes_from_libpqs_own_variables(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    login = place.server.dsn(place.database)
    for variable, name in (("PGHOST", "host"), ("PGPORT", "port"), ("PGUSER", "user"), ("PGDATABASE", "dbname")):
        monkeypatch.setenv(variable, str(login[name]))
    monkeypatch.setenv("PGPASSWORD", login["password"])
    dsn = Dsn.parse("")
    assert dsn.name == place.database
    with dsn.connect() as connection:
        assert connection.info.dbname == place.database


def test_a_dead_connection_is_noticed_unless_the_dsn_says_how(place: Place) -> None:
    login = place.server.dsn(place.database)
    with Dsn.parse(make_conninfo(**login)).connect() as connection:
        assert connection.info.get_parameters()["keepalives_idle"] == "60"
    with Dsn.parse(make_conninfo(**login, keepalives_idle=7)).connect() as connection:
        assert connection.info.get_parameters()["keepalives_idle"] == "7"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://user:{SECRET} {SECRET}@host/x y",
        f"password={SECRET} nonsense",
        f"no_such_option={SECRET}",
        SECRET,
    ],
)
def test_what_cannot_be_read_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingError, match=r"the DSN cannot be read\. Nothing was done\. Fix: ") as refused:
        Dsn.parse(text)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    assert SECRET not in repr(Dsn.parse(f"password={SECRET}"))
