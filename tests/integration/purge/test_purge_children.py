"""Rows to which others point stay until these are gone, whatever the foreign key does on delete."""

from __future__ import annotations

import psycopg
import pytest

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import DatabaseInterrupted, TableRefused, Unfinished
from tests.support.concurrency import Beside, in_background, until
from tests.support.hooks import acting_before
from tests.support.place import Place
from tests.support.purges import END_SESSION, OLD, ROWS, Purges, never, plain

ACTIONS = ["CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION", "RESTRICT"]
CHILDREN = (TableName("public", "replies"),)
REPLY = "INSERT INTO public.replies (note) VALUES (%s)"


def family(place: Place, action: str = "CASCADE", *notes: int) -> Purges:
    """The table, and replies that point to these of its rows."""
    purges = plain(place)
    place.sql(
        f"CREATE TABLE public.replies (note int REFERENCES public.notes ON DELETE {action}, at date DEFAULT now());"
        "CREATE INDEX ON public.replies (note)"
    )
    for note in notes:
        place.sql(REPLY, note)
    return purges


def ids(place: Place) -> list[int]:
    return [row[0] for row in place.sql("SELECT id FROM public.notes WHERE id % 2 = 0 ORDER BY id")]


def replies(place: Place) -> list[int | None]:
    return [row[0] for row in place.sql("SELECT note FROM public.replies ORDER BY note")]


@pytest.mark.parametrize("action", ACTIONS)
def test_rows_to_which_a_child_points_stay_until_it_is_gone(place: Place, action: str) -> None:
    purges = family(place, action, 2, 20)
    assert purges.rehearse(children=CHILDREN).startswith("18 rows would be deleted")
    result = purges.purge(children=CHILDREN)
    assert result.rows == OLD - 2
    assert "2 of the 2 oldest rows due wait: rows of public.replies point to them" in result.told
    assert (ids(place), replies(place)) == ([2, 20], [2, 20])
    place.sql("DELETE FROM public.replies WHERE note = 2")
    assert purges.purge(children=CHILDREN).rows == 1
    assert (ids(place), replies(place)) == ([20], [20])


def test_without_children_listed_one_that_holds_a_row_back_stops_the_batch_and_is_named(place: Place) -> None:
    purges = family(place, "NO ACTION", 20)
    with pytest.raises(TableRefused, match=r"Fix: list public\.replies under 'children' of public\.notes"):
        purges.purge()
    assert sum(purges.counts()) == ROWS - purges.rows() == 6
    assert replies(place) == [20]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_child_that_commits_between_the_choice_and_the_lock_keeps_its_parent(place: Place, action: str) -> None:
    purges = family(place, action)
    with acting_before(place, "purge/lock_listed", lambda: place.sql(REPLY, 4)) as session:
        assert purges.purge(never, session, children=CHILDREN).rows == OLD - 1
    assert (ids(place), replies(place)) == ([4], [4])


@pytest.mark.parametrize("action", ACTIONS)
def test_a_child_that_is_being_put_under_a_row_keeps_it_whether_it_commits_or_not(place: Place, action: str) -> None:
    purges = family(place, action)
    with place.connect() as user:
        user.execute(REPLY, (4,))
        assert purges.purge(children=CHILDREN).rows == OLD - 1
        user.commit()
    assert (ids(place), replies(place)) == ([4], [4])


def test_a_child_that_comes_after_the_lock_waits_and_is_refused_to_its_user(place: Place) -> None:
    purges = family(place)
    late = Beside(place, REPLY.replace("%s", "4"))
    with acting_before(place, "purge/delete_listed", late.begin) as session:
        assert purges.purge(never, session, children=CHILDREN).rows == OLD
    assert late.waited
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        late.end()
    assert (ids(place), replies(place)) == ([], [])


def test_a_child_that_moves_to_another_parent_keeps_that_one(place: Place) -> None:
    purges = family(place, "CASCADE", 4)
    move = "UPDATE public.replies SET note = 6"
    with acting_before(place, "purge/lock_listed", lambda: place.sql(move)) as session:
        purges.purge(never, session, children=CHILDREN)
    assert replies(place) == [6]
    assert 6 in ids(place)


def test_a_chain_within_the_table_goes_level_by_level_and_one_without_end_is_told(place: Place) -> None:
    made = (
        "CREATE TABLE public.notes (id int PRIMARY KEY, at date, before int REFERENCES public.notes ON DELETE CASCADE);"
        "CREATE INDEX ON public.notes (at); CREATE INDEX ON public.notes (before);"
        "INSERT INTO public.notes VALUES (1, '2024-01-01', NULL), (2, '2024-01-02', 1), (3, '2024-01-03', 2)"
    )
    purges = Purges.of(place, made=made)
    children = (TableName("public", "notes"),)
    # Its second look finds the next level.
    purges.purge(children=children, batch_size=1)
    purges.purge(children=children)
    purges.purge(children=children)
    assert purges.rows() == 0
    place.sql(
        "INSERT INTO public.notes VALUES (1, '2024-01-01', NULL), (2, '2024-01-02', 1);"
        "UPDATE public.notes SET before = 2 WHERE id = 1"
    )
    for work in (purges.purge, purges.rehearse):
        with pytest.raises(Unfinished, match="may never leave"):
            work(children=children)
    assert purges.rows() == 2


def test_the_children_themselves_go_by_their_own_job_first(place: Place) -> None:
    purges = family(place, "CASCADE", 2, 4)
    place.sql("UPDATE public.replies SET at = '2024-01-01' WHERE note = 2")
    with in_background(lambda: Purges(place, CHILDREN[0]).purge()) as purging:
        until(purging.done)
    assert replies(place) == [4]
    assert purges.purge(children=CHILDREN).rows == OLD - 1
    assert ids(place) == [4]


def test_children_without_an_index_are_read_once_for_a_list(place: Place) -> None:
    purges = family(place, "NO ACTION")
    place.sql("DROP INDEX public.replies_note_idx")
    place.sql("INSERT INTO public.replies SELECT NULL FROM generate_series(1, 2000)")
    place.sql("ANALYZE public.notes, public.replies")
    scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'replies'"
    place.sql("SELECT pg_stat_force_next_flush()")
    ((before,),) = place.sql(scans)
    assert purges.rehearse(children=CHILDREN).startswith("20 rows would be deleted")
    with (
        acting_before(place, "purge/lock_listed", lambda: place.sql(END_SESSION)) as session,
        pytest.raises(DatabaseInterrupted),
    ):
        purges.purge(never, session, children=CHILDREN)
    place.sql("SELECT pg_stat_force_next_flush()")
    assert place.sql(scans)[0][0] - before < OLD
