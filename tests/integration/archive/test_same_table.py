"""Rows leave only the table that was exported: what became another one since, or became one in between, keeps them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.errors import DatabaseInterrupted, TableRefused
from pg_archiver.ledger.window_generation import State
from tests.integration.archive.test_identities import ROWS, filled
from tests.support.hooks import acting_before, hooked
from tests.support.partitions import ROWS as ROWS_A_DAY
from tests.support.partitions import checked, day, name_of, partitioned, partitions, removed
from tests.support.place import Place, hours_ago
from tests.support.refusals import refused

CHANGES = {
    "a column of the same name and type": "DROP COLUMN name, ADD COLUMN name text DEFAULT 'new'",
    "a column of the same name and another type": "DROP COLUMN name, ADD COLUMN name int DEFAULT 7",
}
SWAP = (
    "ALTER TABLE public.things RENAME name TO x; ALTER TABLE public.things RENAME more TO name;"
    "ALTER TABLE public.things RENAME x TO more"
)


def older(place: Place) -> None:
    """Makes the ledger's manifests those of the version before."""
    place.sql("SET archiver.ledger_version = '3'")
    place.sql(
        "UPDATE archiver.windows SET manifest = (manifest - 'members') || jsonb_build_object("
        " 'format', 1, 'file_nodes', '{}'::jsonb, 'columns',"
        " (SELECT jsonb_agg(one - 'number') FROM jsonb_array_elements(manifest -> 'columns') AS one))"
    )


@pytest.mark.parametrize("shape", ["primary key", "no key", "partitions", "inherited"])
@pytest.mark.parametrize("change", [*CHANGES, "two columns that swap their names"])
def test_a_column_that_is_another_one_of_the_same_name_keeps_its_rows(place: Place, shape: str, change: str) -> None:
    place = filled(place, shape)
    if shape == "inherited":
        place.sql("DROP RULE elsewhere ON public.things")
    place.sql("ALTER TABLE public.things ADD COLUMN more text DEFAULT 'more'")
    window = place.stored_window()
    place.sql(f"ALTER TABLE public.things {CHANGES[change]}" if change in CHANGES else SWAP)
    before = place.live()
    assert place.delete(window) == Deleted(0, ROWS)
    assert place.live() == before
    assert place.ledger("state, note") == [
        (State.VOID, "the table was rewritten, or its columns changed, since the export")
    ]
    rows = place.csv_of_table()
    assert place.archive() == [Deleted(ROWS, 0)]
    last = place.manifests()[-1]
    assert {row.decode() for row in place.content(last).splitlines()[1:]} <= {",".join(row) for row in rows}


@pytest.mark.parametrize("change", CHANGES)
def test_a_partition_whose_column_is_another_one_of_the_same_name_is_not_dropped(place: Place, change: str) -> None:
    partitioned(place, 5)
    batches = checked(place)
    place.sql(f"ALTER TABLE analytics.events {CHANGES[change]}")
    assert [removed(place, batch) for batch in batches] == [None]
    assert partitions(place) == {name_of(5)}
    assert len(place.live()) == ROWS_A_DAY


def test_an_heir_that_gets_a_column_between_two_looks_keeps_its_values(place: Place) -> None:
    place = filled(place, "inherited")
    window = place.stored_window()

    def adding() -> bool:
        place.sql("ALTER TABLE public.more_things ADD COLUMN IF NOT EXISTS extra int DEFAULT 5")
        return False

    assert place.delete(window, adding) == Deleted(0, ROWS)
    assert place.sql("SELECT DISTINCT extra FROM public.more_things") == [(5,)]


def listed(place: Place) -> None:
    """A table without a key and with a partition that holds five rows of one transaction."""
    place.sql(
        "CREATE TABLE public.things (number int, at timestamp NOT NULL, name text) PARTITION BY LIST (name);"
        "CREATE TABLE public.part PARTITION OF public.things FOR VALUES IN ('a')"
    )
    place.sql("INSERT INTO public.things SELECT n, %s, 'a' FROM generate_series(1, 5) AS n", hours_ago(60))


def test_a_partition_that_is_rewritten_and_attached_between_the_look_and_the_delete_keeps_its_rows(
    place: Place,
) -> None:
    listed(place)
    place = place.on("public.things", "at")
    window = place.stored_window()
    place.sql("ALTER TABLE public.things DETACH PARTITION public.part")

    def back() -> None:
        place.sql("DELETE FROM public.part WHERE number = 1")
        place.sql("VACUUM FULL public.part")
        place.sql("ALTER TABLE public.things ATTACH PARTITION public.part FOR VALUES IN ('a')")

    with acting_before(place, "archive/delete/batch", back) as database:
        assert delete(database, place.store, place.order, window, lambda: False) == Deleted(0, 5)
    assert place.sql("SELECT number FROM public.things ORDER BY 1") == [(2,), (3,), (4,), (5,)]
    assert place.ledger("state") == [(State.VOID,)]
    assert place.archive() == [Deleted(4, 0)]


