"""reclaim by pg_repack: on a server that has it, with its real client; whatever breaks it off, nothing stays behind."""

from __future__ import annotations

import io
import os
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import psycopg
import pytest

from dev.repack_server import RepackServer, repack_server
from dev.s3 import S3Server
from pg_archiver.errors import (
    ArchiverError,
    Busy,
    DatabaseInterrupted,
    DatabaseRefused,
    LockWait,
    MaintenanceRefused,
    Stopped,
)
from pg_archiver.maintenance import pg_repack
from pg_archiver.maintenance.disk_room import UNKNOWN_SPACE, FreeSpace
from pg_archiver.maintenance.pg_repack import Repacker
from pg_archiver.maintenance.pg_repack_output import Output
from pg_archiver.maintenance.reclaim import ReclaimContext, Reclaimed, ReclaimRules, reclaim
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.off_hours import OffHours
from pg_archiver.postgres import activity, session
from pg_archiver.postgres.activity import StatementMonitor
from pg_archiver.postgres.base_session import ALIVE
from tests.support.concurrency import in_background, until
from tests.support.maintenance_steps import QUICK, filled, inspected, transaction, upkeep
from tests.support.place import Place

pytestmark = pytest.mark.more

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
RULES = ReclaimRules(Strategy.PG_REPACK, 20, 100_000, OffHours.parse("01:00-05:00 UTC"), patience=QUICK)
PLENTY = FreeSpace(lambda: 10**12, "the test")
_GATE = "LOCK TABLE gate IN ACCESS EXCLUSIVE MODE"
_AT_THE_GATE = (
    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'pg_repack' AND NOT granted"
    " AND relation = 'gate'::regclass"
)
_COPIED = "SELECT 1 FROM pg_class WHERE relnamespace = 'repack'::regnamespace AND relname ~ '^table_'"
_LEFT = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'repack'::regnamespace AND relname ~ '[0-9]$' UNION ALL"
    " SELECT tgname FROM pg_trigger WHERE tgname = 'repack_trigger'"
)


@pytest.fixture(scope="module")
def repacking() -> Iterator[RepackServer]:
    with TemporaryDirectory() as folder, repack_server(Path(folder)) as found:
        yield found


