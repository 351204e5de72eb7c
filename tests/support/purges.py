"""Tables of which a job says `delete`, and what was counted while their rows went."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from psycopg import sql

from pg_archiver.domain.tables import TableName
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import parse_table
from pg_archiver.postgres.session import Session
from pg_archiver.purge.due import PurgeOrder
from pg_archiver.purge.purge import Purged, purge, rehearse
from tests.support.concurrency import in_background, until
from tests.support.place import Place

Result = TypeVar("Result")
KEEP = KeepDays(2, "keep_days of job 'old rows'")
# Rows of which every second one is old, a minute apart; the oldest first.
ROWS, OLD = 40, 20
NOTES = f"""
    CREATE TABLE public.notes (id int PRIMARY KEY, at timestamptz NOT NULL, note text);
    CREATE INDEX notes_at ON public.notes (at);
    INSERT INTO public.notes
    SELECT n, now() - CASE WHEN n % 2 = 0 THEN interval '3 days' ELSE interval '1 day' END + n * interval '1 minute',
        'note ' || n
    FROM generate_series(1, {ROWS}) AS n
"""
COUNTED = """
    CREATE TABLE public.counted (id int GENERATED ALWAYS AS IDENTITY, transaction text, rows bigint);
    GRANT INSERT, SELECT ON public.counted TO PUBLIC
"""
END_SESSION = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"
HOLD = """
    INSERT INTO archiver.restores (client, table_schema, table_name, bucket, object_key, generation, target_schema,
        target_table, target_oid, span_start, span_end, rows, run_id, hold_until)
    VALUES ('c', %s, %s, 'b', 'k', 1, %s, %s, 1, %s, %s, 1, 'r', now() + %s::interval)
"""


def never() -> str | None:
    """The work is wanted to its end."""
    return None


def after(batches: int) -> Callable[[], str | None]:
    """The work is not wanted any more when so many questions were answered; the first is asked before anything."""
    left = [batches]

    def ask() -> str | None:
        left[0] -= 1
        return None if left[0] >= 0 else "its row has changed"

    return ask


@dataclass(frozen=True)
class Purges:
    """A table of one database, purged as often as a test wants."""

    place: Place
    table: TableName
    column: str = "at"

    @classmethod
    def of(cls, place: Place, table: str = "public.notes", column: str = "at", made: str = NOTES) -> Purges:
        """The table is made by this statement."""
        place.sql(made)
        place.sql(COUNTED)
        return cls(place, parse_table(table), column)

    def order(self, **changes: Any) -> PurgeOrder:
        wanted = {"keep": KEEP, "batch_size": 6, "timezone": "UTC", "run_id": "run 1", **changes}
        return PurgeOrder(client="acme", table=self.table, timestamp_column=self.column, **wanted)

    def purge(
        self, stopping: Callable[[], str | None] = never, session: Session | None = None, **changes: Any
    ) -> Purged:
        """Purges; what is counted is checked against what is told, and against the size of a batch."""
        order, before = self.order(**changes), sum(self.counts())
        with nullcontext(session) if session else self.place.session() as using:
            result = purge(using, order, stopping, self.counter(using))
        assert result.rows == sum(self.counts()) - before
        self.check_counts(order.batch_size)
        return result

    def rehearse(self, **changes: Any) -> str:
        with self.place.session() as session:
            return rehearse(session, self.order(**changes))

    def counter(self, session: Session) -> Callable[[int], None]:
        """Writes down what is counted, in the transaction in which it goes."""

        def count(rows: int) -> None:
            session.run_script(
                f"INSERT INTO public.counted (transaction, rows) SELECT pg_catalog.pg_current_xact_id()::text, {rows}"
            )

        return count

    def rows(self) -> int:
        return int(self.place.sql(f"SELECT count(*) FROM {self.relation}")[0][0])

    @property
    def relation(self) -> str:
        return sql.Identifier(self.table.schema, self.table.name).as_string()

    def counts(self) -> list[int]:
        """What was counted, transaction by transaction."""
        return [row[0] for row in self.place.sql("SELECT rows FROM public.counted ORDER BY id")]

    def check_counts(self, most: int) -> None:
        """No transaction counted more than a batch holds, and none twice; partitions have no batches."""
        twice = self.place.sql("SELECT transaction FROM public.counted GROUP BY 1 HAVING count(*) > 1")
        assert twice == []
        if not self.place.sql("SELECT to_regclass('archiver.partitions') IS NOT NULL")[0][0]:
            return
        dropped = [row[0] for row in self.place.sql("SELECT rows FROM archiver.partitions WHERE state = 'dropped'")]
        assert [rows for rows in self.counts() if rows > most and rows not in dropped] == []

    def is_indexed(self) -> bool:
        """Whether rows go by the index, straight away."""
        triggers = "SELECT 1 FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal"
        indexed = "SELECT 1 FROM pg_index WHERE indrelid = %s::regclass AND NOT indisprimary"
        return not self.place.sql(triggers, self.relation) and bool(self.place.sql(indexed, self.relation))

    def hold(self, start: object, end: object, until: timedelta = timedelta(days=1)) -> None:
        """Holds a span, as a restore does."""
        name = (self.table.schema, self.table.name)
        self.place.sql("SET archiver.ledger_version = '3'")
        self.place.sql(HOLD, *name, *name, start, end, until)

    def migrate(self) -> None:
        """Makes the ledger, which a purge makes otherwise."""
        self.purge(after(1))


def without_index(place: Place) -> Purges:
    """The same table, whose old rows no index finds."""
    purges = Purges.of(place)
    place.sql("DROP INDEX public.notes_at")
    return purges


def with_trigger(place: Place, body: str = "") -> Purges:
    """The same table with a delete trigger."""
    purges = Purges.of(place)
    add_trigger(place, "BEFORE DELETE", body)
    return purges


def add_trigger(place: Place, when: str, body: str, on: str = "public.notes", name: str = "meddling") -> None:
    place.sql(
        f"""
        CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF pg_trigger_depth() = 1 THEN {body} END IF; RETURN coalesce(NEW, OLD); END $$;
        CREATE TRIGGER {name} {when} ON {on} FOR EACH ROW EXECUTE FUNCTION public.{name}()
        """
    )


def plain(place: Place) -> Purges:
    """The table with an index and nothing else."""
    return Purges.of(place)


def slow_holds(place: Place) -> None:
    """Whoever reads holds waits for the advisory lock 4711, in the middle of the statement that does."""
    place.sql(
        "ALTER TABLE archiver.restores RENAME TO kept;"
        "CREATE FUNCTION public.waited() RETURNS boolean LANGUAGE sql AS"
        " 'SELECT pg_advisory_lock(4711) IS NOT NULL AND pg_advisory_unlock(4711)';"
        "CREATE VIEW archiver.restores AS SELECT * FROM archiver.kept WHERE (SELECT public.waited())"
    )


@contextmanager
def waiting_for_holds(place: Place, work: Callable[[], Result]) -> Generator[Future[Result]]:
    """Does the work in the background, which waits in the middle of its batch until the block ends."""
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
    with place.connect() as blocker:
        blocker.execute("SELECT pg_advisory_lock(4711)")
        with in_background(work) as working:
            until(lambda: bool(place.sql(waiting)))
            yield working
            blocker.execute("SELECT pg_advisory_unlock(4711)")


# Each of the ways by which rows are found and deleted.
WAYS: dict[str, Callable[[Place], Purges]] = {
    "by index": plain,
    "without an index": without_index,
    "with a trigger": with_trigger,
}
