"""A row that cannot come in keeps no other one out, and is told by its number."""

from __future__ import annotations

import pytest

from pg_archiver.errors import SettingError, Unfinished
from pg_archiver.restore.result import Restored
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, events, remembered, restored

pytestmark = pytest.mark.more


def refusal(result: Restored) -> str:
    with pytest.raises(Unfinished) as caught:
        result.refuse_failures()
    return str(caught.value)


def slots(place: Place, constraint: str = "UNIQUE (slot)") -> Place:
    """Three rows that used one slot, one after the other; all of them have left."""
    place.sql(f"CREATE TABLE public.slots (id int PRIMARY KEY, at timestamp, slot int, {constraint})")
    place = place.on("public.slots", "at")
    place.sql("CREATE TABLE public.before (LIKE public.slots)")
    for number in range(3):
        place.sql("INSERT INTO public.slots VALUES (%s, %s, 1)", number, hours_ago(60 - number / 60))
        place.sql("INSERT INTO public.before SELECT * FROM public.slots")
        place.archive()
    return place


UNIQUES = ["UNIQUE (slot)", "UNIQUE (slot) DEFERRABLE INITIALLY DEFERRED", "EXCLUDE (slot WITH =) DEFERRABLE"]


@pytest.mark.parametrize("constraint", UNIQUES)
@pytest.mark.parametrize("on_conflict", ["skip", "newest", "fail"])
def test_a_row_that_meets_another_in_another_unique_column_is_named(
    place: Place, constraint: str, on_conflict: str
) -> None:
    place = slots(place, constraint)
    result = restored(place, on_conflict=on_conflict)
    assert (result.restored, result.skipped, result.refused) == (1, 0, 2)
    assert "2 row(s) were not restored, everything else was: " in refusal(result)
    assert "slots_slot_" in refusal(result)
    assert place.sql("SELECT id FROM public.slots") == [(2,)]


@pytest.mark.parametrize("constraint", UNIQUES)
def test_a_new_table_takes_rows_that_used_a_unique_value_one_after_the_other(place: Place, constraint: str) -> None:
    place = slots(place, constraint)
    result = restored(place, into="public.copy")
    assert (result.restored, result.refused, result.failures) == (3, 0, [])
    assert differences(place, "public.copy") == []
    what = constraint.split(maxsplit=1)[0]
    assert [line for line in result.lacks if line.startswith(f"ALTER TABLE public.copy ADD {what} ")]


def test_what_a_new_table_lacks_is_given_as_statements_that_run(place: Place) -> None:
    place.sql(
        'CREATE TABLE public."odd USING name" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,'
        " at timestamp NOT NULL DEFAULT now(), n int CHECK (n > 0), word text DEFAULT 'a''b', UNIQUE (n, word));"
        'CREATE INDEX "by USING at" ON public."odd USING name" (at DESC) WHERE n > 1;'
        'CREATE UNIQUE INDEX ON public."odd USING name" (lower(word))'
    )
    place = place.on('public."odd USING name"', "at")
    place.sql("""INSERT INTO public."odd USING name" (at, n) VALUES (%s, 1)""", hours_ago(60))
    remembered(place)
    place.archive()
    result = restored(place, into="public.copy")
    assert differences(place, "public.copy") == []
    for statement in result.lacks:
        place.sql(statement)
    definition = (
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype <> 'p' AND contype <> 'n' ORDER BY 1"
    )
    assert place.sql(definition, "public.copy") == place.sql(definition, 'public."odd USING name"')
    indexes = "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass"
    assert place.sql(indexes, "public.copy") == place.sql(indexes, 'public."odd USING name"')
    columns = (
        "SELECT attname, attnotnull, attidentity, pg_get_expr(adbin, adrelid) FROM pg_attribute"
        " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = %s::regclass AND attnum > 0"
    )
    assert place.sql(columns, "public.copy") == place.sql(columns, 'public."odd USING name"')


