"""The check of a job's config: it may refuse, and do nothing else."""

from __future__ import annotations

import pytest

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.errors import JobRefused, Stopped
from pg_archiver.jobs.call import call, check_config, find_procedure
from pg_archiver.runtime.stopping import Stop
from tests.support.concurrency import in_background, until
from tests.support.procedures import LONGEST, Procedures, allowing, procedure


def done(procedures: Procedures) -> list[tuple[int, object, str]]:
    return procedures.place.sql("SELECT job_id, config, who FROM app.done ORDER BY at")


def at_work(procedures: Procedures) -> list[object]:
    return procedures.place.sql(
        "SELECT pid FROM pg_stat_activity WHERE usename = %s AND query LIKE '%%CALL %%' AND state = 'active'",
        procedures.login,
    )


def check(procedures: Procedures, config: str = "{}", allowed: tuple[str, ...] = ("app.*",)) -> None:
    with procedures.session() as session:
        check_config(session, ProcedureName("app", "check"), allowing(*allowed), config)


@pytest.mark.parametrize("kind", ["PROCEDURE", "FUNCTION"])
def test_a_check_refuses_a_config_by_an_error_whose_words_stay_apart(procedures: Procedures, kind: str) -> None:
    returns = " RETURNS void" if kind == "FUNCTION" else ""
    procedures.place.sql(
        f"CREATE {kind} app.check(config jsonb){returns} LANGUAGE plpgsql AS $$BEGIN"
        " IF NOT config ? 'days' THEN RAISE EXCEPTION 'days of Jane are missing'; END IF; END$$"
    )
    check(procedures, '{"days": 1}')
    with pytest.raises(JobRefused) as refused:
        check(procedures)
    assert 'its check app.check refuses the config (P0001 raise_exception in app."check"(jsonb)' in str(refused.value)
    assert "Jane" not in str(refused.value)
    assert refused.value.users_words.startswith("days of Jane are missing")


@pytest.mark.parametrize(
    "body",
    [
        "INSERT INTO app.done VALUES (1, config);",
        "SET transaction_read_only = off; INSERT INTO app.done VALUES (1, config);",
        "COMMIT; INSERT INTO app.done VALUES (1, config);",
        "ROLLBACK; INSERT INTO app.done VALUES (1, config);",
    ],
)
def test_a_check_writes_nothing(procedures: Procedures, body: str) -> None:
    procedures.place.sql(f"CREATE PROCEDURE app.check(config jsonb) LANGUAGE plpgsql AS $$BEGIN {body} END$$")
    with pytest.raises(JobRefused, match=r"25006|25001|2D000"):
        check(procedures)
    assert done(procedures) == []


def test_nothing_that_a_check_sets_stays(procedures: Procedures) -> None:
    procedures.place.sql(
        "CREATE PROCEDURE app.check(config jsonb) LANGUAGE plpgsql AS $$BEGIN"
        " SET application_name = 'changed'; SET search_path = 'changed'; END$$"
    )
    procedures.place.sql(procedure("app.job", "RAISE NOTICE '%', current_setting('search_path');"))
    with procedures.session() as session:
        check_config(session, ProcedureName("app", "check"), allowing("app.*"), "{}")
        ended = call(session, find_procedure(session, ProcedureName("app", "job"), allowing("app.*")), 1, "{}", LONGEST)
    assert ended.output == 'NOTICE: "$user", public'


def test_a_check_that_a_stop_cancels_refuses_nothing(procedures: Procedures) -> None:
    stop = Stop(grace_seconds=600)
    procedures.place.sql(
        "CREATE PROCEDURE app.check(config jsonb) LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(600); END$$"
    )

    def check_it() -> None:
        with procedures.session(stop) as session:
            check_config(session, ProcedureName("app", "check"), allowing("app.*"), "{}")

    with in_background(check_it) as running:
        until(lambda: bool(at_work(procedures)))
        stop.request()
        with pytest.raises(Stopped):
            running.result()


def test_a_check_has_to_be_allowed_as_well(procedures: Procedures) -> None:
    procedures.place.sql("CREATE PROCEDURE app.check(config jsonb) LANGUAGE sql AS ''")
    with pytest.raises(JobRefused, match="is not among"):
        check(procedures, allowed=("app.job",))


def test_a_check_that_is_missing_refuses(procedures: Procedures) -> None:
    with pytest.raises(JobRefused, match=r"create app.check\(config jsonb\) there, or correct check_schema"):
        check(procedures)
