"""Delete triggers that remove rows of the table by themselves: nothing that they took is lost to a restore."""

from __future__ import annotations

import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.errors import TriggerRefused
from tests.support.partitions import checked, day, name_of, partitioned
from tests.support.place import Place, hours_ago
from tests.support.restores import restored

pytestmark = pytest.mark.more

# A row that deletes itself and is kept, one that takes the next one along, and those that do so when they are gone.
MEDDLING = {
    "itself": ("BEFORE DELETE", "DELETE FROM public.notes WHERE id = OLD.id; RETURN NULL;"),
    "itself by place": ("BEFORE DELETE", "DELETE FROM public.notes WHERE ctid = OLD.ctid; RETURN NULL;"),
    "another one": ("BEFORE DELETE", "DELETE FROM public.notes WHERE id = OLD.id + 49; RETURN OLD;"),
    "one of a later batch": ("AFTER DELETE", "DELETE FROM public.notes WHERE id = OLD.id + 15; RETURN NULL;"),
    "one that is young": (
        "AFTER DELETE",
        "DELETE FROM public.notes WHERE at > now() - interval '1 hour'; RETURN NULL;",
    ),
}


def table(place: Place, key: str = "PRIMARY KEY", rows: int = 20) -> Place:
    place.sql(
        f"""
        CREATE TABLE public.notes (id int {key}, at timestamp NOT NULL, gone boolean NOT NULL DEFAULT false);
        CREATE INDEX ON public.notes (at);
        INSERT INTO public.notes SELECT n, '{hours_ago(60)}'::timestamp + n * interval '1 minute'
            FROM generate_series(1, {rows}) AS n;
        INSERT INTO public.notes VALUES (50, now())
        """
    )
    return place.on("public.notes", "at")


def trigger(place: Place, when: str, body: str, name: str = "meddling", on: str = "public.notes") -> None:
    place.sql(
        f"""
        CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF pg_trigger_depth() = 1 THEN {body} END IF; RETURN coalesce(NEW, OLD); END $$;
        CREATE TRIGGER {name} {when} ON {on} FOR EACH ROW EXECUTE FUNCTION public.{name}()
        """
    )


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "no key"])
@pytest.mark.parametrize("meddling", MEDDLING)
def test_a_batch_in_which_a_trigger_deletes_rows_is_rolled_back_and_the_trigger_named(
    place: Place, meddling: str, key: str
) -> None:
    place = table(place, key)
    before = place.live()
    when, body = MEDDLING[meddling]
    trigger(place, when, body)
    with pytest.raises(TriggerRefused, match=r"rows of public\.notes were deleted besides .*\(meddling\)"):
        place.archive()
    assert place.live() == before
    assert place.ledger() == [("stored", 20, 0)]
    place.sql("DROP TRIGGER meddling ON public.notes")
    assert place.ordered(run_id="run 2").archive() == [Deleted(20, 0)]
    assert restored(place).restored == 20


def test_a_trigger_that_deletes_the_next_row_of_the_batch_is_named(place: Place) -> None:
    place = table(place)
    before = place.live()
    trigger(place, "BEFORE DELETE", "DELETE FROM public.notes WHERE id = OLD.id + 1; RETURN OLD;")
    with pytest.raises(TriggerRefused, match=r"already modified by an operation .*\(meddling\)"):
        place.archive()
    assert place.live() == before


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "no key"])
@pytest.mark.parametrize(
    "body", ["RETURN NULL;", "UPDATE public.notes SET gone = true WHERE id = OLD.id; RETURN NULL;"]
)
def test_a_trigger_that_keeps_the_row_is_counted_and_every_row_is_there_after_a_restore(
    place: Place, body: str, key: str
) -> None:
    place = table(place, key)
    trigger(place, "BEFORE DELETE", f"IF OLD.id % 2 = 0 THEN {body} RETURN NULL; END IF;")
    assert place.archive() == [Deleted(10, 10)]
    assert restored(place).restored == 10
    assert place.sql("SELECT count(*), count(DISTINCT id) FROM public.notes") == [(21, 21)]


