"""Writers of retention policies: what they may write by one grant, for which databases, and what they cannot reach."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors, sql

from pg_archiver.ledger.jobs import JobsTable
from pg_archiver.ledger.migrations import JobTables
from tests.support.jobs import Tenants, make_job, refusal, run_as
from tests.support.place import Place
from tests.support.policies import INSERTS, PRODUCTS, PUBLIC, TABLE, VIEW, insertion

pytestmark = pytest.mark.more

BEYOND = [
    "INSERT INTO archiver.jobs (job_name, action, proc_name) VALUES ('x', 'call', 'p')",
    "INSERT INTO archiver.jobs (job_name, action, function_name) VALUES ('x', 'function', 'f')",
    "INSERT INTO archiver.jobs (job_name, owner) VALUES ('x', 'postgres')",
    "INSERT INTO archiver.jobs (job_name, source) VALUES ('x', 'file')",
    "UPDATE archiver.jobs SET proc_name = 'p'",
    "UPDATE archiver.jobs SET owner = current_user",
    "SELECT config FROM archiver.jobs",
    "SELECT archiver.add_job('pg_catalog.now', '1 hour')",
    "SELECT archiver.alter_job(1000, scheduled => false)",
    "SELECT archiver.write_retention_policy()",
    "INSERT INTO archiver.postprocessing_jobs (proc_name) VALUES ('p')",
    "INSERT INTO archiver.policy_owners VALUES (current_user, '*')",
    "DELETE FROM archiver.policy_owners",
    "SELECT * FROM archiver.job_state",
    "SELECT * FROM archiver.job_changes",
    "SELECT * FROM archiver.windows",
    "DELETE FROM archiver.windows",
    "CREATE TABLE archiver.mine (x int)",
    "CREATE OR REPLACE VIEW public.data_retention_policy AS SELECT 1 AS id",
    "DROP VIEW public.data_retention_policy",
    "DELETE FROM analytics.events",
]
CHANGES = [
    "UPDATE public.data_retention_policy SET retention_days = 0",
    "UPDATE archiver.data_retention_policy SET action = 'delete'",
    "UPDATE archiver.jobs SET scheduled = false",
    "CALL archiver.run_job(1000)",
    "DELETE FROM public.data_retention_policy",
    "DELETE FROM archiver.jobs",
]


def quoted(role: object) -> str:
    return sql.Identifier(str(role)).as_string()


def writer(tenants: Tenants, name: str, **variables: str) -> Place:
    """A login that may write policies, by the one script."""
    given = {"group": f"policy writers of {tenants.place.database}", **variables}
    return tenants.given("data_retention_policy", tenants.login(name), **given)


def insert(place: Place, **changes: object) -> None:
    statement, values = insertion(PRODUCTS | changes, PUBLIC)
    run_as(place, statement, *values)


def owners(tenants: Tenants) -> list[tuple[object, ...]]:
    return [tuple(row) for row in tenants.place.sql("SELECT database_name, owner FROM archiver.jobs ORDER BY job_id")]


def test_a_writer_writes_policies_with_nothing_but_the_scripts_grants(tenants: Tenants) -> None:
    ann = writer(tenants, "ann")
    run_as(ann, INSERTS)
    assert owners(tenants) == [(database, ann.role) for database in ("postgres", "db1", "db2")]
    for view in (PUBLIC, VIEW):
        run_as(ann, f"UPDATE {view} SET retention_days = 7, table_name = 'others', cron_schedule = '@daily'")
        assert run_as(ann, f"SELECT DISTINCT retention_days, state FROM {view}") == [(7, "Scheduled")]
    ((number,),) = run_as(ann, f"DELETE FROM {PUBLIC} WHERE database_name = 'db1' RETURNING id")
    run_as(ann, "UPDATE archiver.jobs SET scheduled = false WHERE job_id <> %s", number)
    run_as(ann, "UPDATE archiver.jobs SET scheduled = true")
    run_as(ann, "CALL archiver.run_job(1000)")
    run_as(ann, f"DELETE FROM {VIEW}")
    tenants.place.sql("CREATE TABLE public.conditions (at timestamptz)")
    ((number,),) = run_as(ann, "SELECT archiver.add_retention_policy('public.conditions', interval '1 day')")
    assert run_as(ann, f"SELECT id, table_name FROM {PUBLIC}") == [(number, "conditions")]
    run_as(ann, "SELECT archiver.remove_retention_policy('public.conditions')")
    changes = "SELECT DISTINCT who FROM archiver.job_changes"
    assert tenants.place.sql(changes) == [(ann.role,)]


def test_a_writer_of_policies_writes_no_other_job_and_reaches_nothing_else(tenants: Tenants) -> None:
    ann = writer(tenants, "ann")
    insert(ann)
    allowed = []
    for statement in BEYOND:
        with ann.connect() as connection:
            try:
                connection.execute(statement.encode())
                allowed.append(statement)
            except errors.InsufficientPrivilege:
                pass
            except psycopg.Error as error:
                allowed.append(f"{statement}: {error}")
            finally:
                connection.rollback()
    assert allowed == []


def test_a_writer_of_jobs_writes_policies_too(tenants: Tenants) -> None:
    ann = tenants.writer("ann")
    statement, values = insertion(PRODUCTS)
    run_as(ann, statement, *values)
    run_as(ann, f"UPDATE {VIEW} SET retention_days = 7")
    tenants.place.sql("CREATE TABLE public.conditions (at timestamptz)")
    tenants.place.sql("GRANT USAGE ON SCHEMA public TO PUBLIC")
    run_as(ann, "SELECT archiver.add_retention_policy('public.conditions', interval '1 day')")
    run_as(ann, f"DELETE FROM {VIEW}")


def test_a_writer_changes_no_policy_of_another_and_none_of_the_file_or_its_table(tenants: Tenants) -> None:
    ann, ben = writer(tenants, "ann"), writer(tenants, "ben")
    insert(ann)
    before = tenants.place.sql("SELECT * FROM archiver.jobs")
    for change in CHANGES:
        error = refusal(ben, change)
        assert isinstance(error, errors.InsufficientPrivilege)
        assert f'belongs to role "{ann.role}", of which role "{ben.role}" is no member' in str(error)
    assert tenants.place.sql("SELECT * FROM archiver.jobs") == before
    run_as(ann, f"DELETE FROM {VIEW}")
    config = {"table": "public.products", "timestamp_column": "at", "keep_days": 30}
    kept = {
        "file": "one of the policy file (source 'file'). Nothing was saved. Fix: change the file",
        "policies": "a row of the table that policies_from names (source 'policies'). Nothing was saved. Fix: change",
    }
    for source, words in kept.items():
        tenants.place.sql("DELETE FROM archiver.jobs; ALTER SEQUENCE archiver.jobs_job_id_seq RESTART WITH 1000")
        with tenants.archiver.session() as session:
            job = make_job("kept", action="archive", procedure=None, schedule="@daily", **config)
            assert JobsTable(session).mirror([job], source=source) == []
        for change in CHANGES:
            assert words in str(refusal(ann, change)), change
        error = refusal(tenants.writer(f"of {source}"), "INSERT INTO archiver.jobs (source) VALUES (%s)", source)
        assert isinstance(error, errors.InsufficientPrivilege)


ODD = 'Odd "role" %s {x} é'


def test_a_role_with_databases_of_its_own_writes_policies_of_those_alone(tenants: Tenants) -> None:
    """By its login, as the group, and by what another one wrote; whoever has no rows is held to nothing."""
    ann, ben = writer(tenants, "ann", database="db1"), writer(tenants, "ben")
    odd = f"{ODD} of {tenants.place.database}"
    tenants.place.sql(f"CREATE ROLE {quoted(odd)}; GRANT {quoted(odd)} TO {quoted(ann.role)}")
    hostile = 'a "quoted" database\'s %s {name}'
    tenants.place.sql("INSERT INTO archiver.policy_owners VALUES (%s, %s), ('nobody at \"all\"', 'db9')", odd, hostile)
    insert(ann, database_name="db1")
    insert(ann, database_name=hostile)
    insert(ben, database_name="db2")
    words = f'archiver.policy_owners gives role "{ann.role}" others. Nothing was saved. Fix: name one of those'
    for database in ("db2", "DB1", "db1 ", "*", f"{hostile}x", tenants.place.database):
        statement, values = insertion(PRODUCTS | {"table_name": "more", "database_name": database}, PUBLIC)
        error = refusal(ann, statement, *values)
        assert isinstance(error, errors.InsufficientPrivilege), database
        assert (error.diag.column_name, words in str(error)) == ("database_name", True), database
        assert f'speaks of database "{database}"' in str(error)
    assert words in str(refusal(ann, f"UPDATE {PUBLIC} SET database_name = 'db3' WHERE database_name = 'db1'"))
    with ann.connect() as connection:
        connection.execute(f'SET ROLE "policy writers of {tenants.place.database}"'.encode())
        with pytest.raises(errors.InsufficientPrivilege, match="gives role"):
            connection.execute(statement.encode(), values)
    # A job of this database says none.
    error = refusal(
        tenants.given("job_writers", ann, group=f"w of {tenants.place.database}"),
        "INSERT INTO archiver.jobs DEFAULT VALUES",
    )
    assert f'speaks of database "{tenants.place.database}"' in str(error)
    # Once it is not his any more, it is not his to change either.
    tenants.place.sql("DELETE FROM archiver.policy_owners WHERE database_name = 'db1'")
    for change in (f"UPDATE {PUBLIC} SET retention_days = 0", f"DELETE FROM {PUBLIC}"):
        assert 'speaks of database "db1"' in str(refusal(ann, f"{change} WHERE database_name = 'db1'"))
    run_as(ben, f"UPDATE {PUBLIC} SET retention_days = 0 WHERE database_name = 'db2'")
    tenants.place.sql("INSERT INTO archiver.policy_owners VALUES (%s, '*')", ann.role)
    insert(ann, table_name="of any", database_name="db7")
    tenants.place.sql(f"DROP OWNED BY {quoted(odd)}; DROP ROLE {quoted(odd)}")


def test_what_one_writes_that_may_not_runs_with_no_more_than_his_databases(tenants: Tenants) -> None:
    """A function with its owner's rights that another one calls, who is held to nothing."""
    ann, ben = writer(tenants, "ann", database="db1"), writer(tenants, "ben")
    tenants.place.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    statement, _ = insertion(PRODUCTS)
    values = "'db2', 'public', 't', 1, 'at', 1, '@daily'"
    body = statement[: statement.index("VALUES")] + f"VALUES ({values})"
    run_as(ann, f"CREATE FUNCTION public.useful() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ {body} $$")
    error = refusal(ben, "SELECT public.useful()")
    assert f'gives role "{ann.role}" others' in str(error)
    run_as(ben, body)


