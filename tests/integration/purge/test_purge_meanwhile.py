"""Others work on the table while its old rows go: what is not old any more stays, what is locked is passed over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from pg_archiver.errors import Busy, DatabaseInterrupted, LockWait, TableRefused
from pg_archiver.ledger.locks import rewrite_lock
from pg_archiver.postgres import session as session_module
from tests.support.concurrency import Beside, in_background, wait_for_blocked
from tests.support.hooks import acting_before
from tests.support.place import Place
from tests.support.purges import (
    END_SESSION,
    OLD,
    ROWS,
    WAYS,
    Purges,
    add_trigger,
    never,
    plain,
    slow_holds,
    waiting_for_holds,
    without_index,
)

CHOOSING = {"by index": "purge/delete_oldest", "without an index": "purge/lock_listed"}

BRIEF = timedelta(milliseconds=200)


def ids(purges: Purges) -> list[int]:
    return [row[0] for row in purges.place.sql("SELECT id FROM public.notes WHERE id % 2 = 0 ORDER BY id")]


def test_rows_that_others_have_locked_are_passed_over_told_and_go_in_the_next_run(purges: Purges) -> None:
    assert "may not lock rows" not in purges.rehearse()
    with purges.place.connect() as user:
        user.execute("SELECT FROM public.notes WHERE id IN (4, 18) FOR KEY SHARE")
        result = purges.purge()
    assert result.rows == OLD - 2
    assert "2 rows that are due stay for the next run: others had them locked" in result.told
    assert ids(purges) == [4, 18]
    assert purges.purge().rows == 2


def test_rows_that_others_are_changing_are_passed_over_whatever_becomes_of_the_change(purges: Purges) -> None:
    with purges.place.connect() as user:
        user.execute("UPDATE public.notes SET at = now() WHERE id = 4; UPDATE public.notes SET note = '' WHERE id = 6")
        assert purges.purge().rows == OLD - 2
        user.commit()
    assert ids(purges) == [4, 6]
    assert purges.purge().rows == 1
    assert ids(purges) == [4]


@pytest.mark.parametrize("way", CHOOSING)
def test_a_row_whose_time_moves_to_now_just_before_its_batch_stays(place: Place, way: str) -> None:
    purges = WAYS[way](place)
    change = "UPDATE public.notes SET at = now() WHERE id IN (2, 12)"
    with acting_before(place, CHOOSING[way], lambda: place.sql(change)) as session:
        assert purges.purge(never, session).rows == OLD - 2
    assert ids(purges) == [2, 12]


def test_a_row_whose_time_moves_between_the_snapshot_of_its_batch_and_its_lock_stays(place: Place) -> None:
    purges = plain(place)
    purges.migrate()
    slow_holds(place)
    with waiting_for_holds(place, purges.purge) as purging:
        place.sql("UPDATE public.notes SET at = now() WHERE id = 4")
        place.sql("UPDATE public.notes SET note = 'changed' WHERE id = 6")
    assert purging.result().rows == OLD - 1
    assert ids(purges) == [4]


def guest(place: Place, made: Callable[[Place], Purges]) -> Purges:
    """The table, purged by a role that may not lock rows of it."""
    purges = made(place)
    rights = ("USAGE ON SCHEMA public", "SELECT, DELETE ON public.notes", f"CREATE ON DATABASE {place.database}")
    return Purges(place.as_role("guest", *rights), purges.table)


@pytest.mark.parametrize("way", WAYS)
def test_a_role_that_may_not_lock_rows_deletes_them_all_the_same(place: Place, way: str) -> None:
    purges = guest(place, WAYS[way])
    assert "GRANT UPDATE on one of its columns" in purges.rehearse()
    assert purges.purge().rows == OLD
    assert ids(purges) == []


def test_a_role_that_may_not_lock_rows_waits_for_a_change_and_leaves_what_is_not_old_any_more(place: Place) -> None:
    purges = guest(place, plain)
    with place.connect() as user:
        user.execute("UPDATE public.notes SET at = now() WHERE id = 4; UPDATE public.notes SET note = '' WHERE id = 6")
        with in_background(purges.purge) as purging:
            wait_for_blocked(place)
            user.commit()
        assert purging.result().rows >= OLD - 2
    assert 4 in ids(purges)
    purges.purge()
    assert ids(purges) == [4]


def test_a_role_that_may_not_lock_rows_leaves_a_batch_of_which_one_is_locked_for_long(place: Place) -> None:
    purges = guest(place, plain)
    with place.connect() as user, purges.place.session() as session, session.timeouts(lock=BRIEF):
        user.execute("SELECT FROM public.notes WHERE id = 14 FOR UPDATE")
        result = purges.purge(never, session)
    assert result.rows == OLD - 6
    assert "6 rows that are due stay for the next run" in result.told
    assert ids(purges) == [14, 16, 18, 20, 22, 24]


def test_rows_that_come_late_go_in_the_same_run(purges: Purges) -> None:
    late = "INSERT INTO public.notes VALUES (100, now() - interval '4 days', 'late')"
    inserted = [False]

    def ask() -> str | None:
        if purges.counts() and not inserted[0]:
            inserted[0] = True
            purges.place.sql(late)
        return None

    assert purges.purge(ask).rows == OLD + 1
    assert ids(purges) == []


def test_a_foreign_key_that_comes_between_two_batches_stops_the_run(purges: Purges) -> None:
    place = purges.place
    place.sql("CREATE TABLE public.replies AS SELECT id AS note FROM public.notes")

    def ask() -> str | None:
        if len(purges.counts()) == 2:
            place.sql(
                "DELETE FROM public.replies WHERE note NOT IN (SELECT id FROM public.notes);"
                "ALTER TABLE public.replies ADD FOREIGN KEY (note) REFERENCES public.notes ON DELETE CASCADE"
            )
        return None

    with pytest.raises(TableRefused, match=r"public\.replies \(ON DELETE CASCADE\)"):
        purges.purge(ask)
    assert sum(purges.counts()) == ROWS - purges.rows() == 12
    assert place.sql("SELECT count(*) FROM public.replies") == [(ROWS - 12,)]


REPLIES = "CREATE TABLE public.replies AS SELECT id AS note FROM public.notes WHERE id % 2 = 0"
KEY = "ALTER TABLE public.replies ADD FOREIGN KEY (note) REFERENCES public.notes ON DELETE CASCADE"


def test_a_foreign_key_that_comes_just_before_a_batch_is_seen(purges: Purges) -> None:
    place = purges.place
    place.sql(REPLIES)
    statement = "purge/delete_oldest" if purges.is_indexed() else "purge/lock_table"
    with (
        acting_before(place, statement, lambda: place.sql(KEY)) as session,
        pytest.raises(TableRefused, match=r"public\.replies \(ON DELETE CASCADE\)"),
    ):
        purges.purge(never, session)
    assert place.sql("SELECT count(*) FROM public.replies") == [(OLD,)]
    assert purges.rows() == ROWS


def test_no_foreign_key_comes_between_the_look_of_a_batch_and_its_end(place: Place) -> None:
    purges = plain(place)
    purges.migrate()
    place.sql(REPLIES)
    key = Beside(place, KEY)
    slow_holds(place)
    with waiting_for_holds(place, lambda: purges.purge(batch_size=OLD)) as purging:
        key.begin()
    assert purging.result().rows == OLD
    refuse_key(place, key)


def test_no_foreign_key_comes_between_the_look_at_a_list_and_the_delete(place: Place) -> None:
    purges = without_index(place)
    place.sql(REPLIES)
    key = Beside(place, KEY)
    with acting_before(place, "purge/lock_listed", key.begin) as session:
        assert purges.purge(never, session, batch_size=OLD).rows == OLD
    refuse_key(place, key)


def refuse_key(place: Place, key: Beside) -> None:
    """Whoever wanted the key waited, and learns that the rows are gone; no reply was lost by it."""
    assert key.waited
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        key.end()
    assert place.sql("SELECT count(*) FROM public.replies") == [(OLD,)]


def test_a_trigger_that_comes_between_two_batches_fires_for_the_next(place: Place) -> None:
    purges = plain(place)
    added = [False]

    def ask() -> str | None:
        if len(purges.counts()) == 1 and not added[0]:
            added[0] = True
            add_trigger(place, "BEFORE DELETE", "IF OLD.id % 4 = 0 THEN RETURN NULL; END IF;")
        return None

    assert purges.purge(ask).rows == OLD - 7
    assert ids(purges) == [16, 20, 24, 28, 32, 36, 40]


def test_a_table_that_takes_the_name_between_two_batches_is_looked_at_anew(purges: Purges) -> None:
    place = purges.place
    exchanged = [False]

    def ask() -> str | None:
        if len(purges.counts()) == 1 and not exchanged[0]:
            exchanged[0] = True
            place.sql(
                "ALTER TABLE public.notes RENAME TO before; CREATE VIEW public.notes AS SELECT * FROM public.before"
            )
        return None

    with pytest.raises(TableRefused, match=r"public\.notes in database .* is a view"):
        purges.purge(ask)
    assert place.sql("SELECT count(*) FROM public.before") == [(ROWS - 6,)]


def test_a_part_that_is_attached_with_a_foreign_key_in_the_middle_of_a_batch_loses_no_child(place: Place) -> None:
    purges = without_index(place)
    place.sql(
        "CREATE TABLE public.more (LIKE public.notes INCLUDING INDEXES);"
        "INSERT INTO public.more SELECT id + 100, at, note FROM public.notes;"
        "CREATE TABLE public.replies (note int REFERENCES public.more ON DELETE CASCADE);"
        "INSERT INTO public.replies SELECT id FROM public.more"
    )
    attach = "ALTER TABLE public.more INHERIT public.notes"
    with (
        acting_before(place, "purge/delete_listed", lambda: place.sql(attach)) as session,
        pytest.raises(TableRefused, match=r"public\.replies \(ON DELETE CASCADE\)"),
    ):
        purges.purge(never, session)
    assert place.sql("SELECT count(*) FROM public.replies") == [(ROWS,)]
    assert purges.counts() == []


def test_a_rewrite_of_the_table_waits_for_the_purge_and_the_purge_for_a_rewrite(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    purges = plain(place)
    name = rewrite_lock(purges.order())
    with place.session() as rewriting:

        def ask() -> str | None:
            if purges.counts():
                with rewriting.try_advisory_lock(name) as taken:
                    assert not taken
            return None

        purges.purge(ask)
        with rewriting.try_advisory_lock(name) as taken:
            assert taken
            monkeypatch.setattr(session_module, "LOCK_WAIT_SECONDS", 0.2)
            with pytest.raises(Busy, match=r"table public\.notes has been locked by another run"):
                purges.purge()


def test_a_table_that_somebody_has_locked_keeps_its_rows(place: Place) -> None:
    purges = plain(place)
    purges.migrate()
    with place.connect() as user, place.session() as session, session.timeouts(lock=BRIEF):
        user.execute("LOCK TABLE public.notes IN SHARE MODE")
        with pytest.raises(LockWait):
            purges.purge(never, session)
    assert purges.rows() == ROWS


def test_a_session_that_ends_has_lost_only_its_batch(purges: Purges) -> None:
    place = purges.place
    statement = "purge/delete_oldest" if purges.is_indexed() else "purge/delete_listed"

    def cut() -> str | None:
        if len(purges.counts()) == 1:
            session.moment = statement
        return None

    with acting_before(place, "", lambda: place.sql(END_SESSION)) as session, pytest.raises(DatabaseInterrupted):
        purges.purge(cut, session)
    assert (purges.counts(), purges.rows()) == ([6], ROWS - 6)
    assert purges.purge().rows == OLD - 6


def test_where_the_kind_of_its_time_changes_nothing_more_goes_in_that_run(purges: Purges) -> None:
    """As the run knows it, the cutoff would be another moment."""
    changed = [False]

    def ask() -> str | None:
        if len(purges.counts()) == 1 and not changed[0]:
            changed[0] = True
            purges.place.sql("ALTER TABLE public.notes ALTER at TYPE timestamp")
        return None

    result = purges.purge(ask)
    assert (result.rows, result.left) == (6, "column 'at' has another type now; the rest is for the next run")
    assert purges.purge().rows == OLD - 6