def test_a_partition_attached_between_the_look_and_the_copy_voids_the_export_and_is_in_the_next(place: Place) -> None:
    listed(place)
    place.sql("ALTER TABLE public.things DETACH PARTITION public.part")
    place.sql("CREATE TABLE public.other PARTITION OF public.things FOR VALUES IN ('b')")
    place.sql("INSERT INTO public.things VALUES (9, %s, 'b')", hours_ago(60))
    place = place.on("public.things", "at")
    window = place.window()
    attached: list[str] = []

    def attaching(key: str) -> None:
        if not attached:
            attached.append(key)
            place.sql("ALTER TABLE public.things ATTACH PARTITION public.part FOR VALUES IN ('a')")

    place.export(window, hooked(place, attaching))
    assert place.ledger("generation, state") == [(1, State.VOID), (2, State.EXPORTED)]
    place.check(window)
    (manifest,) = place.manifests()
    assert {member.table for member in (manifest.members or {}).values()} == {"part", "other"}
    assert place.delete(window) == Deleted(6, 0)


def test_an_export_during_which_parts_come_all_the_while_gives_up_after_some_tries(place: Place) -> None:
    place = filled(place, "inherited")
    window = place.window()
    made: list[str] = []

    def making(key: str) -> None:
        made.append(key)
        place.sql(f"CREATE TABLE public.heir_{len(made)} () INHERITS (public.things)")

    with pytest.raises(DatabaseInterrupted, match="came, went or was rewritten while its rows were read"):
        place.export(window, hooked(place, making))
    assert {state for (state,) in place.ledger("state")} == {State.VOID}
    assert place.archive() == [Deleted(ROWS, 0)]


def test_only_parts_that_may_hold_rows_of_the_window_are_written_down(place: Place) -> None:
    place.sql(
        "CREATE TABLE public.things (number int, at timestamptz NOT NULL) PARTITION BY RANGE (at);"
        f"CREATE TABLE public.due PARTITION OF public.things FOR VALUES FROM ('{day(5)}+00') TO ('{day(4)}+00')"
        " PARTITION BY HASH (number);"
        "CREATE TABLE public.due_0 PARTITION OF public.due FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE public.due_1 PARTITION OF public.due FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        f"CREATE TABLE public.after PARTITION OF public.things FOR VALUES FROM ('{day(4)}+00') TO ('{day(3)}+00');"
        f"CREATE TABLE public.before PARTITION OF public.things FOR VALUES FROM ('{day(6)}+00') TO ('{day(5)}+00');"
        f"CREATE TABLE public.open PARTITION OF public.things FOR VALUES FROM (MINVALUE) TO ('{day(6)}+00');"
        "CREATE TABLE public.rest PARTITION OF public.things DEFAULT"
    )
    place.sql("INSERT INTO public.things VALUES (1, %s::timestamp AT TIME ZONE 'UTC')", day(5))
    place = place.on("public.things", "at")
    place.stored_window()
    (manifest,) = place.manifests()
    found = {member.table for member in (manifest.members or {}).values()}
    # What has no bounds to read may hold anything.
    assert found == {"due_0", "due_1", "open", "rest"}


def test_what_an_older_version_exported_stays_and_is_exported_again(place: Place) -> None:
    place = filled(place, "primary key")
    window = place.stored_window()
    older(place)
    assert place.delete(window) == Deleted(0, ROWS)
    assert place.ledger("state, note") == [
        (State.VOID, "it was exported by an older version, whose manifest does not tell columns by number")
    ]
    assert len(place.live()) == ROWS + 1
    assert place.archive() == [Deleted(ROWS, 0)]


def test_a_partition_that_an_older_version_exported_is_not_dropped(place: Place) -> None:
    partitioned(place, 5)
    batches = checked(place)
    older(place)
    assert [removed(place, batch) for batch in batches] == [None]
    assert partitions(place) == {name_of(5)}
    assert len(place.live()) == ROWS_A_DAY