def test_the_archives_own_role_and_superusers_are_held_to_nothing(tenants: Tenants) -> None:
    ann = writer(tenants, "ann", database="db1")
    tenants.place.sql("INSERT INTO archiver.policy_owners VALUES (%s, 'db1')", tenants.owned.role)
    insert(tenants.archiver, database_name="db2")
    insert(tenants.place, database_name="db3")
    # A superuser who acts as somebody is held to what that one is.
    with tenants.place.connect() as connection:
        connection.execute(f"SET ROLE {quoted(ann.role)}".encode())
        statement, values = insertion(PRODUCTS | {"database_name": "db1"})
        connection.execute(statement.encode(), values)
        statement, values = insertion(PRODUCTS | {"database_name": "db5"})
        with pytest.raises(errors.InsufficientPrivilege, match="gives role"):
            connection.execute(statement.encode(), values)


def test_who_could_write_jobs_before_there_were_rules_still_can(tenants: Tenants) -> None:
    ann = tenants.writer("ann")
    tenants.place.sql("DROP TABLE archiver.policy_owners")
    tenants.place.sql("DELETE FROM archiver.migrations WHERE stream = 'jobs' AND number = 10")
    with tenants.archiver.session() as session:
        JobTables(session).migrate()
    run_as(ann, "INSERT INTO archiver.jobs (job_name, action, proc_name) VALUES ('x', 'call', 'p')")