@pytest.mark.parametrize(
    "since",
    [
        "ALTER TABLE analytics.events ADD CHECK (id <> 3) NOT VALID",
        "ALTER TABLE analytics.events ADD COLUMN note text NOT NULL DEFAULT 'x', ADD CHECK (note = 'x' AND id <> 3)",
        "CREATE UNIQUE INDEX ON analytics.events ((abs(id))) WHERE abs(id) = 3",
        "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.id = 3 THEN RAISE 'not %', NEW.name; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER no BEFORE INSERT ON analytics.events FOR EACH ROW EXECUTE FUNCTION public.no()",
    ],
    ids=["check", "check of a new column", "partial index", "trigger"],
)
def test_a_constraint_that_came_later_refuses_its_own_rows_only(place: Place, since: str) -> None:
    events(place)
    place.archive()
    place.sql(since)
    if "UNIQUE" in since:
        place.sql("INSERT INTO analytics.events OVERRIDING SYSTEM VALUE VALUES (-3, now(), NULL, NULL)")
    result = restored(place)
    assert (result.restored, result.refused) == (24, 1)
    assert "row 3: " in refusal(result)
    assert "event at" not in refusal(result)
    assert place.sql("SELECT count(*) FROM analytics.events WHERE id > 0 AND id <> 3") == [(24,)]
    assert restored(place, into="public.copy").restored == 25
    assert differences(place, "public.copy") == []


def test_a_not_null_column_or_a_narrower_one_that_came_later_does_not_keep_a_new_table_from_its_rows(
    place: Place,
) -> None:
    events(place)
    place.archive()
    place.sql("ALTER TABLE analytics.events ADD COLUMN must text NOT NULL, ALTER name TYPE varchar(3)")
    assert restored(place, into="public.copy").restored == 25
    assert differences(place, "public.copy") == []


def test_a_key_made_narrower_since_does_not_take_rows_of_a_new_table_for_versions(place: Place) -> None:
    place.sql("CREATE TABLE public.notes (id int, part int, at timestamp, PRIMARY KEY (id, part))")
    place = place.on("public.notes", "at")
    place.sql("INSERT INTO public.notes VALUES (1, 1, %s), (1, 2, %s)", hours_ago(60), hours_ago(60))
    remembered(place)
    place.archive()
    place.sql("ALTER TABLE public.notes DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY (id)")
    assert restored(place, into="public.copy").restored == 2
    assert differences(place, "public.copy") == []


GONE = [
    ("regrole", "CREATE ROLE gone_{0}", "'gone_{0}'", "DROP ROLE gone_{0}"),
    ("regclass", "CREATE TABLE public.gone ()", "'public.gone'", "DROP TABLE public.gone"),
    ("regtype", "CREATE TYPE public.gone AS ENUM ()", "'public.gone'", "DROP TYPE public.gone"),
    ("regprocedure", "CREATE FUNCTION public.gone() RETURNS int LANGUAGE sql AS 'SELECT 1'", "'public.gone()'",
     "DROP FUNCTION public.gone()"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "make", "value", "drop"), GONE, ids=[each[0] for each in GONE])
def test_a_value_that_names_what_is_gone_keeps_no_other_row_out(
    place: Place, kind: str, make: str, value: str, drop: str
) -> None:
    name = place.database
    place.sql(f"CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, thing {kind}, words text)")
    place = place.on("public.things", "at")
    place.sql(make.format(name))
    place.sql(
        "INSERT INTO public.things SELECT n, %s, NULL, E'a \"word\"\n' FROM generate_series(1, 500) n", hours_ago(60)
    )
    place.sql(f"UPDATE public.things SET thing = {value.format(name)}::{kind} WHERE id = 300")
    place.sql("CREATE TABLE public.before AS SELECT id, at, thing::text, words FROM public.things")
    place.sql("UPDATE public.before SET thing = %s WHERE id = 300", value.format(name).strip("'"))
    place.archive()
    place.sql(drop.format(name))
    result = restored(place)
    assert (result.restored, result.refused) == (499, 1)
    assert "a value names what no longer exists" in refusal(result) or "fit" in refusal(result)
    assert "gone_" not in refusal(result)
    assert "public.gone" not in refusal(result)
    assert place.sql("SELECT count(*) FROM public.things WHERE id <> 300") == [(499,)]
    copy = restored(place, into="public.copy", text_columns=("thing",))
    assert (copy.restored, copy.refused) == (500, 0)
    assert differences(place, "public.copy") == []


