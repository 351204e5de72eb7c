"""A procedure of users is found as the catalog has it, allowed by the policy file alone, checked, and called."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.errors import JobRefused, Stopped
from pg_archiver.jobs.call import call, find_procedure
from pg_archiver.postgres.base_session import SessionLimits
from pg_archiver.postgres.calls import MOST_KEPT
from pg_archiver.runtime.stopping import Stop
from tests.support.concurrency import in_background, until
from tests.support.procedures import LONGEST, Procedures, allowing, procedure


def done(procedures: Procedures) -> list[tuple[int, object, str]]:
    return procedures.place.sql("SELECT job_id, config, who FROM app.done ORDER BY at")


def test_a_procedure_gets_its_number_and_its_config_under_the_login_of_procedures(procedures: Procedures) -> None:
    ended = procedures.call("INSERT INTO app.done VALUES (job_id, config);", '{"days": 2, "exact": 1.10}')
    assert (ended.error, ended.output, ended.left) == (None, "", False)
    assert done(procedures) == [(1000, {"days": 2, "exact": 1.1}, procedures.login)]
    assert procedures.place.sql("SELECT config::text FROM app.done") == [('{"days": 2, "exact": 1.10}',)]


def test_a_bigint_is_as_good_as_an_integer(procedures: Procedures) -> None:
    procedures.place.sql(
        "CREATE PROCEDURE app.wide(bigint, jsonb) LANGUAGE sql AS 'INSERT INTO app.done VALUES ($1, $2)'"
    )
    assert procedures.call_it("wide").error is None
    assert done(procedures) == [(1000, {}, procedures.login)]


@pytest.mark.parametrize(
    "returns",
    [
        "void LANGUAGE sql AS $$INSERT INTO app.done VALUES ($1, $2)$$",
        "boolean LANGUAGE plpgsql AS $$BEGIN INSERT INTO app.done VALUES ($1, $2); RETURN false; END$$",
        "SETOF int LANGUAGE plpgsql AS $$BEGIN RETURN NEXT 1; INSERT INTO app.done VALUES ($1, $2); END$$",
        "SETOF int LANGUAGE sql AS $$INSERT INTO app.done VALUES ($1, $2); SELECT 1$$",
        "TABLE (a int, b text) LANGUAGE plpgsql AS $$BEGIN INSERT INTO app.done VALUES ($1, $2); END$$",
        "text STABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'it ran'; RETURN repeat('x', 100000000); END$$",
    ],
)
def test_a_function_is_selected_to_its_end(procedures: Procedures, returns: str) -> None:
    procedures.place.sql(f"CREATE FUNCTION app.counted(int, jsonb) RETURNS {returns}")
    ended = procedures.call_it("counted")
    assert ended.error is None
    assert len(done(procedures)) + ("it ran" in ended.output) == 1


def test_what_a_procedure_committed_before_its_error_stays(procedures: Procedures) -> None:
    ended = procedures.call(
        "INSERT INTO app.done VALUES (1, config); COMMIT; INSERT INTO app.done VALUES (2, config); PERFORM 1 / 0;"
    )
    assert ended.error is not None
    assert ended.error.sqlerrcode == "22012"
    assert [row[0] for row in done(procedures)] == [1]


def test_settings_are_those_of_the_database_and_the_login(procedures: Procedures) -> None:
    place = procedures.place
    place.sql(f"ALTER DATABASE {place.database} SET search_path = app, public")
    place.sql(f"ALTER ROLE {procedures.login} SET TimeZone = 'Europe/Berlin'")
    place.sql(f"ALTER ROLE {procedures.login} SET DateStyle = 'German'")
    ended = procedures.call(
        "INSERT INTO done VALUES (job_id, config); RAISE NOTICE '% % % %', current_setting('TimeZone'),"
        " current_setting('row_security'), current_setting('application_name'), '2026-01-31'::date;"
    )
    assert ended.output == f"NOTICE: Europe/Berlin on archiver job 1000 {place.database} 31.01.2026"


def test_the_limit_of_time_covers_a_procedure_across_its_commits(procedures: Procedures) -> None:
    ended = procedures.call(
        "LOOP INSERT INTO app.done VALUES (1, '{}'); COMMIT; PERFORM pg_sleep(0.05); END LOOP;",
        longest=timedelta(seconds=0.5),
    )
    assert ended.error is not None
    assert ended.error.sqlerrcode == "57014"
    assert ended.error.told == "57014 query_canceled in app.job(integer,jsonb), in line 1"
    assert done(procedures)


def test_a_lock_is_waited_for_only_so_long(procedures: Procedures) -> None:
    place = procedures.place
    place.sql(procedure("app.job", "INSERT INTO app.done VALUES (1, '{}');"))
    with place.server.connect(place.database, autocommit=False) as other:
        other.execute("LOCK TABLE app.done")
        with procedures.session(limits=SessionLimits(lock=timedelta(milliseconds=100))) as session:
            ended = call(
                session, find_procedure(session, ProcedureName("app", "job"), allowing("app.*")), 1, "{}", LONGEST
            )
    assert ended.error is not None
    assert ended.error.sqlerrcode == "55P03"


def test_the_error_is_kept_with_its_detail_hint_and_context_and_the_log_gets_none_of_them(
    procedures: Procedures,
) -> None:
    ended = procedures.call(
        "RAISE EXCEPTION 'row of Jane' USING ERRCODE = '22012', DETAIL = 'card 4711', HINT = 'ask Jane';"
    )
    assert ended.error is not None
    assert ended.error.message == (
        "row of Jane\nDETAIL:  card 4711\nHINT:  ask Jane\n"
        "CONTEXT:  PL/pgSQL function app.job(integer,jsonb) line 1 at RAISE"
    )
    assert ended.error.told == "22012 division_by_zero in app.job(integer,jsonb), in line 1"


def test_an_sqlstate_of_users_has_no_name(procedures: Procedures) -> None:
    ended = procedures.call("RAISE EXCEPTION 'x' USING ERRCODE = 'AB123';")
    assert ended.error is not None
    assert ended.error.told == "AB123 an error of its own making in app.job(integer,jsonb), in line 1"


def test_notices_are_kept_and_so_much_of_them_as_8_kb_is(procedures: Procedures) -> None:
    ended = procedures.call(
        "FOR i IN 1..3 LOOP RAISE NOTICE 'step %', i USING DETAIL = 'more'; END LOOP; RAISE WARNING 'beware';"
        " RAISE DEBUG 'never sent';"
    )
    assert ended.output == "\n".join([*(f"NOTICE: step {i} | more" for i in (1, 2, 3)), "WARNING: beware"])


@pytest.mark.parametrize("word", ["x", "ü€"])
def test_long_texts_are_cut_at_8_kb(procedures: Procedures, word: str) -> None:
    ended = procedures.call(
        f"FOR i IN 1..100 LOOP RAISE NOTICE '%', repeat('{word}', 300); END LOOP;"
        f" RAISE EXCEPTION '%', repeat('{word}', 20000) USING DETAIL = repeat('{word}', 20000), HINT = 'a hint';"
    )
    assert ended.error is not None
    assert MOST_KEPT - 100 < len(ended.output.encode()) <= MOST_KEPT
    assert "more" in ended.output.rpartition("\n")[2]
    message = ended.error.message
    assert MOST_KEPT - 3000 < len(message.encode()) <= MOST_KEPT
    assert message.count("… (cut)") == 2
    assert "HINT:  a hint\nCONTEXT:  PL/pgSQL function app.job" in message


def test_a_task_that_is_told_to_stop_cancels_the_call_at_once(procedures: Procedures) -> None:
    stop = Stop(grace_seconds=600)
    procedures.place.sql(procedure("app.job", "PERFORM pg_sleep(600);"))
    with in_background(lambda: procedures.call_it("job", stop=stop)) as running:
        until(lambda: bool(at_work(procedures)))
        stop.request()
        ended = running.result()
    assert ended.error is not None
    assert (ended.error.sqlerrcode, ended.left) == ("57014", False)
    assert ended.error.message.startswith("canceling statement due to user request")
    until(lambda: not at_work(procedures))


def test_nothing_is_called_once_the_time_to_stop_is_over(procedures: Procedures) -> None:
    stop = Stop(grace_seconds=0)
    with procedures.session(stop) as session:
        procedures.place.sql(procedure("app.job", "INSERT INTO app.done VALUES (1, '{}');"))
        routine = find_procedure(session, ProcedureName("app", "job"), allowing("app.*"))
        stop.request()
        with pytest.raises(Stopped):
            call(session, routine, 1, "{}", LONGEST)
    assert done(procedures) == []


def at_work(procedures: Procedures) -> list[object]:
    return procedures.place.sql(
        "SELECT pid FROM pg_stat_activity WHERE usename = %s AND query LIKE '%%CALL %%' AND state = 'active'",
        procedures.login,
    )


def test_a_call_whose_process_is_ended_by_others_says_so(procedures: Procedures) -> None:
    procedures.place.sql(procedure("app.job", "PERFORM pg_sleep(600);"))
    with in_background(lambda: procedures.call_it("job")) as running:
        until(lambda: bool(at_work(procedures)))
        procedures.place.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", procedures.login
        )
        ended = running.result()
    assert ended.error is not None
    assert (ended.error.sqlerrcode, ended.left) == ("57P01", True)


# What may be named.


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("SELECT 1", "there is no procedure or function app.job in database"),
        ("CREATE PROCEDURE app.job(text) LANGUAGE sql AS ''", r"there is procedure app.job\(IN text\)"),
        ("CREATE PROCEDURE app.job(jsonb, int) LANGUAGE sql AS ''", "has the parameters"),
        ("CREATE PROCEDURE app.job(int, json) LANGUAGE sql AS ''", "has the parameters"),
        ("CREATE PROCEDURE app.job(smallint, jsonb) LANGUAGE sql AS ''", "has the parameters"),
        ("CREATE PROCEDURE app.job(int, jsonb, text DEFAULT '') LANGUAGE sql AS ''", "has the parameters"),
        ("CREATE PROCEDURE app.job(int, VARIADIC jsonb[]) LANGUAGE sql AS ''", "has the parameters"),
        ("CREATE PROCEDURE app.job(INOUT a int, b jsonb) LANGUAGE sql AS 'SELECT 1'", "has the parameters"),
        ("CREATE AGGREGATE app.job(int, jsonb) (SFUNC = app.add, STYPE = int)", "there is aggregate app.job"),
        ("CREATE PROCEDURE public.job(int, jsonb) LANGUAGE sql AS ''", "there is no procedure"),
        ("CREATE PROCEDURE app.\"Job\"(int, jsonb) LANGUAGE sql AS ''", "there is no procedure"),
        (
            "CREATE PROCEDURE app.job(int, jsonb) LANGUAGE sql AS '';"
            "CREATE PROCEDURE app.job(bigint, jsonb) LANGUAGE sql AS ''",
            r"ambiguous.*app.job\(IN integer, IN jsonb\) and app.job\(IN bigint, IN jsonb\)",
        ),
    ],
)
def test_a_name_that_means_nothing_or_two_things_is_refused(procedures: Procedures, definition: str, said: str) -> None:
    procedures.place.sql("CREATE FUNCTION app.add(int, int, jsonb) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    procedures.place.sql(definition)
    with pytest.raises(JobRefused, match=said) as refused:
        procedures.find("job")
    assert "Nothing was called. Fix: " in str(refused.value)


@pytest.mark.parametrize("name", ['odd "job"', "100%", "%s", "{routine}", "%(config)s", "Job", "a.b", "É", "'"])
def test_odd_names_mean_themselves(procedures: Procedures, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    procedures.place.sql(f"CREATE SCHEMA {quoted}; GRANT USAGE ON SCHEMA {quoted} TO PUBLIC")
    procedures.place.sql(procedure(f"{quoted}.{quoted}", "INSERT INTO app.done VALUES (job_id, config);"))
    with procedures.session() as session:
        routine = find_procedure(session, ProcedureName(name, name), allowing(f"{quoted}.*"))
        assert call(session, routine, 7, json.dumps({name: name}), LONGEST).error is None
    assert done(procedures) == [(7, {name: name}, procedures.login)]


@pytest.mark.parametrize(
    ("allowed", "may"),
    [
        ((), False),
        (("app.*",), True),
        (("app.job",), True),
        (("*.job",), True),
        (("a?p.j*",), True),
        (("app.jo",), False),
        (("other.*", "app.[ij]ob"), True),
        (("App.*",), False),
        (('"app.*".*',), False),
    ],
)
def test_only_the_policy_file_says_what_may_be_called(
    procedures: Procedures, allowed: tuple[str, ...], may: bool
) -> None:
    procedures.place.sql(procedure("app.job", ""))
    if may:
        procedures.find("job", allowed=allowed)
        return
    with pytest.raises(JobRefused, match=r"app\.job is not among the procedures that the policy file allows"):
        procedures.find("job", allowed=allowed)


def test_a_dot_in_a_name_is_no_way_around_the_list(procedures: Procedures) -> None:
    """`app.*` speaks of schema app, not of one that is called `app.evil`."""
    procedures.place.sql('CREATE SCHEMA "app.evil"; CREATE PROCEDURE "app.evil".job(int, jsonb) LANGUAGE sql AS \'\'')
    with pytest.raises(JobRefused, match="is not among"):
        procedures.find("job", "app.evil")


@pytest.mark.parametrize(
    ("revoked", "grant"),
    [
        ("USAGE ON SCHEMA app", r"GRANT USAGE ON SCHEMA app TO procedures_"),
        (
            "EXECUTE ON PROCEDURE app.job(int, jsonb)",
            r"GRANT EXECUTE ON PROCEDURE app\.job\(.*integer, .*jsonb\) TO procedures_",
        ),
    ],
)
def test_a_missing_right_is_named_with_its_grant(procedures: Procedures, revoked: str, grant: str) -> None:
    procedures.place.sql(procedure("app.job", ""))
    procedures.place.sql(f"REVOKE {revoked} FROM PUBLIC")
    with pytest.raises(JobRefused, match=grant):
        procedures.find("job")


def test_security_definer_is_noted(procedures: Procedures) -> None:
    procedures.place.sql(procedure("app.job", ""))
    assert procedures.find("job").note is None
    procedures.place.sql("ALTER PROCEDURE app.job SECURITY DEFINER")
    assert "app.job is SECURITY DEFINER" in str(procedures.find("job").note)


def test_names_that_users_put_before_the_servers_own_subvert_nothing(procedures: Procedures) -> None:
    """A login whose path has its users' functions and operators first."""
    place = procedures.place
    place.sql(procedure("app.job", ""))
    place.sql("CREATE FUNCTION app.pg_try_advisory_lock(bigint) RETURNS bool LANGUAGE sql AS 'SELECT true'")
    place.sql("CREATE FUNCTION app.hashtextextended(text, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'")
    place.sql("CREATE FUNCTION app.never(text, text) RETURNS bool LANGUAGE sql AS 'SELECT true'")
    place.sql("CREATE OPERATOR app.= (FUNCTION = app.never, LEFTARG = text, RIGHTARG = text)")
    place.sql(
        "CREATE FUNCTION app.set_config(text, text, bool) RETURNS text LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'ours'; END$$"
    )
    place.sql(f"ALTER ROLE {procedures.login} SET search_path = app, pg_catalog")
    with (
        procedures.session() as first,
        procedures.session() as second,
        first.try_advisory_lock("a job") as taken,
        second.try_advisory_lock("a job") as taken_twice,
    ):
        assert (taken, taken_twice) == (True, False)
        with pytest.raises(JobRefused, match="there is no procedure"):
            find_procedure(first, ProcedureName("app", "missing"), allowing("*.*"))
        assert (
            call(first, find_procedure(first, ProcedureName("app", "job"), allowing("app.*")), 1, "{}", LONGEST).error
            is None
        )


# The job's own check of its config.