def test_a_name_that_is_taken_is_left_alone_and_nothing_is_granted(tenants: Tenants) -> None:
    tenants.place.sql(TABLE)
    with pytest.raises(AssertionError, match=r"nothing was granted: public\.data_retention_policy is something"):
        writer(tenants, "ann")
    with pytest.raises(AssertionError, match=r"set policies_from: public\.data_retention_policy under jobs"):
        writer(tenants, "ben")
    assert tenants.place.sql("SELECT relkind FROM pg_class WHERE oid = 'public.data_retention_policy'::regclass") == [
        ("r",)
    ]
    group = f"policy writers of {tenants.place.database}"
    assert tenants.place.sql("SELECT FROM pg_roles WHERE rolname = %s", group) == []
    tenants.place.sql(
        "DROP TABLE public.data_retention_policy; CREATE VIEW public.data_retention_policy AS SELECT 1 AS id"
    )
    with pytest.raises(AssertionError, match="nothing was granted"):
        writer(tenants, "cat")


def test_the_script_runs_again_and_lends_no_right_for_longer_than_it_takes(tenants: Tenants) -> None:
    rights = "SELECT has_schema_privilege(%s, 'public', 'CREATE'), pg_has_role(%s, %s, 'MEMBER')"
    names = (tenants.owned.role, tenants.owned.master, tenants.owned.role)
    before = tenants.place.sql(rights, *names)
    ann = writer(tenants, "ann")
    for _ in range(2):
        tenants.given("data_retention_policy", ann, group=f"policy writers of {tenants.place.database}")
    assert tenants.place.sql(rights, *names) == before
    owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.data_retention_policy'::regclass"
    assert tenants.place.sql(owner) == [(tenants.owned.role,)]
    insert(ann)


def test_the_common_group_is_made_once_for_the_server(tenants: Tenants) -> None:
    ann = tenants.given("data_retention_policy", tenants.login("ann"))
    insert(ann)
    group = "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'archiver_policy_writers'"
    assert tenants.place.sql(group) == [(False, False)]
    tenants.place.sql("DROP OWNED BY archiver_policy_writers; DROP ROLE archiver_policy_writers")