def test_a_type_that_is_gone_is_text_in_a_new_table(place: Place) -> None:
    place.sql("CREATE TYPE public.mood AS ENUM ('sad', 'so, \"so\"')")
    place.sql("CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, mood public.mood)")
    place = place.on("public.things", "at")
    place.sql("INSERT INTO public.things VALUES (1, %s, 'sad'), (2, %s, 'so, \"so\"')", hours_ago(60), hours_ago(60))
    place.sql("CREATE TABLE public.before AS SELECT id, at, mood::text FROM public.things")
    place.archive()
    place.sql("DROP TYPE public.mood CASCADE")
    result = restored(place, into="public.copy")
    assert result.restored == 2
    assert [note for note in result.notes if "column mood was public.mood, which the server no longer knows" in note]
    assert differences(place, "public.copy") == []


def test_an_older_version_does_not_come_in_the_place_of_one_that_cannot(place: Place) -> None:
    place.sql("CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, note text)")
    place = place.on("public.things", "at")
    for note in ("short", "a longer one"):
        place.sql("INSERT INTO public.things VALUES (1, %s, %s)", hours_ago(60), note)
        place.archive()
    place.sql("ALTER TABLE public.things ALTER note TYPE varchar(5)")
    result = restored(place)
    assert (result.restored, result.refused, result.superseded) == (0, 1, 1)
    place.sql("ALTER TABLE public.things ALTER note TYPE text")
    assert restored(place).restored == 1
    assert place.sql("SELECT note FROM public.things") == [("a longer one",)]


def test_text_columns_are_a_new_table_s_and_must_be_there(place: Place) -> None:
    events(place)
    place.archive()
    with pytest.raises(SettingError, match="text_columns names name, which only a new table can take as text"):
        restored(place, text_columns=("name",))
    with pytest.raises(SettingError, match="text_columns names 'nam', which is not a column of the archived rows"):
        restored(place, into="public.copy", text_columns=("nam",))


def test_rows_that_point_to_each_other_come_back_in_one_restore(place: Place) -> None:
    """Newer rows come first, and each points to an older one; the first of all points to none that was archived."""
    place.sql("CREATE TABLE public.chain (id int PRIMARY KEY, at timestamp, former int REFERENCES public.chain)")
    place.sql("INSERT INTO public.chain VALUES (0, now(), NULL)")
    place.sql(
        "INSERT INTO public.chain"
        " SELECT n, %s::timestamp + n * interval '20 minutes', n - 1 FROM generate_series(1, 20) n",
        hours_ago(70),
    )
    remembered(place.on("public.chain", "at"))
    place = place.on("public.chain", "at").ordered(children=())
    place.sql("ALTER TABLE public.chain DROP CONSTRAINT chain_former_fkey")
    place.archive()
    place.sql("ALTER TABLE public.chain ADD FOREIGN KEY (former) REFERENCES public.chain")
    result = restored(place)
    assert (result.restored, result.refused, result.failures) == (20, 0, [])
    assert differences(place) == []


def test_rows_that_point_to_what_is_not_there_are_told_and_the_others_come_back(place: Place) -> None:
    place.sql("CREATE TABLE public.parents (id int PRIMARY KEY)")
    place.sql("CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, parent int)")
    place = place.on("public.things", "at")
    place.sql("INSERT INTO public.things SELECT n, %s, n FROM generate_series(1, 9) n", hours_ago(60))
    place.archive()
    place.sql("INSERT INTO public.parents SELECT n FROM generate_series(1, 7) n")
    place.sql("ALTER TABLE public.things ADD FOREIGN KEY (parent) REFERENCES public.parents")
    result = restored(place)
    assert (result.restored, result.refused) == (7, 2)
    assert "rows 8, 9: " in refusal(result)
    assert "restore public.parents for the same span first, and then this again" in refusal(result)
    place.sql("INSERT INTO public.parents VALUES (8), (9)")
    assert restored(place).restored == 2