@pytest.fixture
def place(repacking: RepackServer, rclone: S3Server, request: pytest.FixtureRequest) -> Iterator[Place]:
    """An empty database with the extension."""
    number = 100_000 + request.node.parent.session.items.index(request.node)
    with Place.made(repacking.server, rclone, number) as place:
        place.sql("CREATE EXTENSION pg_repack")
        yield place


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, repacking: RepackServer) -> None:
    monkeypatch.setattr(activity, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(pg_repack, "POLL_SECONDS", 0.05)
    monkeypatch.setitem(ALIVE, "client_connection_check_interval", "100ms")
    monkeypatch.setattr(session, "LOCK_WAIT_SECONDS", 0.3)
    if repacking.libraries:
        monkeypatch.setenv("LD_LIBRARY_PATH", str(repacking.libraries))


@pytest.fixture
def client(repacking: RepackServer) -> Repacker:
    return Repacker(str(repacking.program))


def reclaimed(place: Place, client: Repacker, space: FreeSpace = PLENTY, **changes: Any) -> Reclaimed:
    around = ReclaimContext(lambda: NOON, space, place.session, lambda: "compacted", client)
    with place.session() as session:
        return reclaim(session, place.order, replace(RULES, **changes), around)


def bloated(place: Place, rows: int = 6000) -> Place:
    filled(place, rows)
    place.sql("DELETE FROM analytics.events WHERE id % 20 <> 0")
    place.sql("VACUUM (ANALYZE) analytics.events")
    return place


def file_node(place: Place) -> int:
    return int(place.sql(f"SELECT pg_relation_filenode('{place.relation}')")[0][0])


def gated(place: Place) -> None:
    """A table whose copy gets no further than an index that has to wait for a user's lock on what it calls."""
    place.sql("CREATE TABLE gate (x int)")
    place.sql(
        "CREATE FUNCTION waits(bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN PERFORM count(*) FROM public.gate; RETURN $1; END $$"
    )
    place.sql("CREATE INDEX slow ON analytics.events (waits(id))")
    place.sql("VACUUM ANALYZE analytics.events")


@contextmanager
def in_the_middle(place: Place, work: Callable[[], object], *, busy: bool = False) -> Generator[tuple[Any, Any]]:
    """Holds a pg_repack, which `work` starts, in the middle; gives the work, and the user whose transaction holds it.

    It waits for the end of transactions older than its copy; or it is `busy` with an index.
    """
    hold, held = (_GATE, _AT_THE_GATE) if busy else ("SELECT 1", _COPIED)
    with transaction(place, hold) as user, in_background(work) as running:
        try:
            until(lambda: running.done() or bool(place.sql(held)))
            yield running, user
        finally:
            user.rollback()


def clients() -> list[psutil.Process]:
    """The running pg_repack programs of this test."""
    return [one for one in psutil.Process().children() if "--no-kill-backend" in one.cmdline()]


def ended(place: Place) -> bool:
    return not place.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'pg_repack'")


def killed_in_the_middle(place: Place, client: Repacker) -> None:
    """What a task and its client leave that both vanish in the middle."""

    def alone() -> None:
        with place.session() as session:
            pg_repack.repack(session, inspected(place).parts[0], client, timedelta(minutes=1), StatementMonitor())

    with in_the_middle(place, alone) as (running, _):
        (program,) = clients()
        program.send_signal(signal.SIGKILL)
        assert isinstance(running.exception(), DatabaseInterrupted)
        until(lambda: ended(place))
    assert "repack_trigger" in [name for (name,) in place.sql(_LEFT)]


def test_space_is_given_back_at_any_hour_while_a_writer_goes_on(place: Place, client: Repacker) -> None:
    bloated(place, 40_000)
    place.sql("CREATE TABLE wanted (LIKE analytics.events INCLUDING ALL)")
    place.sql("INSERT INTO wanted OVERRIDING SYSTEM VALUE SELECT * FROM analytics.events")
    node = file_node(place)
    with in_the_middle(place, lambda: reclaimed(place, client)) as (running, user):
        for table in ("analytics.events", "wanted"):
            place.sql(
                f"INSERT INTO {table} OVERRIDING SYSTEM VALUE"
                f" SELECT 50000 + n, '2026-01-01', 'new', '{{\"a\": 1.00}}' FROM generate_series(1, 20) AS n"
            )
            place.sql(f"UPDATE {table} SET name = NULL, data = 'null' WHERE id % 1000 = 0")
            place.sql(f"DELETE FROM {table} WHERE id % 3000 = 0 OR id = 50001")
        assert file_node(place) == node
        user.rollback()
        done = running.result()
    assert done.choice.strategy is Strategy.PG_REPACK
    assert file_node(place) != node
    rows = [Counter(place.sql(f"SELECT t::text FROM {table} AS t")) for table in ("analytics.events", "wanted")]
    assert rows[0] == rows[1]
    place.sql("VACUUM FULL wanted")
    place.sql("VACUUM wanted")
    ((live, fresh),) = place.sql("SELECT pg_total_relation_size('analytics.events'), pg_total_relation_size('wanted')")
    assert live <= 1.1 * fresh
    assert done.given_back > 1_000_000
    assert upkeep(place) == [("reclaim", "pg_repack", "done")]
    assert place.sql(_LEFT) == []
    assert place.sql("SELECT relallvisible = relpages FROM pg_class WHERE relname = 'events'") == [(True,)]


def test_the_password_is_in_no_process_list_and_no_log(
    place: Place, client: Repacker, caplog: pytest.LogCaptureFixture
) -> None:
    bloated(place)
    secret = place.server.password
    with (
        caplog.at_level("DEBUG"),
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://airflow:hidden@metadata")
        with in_the_middle(place, lambda: reclaimed(place, client)) as (running, user):
            (program,) = clients()
            assert secret not in " ".join(program.cmdline())
            assert program.environ()["PGPASSWORD"] == secret
            assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in program.environ()
            user.rollback()
            running.result()
    assert 'INFO: repacking table "analytics.events"' in caplog.text
    assert secret not in caplog.text
    assert secret not in str(upkeep(place, "note"))


_LONG = "(SELECT string_agg(md5(n::text || i::text), '') FROM generate_series(1, 100) AS i)"
UNTOLD = "the server's words may hold a row, and are in its own log"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('INFO: repacking table "a.b"', 'INFO: repacking table "a.b"'),
        ("DETAIL: Key (id)=(5) is duplicated.", None),
        ("(id, name) = (5, x)", None),
        (
            'ERROR: could not connect to database with "s3cret": no',
            'ERROR: could not connect to database with "***": no',
        ),
        ("WARNING:  what a user's function raises", f"WARNING: {UNTOLD}"),
        ("WARNUNG:  was eine Funktion meldet", None),
    ],
)
def test_what_quotes_a_row_or_a_secret_does_not_reach_the_log(line: str, told: str | None) -> None:
    output = Output()
    output.read(io.StringIO(f"{line}\n"), "pg_repack", "s3cret")
    assert output.lines == ([told] if told else [])