@pytest.mark.first_run
def test_a_table_that_is_not_kept_as_a_heap_is_refused(place: Place) -> None:
    place.sql("CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler")
    place.sql("CREATE TABLE public.things (number int, at timestamp) PARTITION BY HASH (number)")
    place.sql("CREATE TABLE public.p PARTITION OF public.things FOR VALUES WITH (MODULUS 1, REMAINDER 0) USING other")
    place.sql("INSERT INTO public.things VALUES (1, %s)", hours_ago(60))
    place = place.on("public.things", "at")
    refused(place, TableRefused, "another table access method than heap", "public.p (other)", "SET ACCESS METHOD heap")


def test_a_trigger_that_changes_the_sessions_time_zone_keeps_no_row(place: Place) -> None:
    place.sql("CREATE TABLE public.things (number int PRIMARY KEY, at timestamptz)")
    place.sql(
        "INSERT INTO public.things SELECT n, (%s::timestamp + n * interval '1 min') AT TIME ZONE 'UTC'"
        " FROM generate_series(1, 12) AS n",
        hours_ago(60),
    )
    place.sql(
        "CREATE FUNCTION public.zone() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM set_config('TimeZone', 'Asia/Tokyo', false); RETURN OLD; END $$;"
        "CREATE TRIGGER zone BEFORE DELETE ON public.things FOR EACH ROW EXECUTE FUNCTION public.zone()"
    )
    assert place.on("public.things", "at").archive() == [Deleted(12, 0)]


def test_a_label_in_the_key_that_was_renamed_since_means_another_export(place: Place) -> None:
    place.sql("CREATE TYPE public.colour AS ENUM ('red', 'blue')")
    place.sql("CREATE TABLE public.things (colour public.colour PRIMARY KEY, at timestamp)")
    place.sql("INSERT INTO public.things VALUES ('red', %s)", hours_ago(60))
    place = place.on("public.things", "at")
    window = place.stored_window()
    place.sql("ALTER TYPE public.colour RENAME VALUE 'red' TO 'crimson'")
    assert place.delete(window) == Deleted(0, 1)
    assert place.ledger("state") == [(State.VOID,)]
    assert place.archive() == [Deleted(1, 0)]


def in_bucket(place: Place, name: str) -> Place:
    place.s3.create_bucket(name)
    return replace(place, bucket=name, order=replace(place.order, bucket=name))


@pytest.mark.parametrize("reached", ["exported", "checked", "half deleted"])
def test_a_window_in_the_bucket_of_a_former_policy_is_given_up_and_goes_to_the_new_one(
    place: Place, reached: str
) -> None:
    place = filled(place, "primary key")
    before = place.csv_of_table()
    window = place.window()
    place.export(window)
    if reached != "exported":
        place.check(window)
    if reached == "half deleted":
        answers = iter([False, True])
        with pytest.raises(Exception, match="stopped after 10"):
            place.delete(window, lambda: next(answers))
    new = in_bucket(place, f"{place.bucket}new")
    left = ROWS - 10 if reached == "half deleted" else ROWS
    assert new.archive() == [Deleted(left, 0)]
    assert (
        State.VOID if left == ROWS else State.DELETED,
        "it was written to another bucket than the policy names now",
    ) in (place.ledger("state, note"))
    assert [key for key in list(place.keys()) if ".kept." in key], "the note is beside the object that it speaks of"
    assert not [key for key in list(new.keys()) if ".kept." in key]
    archived = new.archived() + place.archived() if reached == "half deleted" else new.archived()
    assert set(archived + new.csv_of_table()) == set(before)


@pytest.mark.parametrize("step", ["store", "delete"])
def test_each_later_step_gives_it_up_too(place: Place, step: str) -> None:
    place = filled(place, "primary key")
    window = place.window()
    place.export(window)
    if step == "delete":
        place.check(window)
    new = in_bucket(place, f"{place.bucket}new")
    if step == "store":
        assert new.check(window) == 0
    assert new.delete(window) == Deleted(0, ROWS if step == "delete" else 0)
    assert len(place.live()) == ROWS + 1
    assert place.ledger("state") == [(State.VOID,)]


def test_an_old_bucket_that_cannot_be_written_to_hinders_nothing(place: Place) -> None:
    place = filled(place, "primary key")
    window = place.stored_window()
    answers = iter([False, True])
    with pytest.raises(Exception, match="stopped after 10"):
        place.delete(window, lambda: next(answers))
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET bucket = 'no-such-bucket'")
    assert place.delete(window) == Deleted(10, ROWS - 10)
    assert place.ledger("state") == [(State.DELETED,)]


def test_a_prefix_changed_since_goes_on_with_the_key_that_the_ledger_knows(place: Place) -> None:
    place = filled(place, "primary key")
    window = place.stored_window()
    keys = place.keys()
    assert place.ordered(prefix="other").delete(window) == Deleted(ROWS, 0)
    assert Counter(place.keys()) == Counter(keys)