def test_a_trigger_that_writes_to_other_tables_hinders_nobody(place: Place) -> None:
    place = table(place)
    place.sql("CREATE TABLE public.others AS SELECT n FROM generate_series(1, 50) AS n")
    trigger(place, "BEFORE DELETE", "DELETE FROM public.others WHERE n = OLD.id;")
    assert place.archive() == [Deleted(20, 0)]


def test_where_the_server_counts_nothing_a_table_with_triggers_is_refused_and_another_is_not(place: Place) -> None:
    place = table(place)
    place.sql(f"ALTER DATABASE {place.database} SET track_counts = off")
    trigger(place, "BEFORE DELETE", "")
    with pytest.raises(TriggerRefused, match="track_counts is off"):
        place.archive()
    place.sql("DROP TRIGGER meddling ON public.notes")
    assert place.ordered(run_id="run 2").archive() == [Deleted(20, 0)]


def test_a_trigger_of_a_partition_alone_is_named_and_stopped(place: Place) -> None:
    partitioned(place, 5, 4)
    events = name_of(5)
    trigger(place, "BEFORE DELETE", f"DELETE FROM {events} WHERE id = OLD.id; RETURN NULL;", on=events)
    (note, *_) = place.plan().notes
    assert note == f"delete triggers fire: meddling of {events}"
    batches = checked(place)
    with pytest.raises(TriggerRefused, match=rf"\(meddling of {events}\)"):
        place.delete(batches[0].windows[0])
    assert place.sql(f"SELECT count(*) FROM {events}") == [(8,)]


def test_triggers_are_named_once_and_those_that_do_not_fire_are_not(place: Place) -> None:
    partitioned(place, 6, 5, 4)
    trigger(place, "AFTER DELETE", "", name="everywhere", on="analytics.events")
    for number in (6, 5):
        trigger(place, "AFTER DELETE", "", name=f"part_{number}", on=name_of(number))
        place.sql(
            f"CREATE TRIGGER twice AFTER DELETE ON {name_of(number)} FOR EACH ROW EXECUTE FUNCTION public.part_6();"
            f"CREATE TRIGGER silent AFTER DELETE ON {name_of(number)} EXECUTE FUNCTION public.part_6();"
            f"CREATE TRIGGER off AFTER DELETE ON {name_of(number)} FOR EACH ROW EXECUTE FUNCTION public.part_6();"
            f"ALTER TABLE {name_of(number)} DISABLE TRIGGER off;"
            f"CREATE TRIGGER replica AFTER DELETE ON {name_of(number)} FOR EACH ROW EXECUTE FUNCTION public.part_6();"
            f"ALTER TABLE {name_of(number)} ENABLE REPLICA TRIGGER replica"
            if number == 6
            else f"CREATE TRIGGER twice AFTER DELETE ON {name_of(number)} FOR EACH ROW EXECUTE FUNCTION public.part_6()"
        )
    (note,) = [note for note in place.plan().notes if "triggers" in note and "partition " not in note]
    assert note == (
        f"delete triggers fire: everywhere, part_5 of {name_of(5)}, part_6 of {name_of(6)}, "
        f"twice of {name_of(6)} and 1 more"
    )


def test_a_trigger_for_replicas_alone_keeps_no_partition(place: Place) -> None:
    partitioned(place, 5)
    trigger(place, "AFTER DELETE", "", on=name_of(5))
    assert not place.plan().partitions
    place.sql(f"ALTER TABLE {name_of(5)} ENABLE REPLICA TRIGGER meddling")
    assert len(place.plan().partitions) == 1


def test_partitions_are_seen_where_backslashes_escape(place: Place) -> None:
    partitioned(place, 5)
    place.sql(f"ALTER DATABASE {place.database} SET standard_conforming_strings = off")
    (one,) = place.plan().partitions
    assert one.span.start == day(5)