@pytest.mark.parametrize(
    ("words", "told", "lasting"),
    [
        ('ERROR:  invalid input syntax for type integer: "5"', False, True),
        ("FEHLER:  Zeile ist zu gross", False, True),
        ("ERROR:  row is too big: size 12904, maximum size 8160", True, True),
        ("ERROR:  permission denied for schema repack", True, True),
        ("ERROR:  deadlock detected", True, False),
        ("ERROR:  canceling statement due to lock timeout", True, False),
        ('ERROR:  could not extend file "base/5/1": No space left on device', True, False),
        ("FATAL:  terminating connection due to administrator command", True, False),
    ],
)
def test_words_that_cannot_hold_a_row_are_told_and_what_lasts_is_known(words: str, told: bool, lasting: bool) -> None:
    output = Output()
    output.read(io.StringIO(f"ERROR: query failed: {words}\n"), "pg_repack", "")
    assert output.last == f"ERROR: query failed: {words if told else UNTOLD}"
    assert output.lasting is lasting


def test_a_row_that_no_page_can_hold_is_told_and_not_tried_again(place: Place, client: Repacker) -> None:
    wide = place.on("public.wide", "at")
    place.sql(
        f"""
        CREATE TABLE public.wide (id int PRIMARY KEY, at timestamp, {", ".join(f"c{n} text" for n in range(12))});
        INSERT INTO public.wide SELECT n, now(), {", ".join([_LONG] * 12)}
            FROM generate_series(1, 300) AS n;
        DELETE FROM public.wide WHERE id % 3 <> 0
        """
    )
    for number in range(12):
        place.sql(f"ALTER TABLE public.wide ALTER c{number} SET STORAGE PLAIN")
    # Else the server may tell its statistics of the deleted rows only a second later.
    place.sql("SELECT pg_stat_force_next_flush()")
    with pytest.raises(DatabaseRefused, match=r"row is too big: size \d+, maximum size \d+.* so it is not tried"):
        reclaimed(wide, client, min_percent=1)


def refusal(place: Place, client: Repacker, space: FreeSpace = PLENTY, **changes: Any) -> str:
    """The words in which it is refused, after which nothing was done."""
    node = file_node(place)
    with pytest.raises(MaintenanceRefused) as caught:
        reclaimed(place, client, space, **changes)
    assert file_node(place) == node
    assert upkeep(place)[-1] == ("reclaim", "pg_repack", "failed")
    return str(caught.value)


def test_what_is_missing_is_named_with_its_remedy(place: Place, client: Repacker, tmp_path: Path) -> None:
    bloated(place)
    assert "ARCHIVER_PG_REPACK is /nowhere/pg_repack, which is not an executable" in refusal(
        place, Repacker("/nowhere/pg_repack")
    )
    assert "install the package postgresql-15-repack there" in refusal(place, Repacker(None))
    other = tmp_path / "pg_repack"
    other.write_text("#!/bin/sh\necho pg_repack 1.5.0\n")
    other.chmod(0o755)
    assert f"{other} is pg_repack 1.5.0, and the extension in database {place.database} is 1.4.8" in refusal(
        place, Repacker(str(other))
    )
    place.sql("DROP EXTENSION pg_repack")
    words = refusal(place, client)
    assert "rds_superuser) runs CREATE EXTENSION pg_repack there" in words
    assert "install the package" not in words


