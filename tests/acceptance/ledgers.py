"""A client's ledger made beforehand, with a trigger on it, by which a test reaches into the middle of a run."""

from __future__ import annotations

from pg_archiver.ledger.migrations import list_migrations
from tests.acceptance.conftest import Tenant


def with_ledger(tenant: Tenant, when: str, body: str, condition: str = "true") -> None:
    """Makes the ledger as the first run would, and a row trigger on its windows.

    Args:
        tenant: whose.
        when: such as `BEFORE UPDATE`.
        body: what the trigger does, in PL/pgSQL.
        condition: of which rows, as WHEN takes it.
    """
    tenant.sql("CREATE SCHEMA archiver")
    for number, path in list_migrations():
        if number > 1:
            tenant.sql(path.read_text(encoding="utf-8").replace("%", "%%"))
            if number > 1:
                tenant.sql("INSERT INTO archiver.migrations (number, name) VALUES (%s, %s)", number, path.stem)
    tenant.sql(
        f"""
        CREATE FUNCTION public.for_the_test() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
        CREATE TRIGGER for_the_test {when} ON archiver.windows FOR EACH ROW WHEN ({condition})
        EXECUTE FUNCTION public.for_the_test()
        """
    )