def test_a_role_that_the_extension_would_refuse_in_the_middle_is_refused_before(place: Place, client: Repacker) -> None:
    bloated(place)
    owner = place.as_role("owner")
    owner.sql(f"ALTER SCHEMA analytics OWNER TO {owner.role}; ALTER TABLE analytics.events OWNER TO {owner.role}")
    owner.sql(f"GRANT CREATE ON DATABASE {place.database} TO {owner.role}")
    assert "pg_repack 1.4.8 lets only a superuser" in refusal(owner, client)
    place.sql("UPDATE pg_extension SET extversion = '1.5.2' WHERE extname = 'pg_repack'")
    newer = Repacker(str(Path(__file__)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pg_repack, "read_client_version", lambda _: "1.5.2")
        patched.setattr(os, "access", lambda *_: True)
        assert "GRANT USAGE, CREATE ON SCHEMA repack" in refusal(owner, newer)


def test_a_table_that_it_cannot_take_is_named(place: Place, client: Repacker) -> None:
    bloated(place)
    place.sql(
        "ALTER TABLE analytics.events DROP CONSTRAINT events_pkey, ALTER id DROP IDENTITY, ALTER id DROP NOT NULL"
    )
    place.sql("CREATE UNIQUE INDEX nullable ON analytics.events (id)")
    assert "analytics.events has no primary key and no unique index over NOT NULL columns" in refusal(place, client)
    place.sql("ALTER TABLE analytics.events ALTER id SET NOT NULL")
    place.sql("ALTER TABLE analytics.events SET UNLOGGED")
    assert "is unlogged or not an ordinary table" in refusal(place, client, force="it was rewritten just now")
    place.sql("ALTER TABLE analytics.events SET LOGGED")
    node = file_node(place)
    reclaimed(place, client, force="it was rewritten just now")
    assert file_node(place) != node


@pytest.mark.parametrize("space", [UNKNOWN_SPACE, FreeSpace(lambda: 1000, "figure")])
def test_the_disk_and_a_wanted_approval_hold_for_it_too(place: Place, client: Repacker, space: FreeSpace) -> None:
    bloated(place)
    assert "the disk does not suffice or is not known" in refusal(place, client, space, force="it is urgent")
    assert "nobody has approved it" in refusal(place, client, approved=False)


def test_below_the_threshold_it_does_nothing(place: Place, client: Repacker) -> None:
    filled(place)
    place.sql("VACUUM (ANALYZE) analytics.events")
    assert reclaimed(place, client).choice.strategy is Strategy.NONE


def test_auto_takes_it_by_day_where_toast_holds_the_space(place: Place, client: Repacker) -> None:
    place.sql('CREATE SCHEMA odd; CREATE TABLE odd."a ""b"" \'c\' %s" (id int PRIMARY KEY, at timestamp, doc text)')
    odd = place.on('odd."a ""b"" \'c\' %s"', "at")
    odd.sql(f"ALTER TABLE {odd.relation} ALTER doc SET STORAGE EXTERNAL")
    odd.sql(f"INSERT INTO {odd.relation} SELECT n, '2024-01-01', repeat('x', 9000) FROM generate_series(1, 400) AS n")
    odd.sql(f"DELETE FROM {odd.relation} WHERE id % 20 <> 0")
    odd.sql(f"VACUUM (ANALYZE) {odd.relation}")
    assert reclaimed(odd, Repacker(None), strategy=Strategy.AUTO).choice.strategy is Strategy.NONE
    assert reclaimed(odd, client, UNKNOWN_SPACE, strategy=Strategy.AUTO).choice.strategy is Strategy.NONE
    done = reclaimed(odd, client, strategy=Strategy.AUTO)
    assert done.choice.strategy is Strategy.PG_REPACK
    assert "are in TOAST, which compact cannot free; it is not within maintenance_window" in done.choice.why
    assert done.given_back > 2_000_000


def test_nobody_who_holds_the_table_is_cut_off(place: Place, client: Repacker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_repack, "LOCK_SECONDS", 1)
    bloated(place)
    node = file_node(place)
    with transaction(place, "SELECT count(*) FROM analytics.events") as user:
        with pytest.raises(LockWait, match="did not get its lock in 1 seconds"):
            reclaimed(place, client)
        assert user.execute("SELECT count(*) FROM analytics.events").fetchone() == (300,)
    assert file_node(place) == node
    assert place.sql(_LEFT) == []


@pytest.mark.parametrize("busy", [False, True])
def test_a_run_that_is_told_to_stop_leaves_nothing_behind(place: Place, client: Repacker, busy: bool) -> None:
    bloated(place)
    if busy:
        gated(place)
    asked: list[bool] = []
    node = file_node(place)

    @contextmanager
    def stop_requested() -> Generator[Callable[[], bool]]:
        yield lambda: bool(asked)

    stoppable = replace(client, stop_requested=stop_requested)
    with in_the_middle(place, lambda: reclaimed(place, stoppable), busy=busy) as (running, _):
        assert place.sql(_LEFT)
        asked.append(True)
        assert isinstance(running.exception(), Stopped)
        # The client goes on with its tidying up where this process has no time left.
        until(lambda: clients() == [] and place.sql(_LEFT) == [])
    assert file_node(place) == node
    assert reclaimed(place, client).given_back > 1_000_000


def test_it_is_stopped_when_it_takes_too_long(place: Place, client: Repacker) -> None:
    bloated(place)
    brief = timedelta(milliseconds=10)
    with transaction(place, "SELECT 1"), pytest.raises(DatabaseInterrupted, match="did not end within"):
        reclaimed(place, client, longest=brief)
    assert place.sql(_LEFT) == []


@pytest.mark.parametrize("strategy", [Strategy.PG_REPACK, Strategy.NONE])
def test_what_a_killed_one_left_is_removed_by_the_next_run(place: Place, client: Repacker, strategy: Strategy) -> None:
    bloated(place)
    before = place.live()
    killed_in_the_middle(place, client)
    place.sql("UPDATE analytics.events SET name = name WHERE id = 20")
    done = reclaimed(place, client, strategy=strategy)
    assert "removed what a pg_repack that broke off had left: " in done.notes[0]
    assert "trigger repack_trigger" in done.notes[0]
    assert done.notes[0] in upkeep(place, "note")[-1][0]
    assert place.sql(_LEFT) == []
    assert place.live() == before


def test_one_whose_program_dies_is_tidied_up_after_as_soon_as_its_session_is_gone(
    place: Place, client: Repacker
) -> None:
    bloated(place)
    node = file_node(place)
    with in_the_middle(place, lambda: reclaimed(place, client)) as (running, _):
        (program,) = clients()
        program.send_signal(signal.SIGTERM)
        assert isinstance(running.exception(), ArchiverError)
        assert file_node(place) == node
        until(lambda: ended(place))
    reclaimed(place, client)
    assert place.sql(_LEFT) == []


def test_somebody_elses_pg_repack_is_left_to_its_work(place: Place, client: Repacker) -> None:
    bloated(place)

    def other() -> None:
        with place.session() as session:
            pg_repack.repack(session, inspected(place).parts[0], client, timedelta(minutes=1), StatementMonitor())

    with in_the_middle(place, other) as (running, user):
        for strategy in (Strategy.PG_REPACK, Strategy.VACUUM_FULL):
            with pytest.raises(Busy, match=r"a pg_repack is running on analytics\.events"):
                reclaimed(place, client, strategy=strategy)
        assert place.sql(_LEFT)
        user.rollback()
        running.result()


def test_a_users_own_trigger_of_that_name_stays(place: Place, client: Repacker) -> None:
    bloated(place)
    place.sql("CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
    place.sql("CREATE TRIGGER repack_trigger BEFORE INSERT ON analytics.events FOR EACH ROW EXECUTE FUNCTION own()")
    with pytest.raises(DatabaseInterrupted, match="already has a trigger"):
        reclaimed(place, client)
    assert place.sql(_LEFT) == [("repack_trigger",)]


def test_a_dry_run_says_what_is_missing(place: Place) -> None:
    bloated(place)
    done = reclaimed(place.ordered(dry_run=True), Repacker(None))
    assert "there is no pg_repack on PATH" in done.notes[0]
    assert not place.has_ledger()


def test_a_connection_lost_in_the_middle_is_an_interruption(place: Place, client: Repacker) -> None:
    bloated(place)
    with in_the_middle(place, lambda: reclaimed(place, client)) as (running, _):
        place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_repack'")
        error = running.exception()
    assert isinstance(error, DatabaseInterrupted | psycopg.Error)
    assert reclaimed(place, client).given_back > 1_000_000
    assert place.sql(_LEFT) == []
