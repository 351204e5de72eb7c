"""Which tables were archived is known to the ledger, and without it to what lies in the bucket, whoever lists them."""

from __future__ import annotations

from pg_archiver.domain.tables import TableName
from pg_archiver.ledger.archived_tables import ArchivedTable, list_known_tables, list_stored_tables
from tests.support.place import Place, hours_ago

# Names whose folders come in another order than themselves, or one within another.
NAMES = ("app.events", "app.events0", "app.events-old", '"odd.schema"."a/b"', 'app."%2F"')


def archived(place: Place) -> list[ArchivedTable]:
    """A table of each name, two windows of which were archived; `seen_at` is their time."""
    place.sql('CREATE SCHEMA app; CREATE SCHEMA "odd.schema"')
    found = []
    for text in NAMES:
        one = place.on(text, "seen_at", timezone="Asia/Tokyo")
        place.sql(f"CREATE TABLE {one.relation} (id int PRIMARY KEY, seen_at timestamp)")
        place.sql(f"INSERT INTO {one.relation} VALUES (1, '{hours_ago(60.5)}'), (2, '{hours_ago(70.5)}')")
        one.archive()
        found.append(ArchivedTable(one.order.table, "seen_at", "Asia/Tokyo", place.bucket))
    return found


def known(place: Place, client: str | None = None) -> list[ArchivedTable]:
    with place.session() as session:
        return list_known_tables(session, client or place.order.client)


def stored(place: Place, prefix: str = "", client: str | None = None) -> list[ArchivedTable]:
    return list(list_stored_tables(place.store, prefix, client or place.order.client))


def by_name(tables: list[ArchivedTable]) -> list[ArchivedTable]:
    return sorted(tables, key=lambda one: one.table)


def test_ledger_and_bucket_know_each_table_once(place_on_both: Place) -> None:
    place = place_on_both
    made = by_name(archived(place))
    assert by_name(known(place)) == made
    assert by_name(stored(place)) == made
    assert known(place, "another") == stored(place, client="another") == stored(place, "another/prefix") == []


def test_without_a_ledger_the_ledger_knows_none(place: Place) -> None:
    assert known(place) == stored(place) == []


def test_of_two_columns_that_told_the_time_the_last_window_s_counts(place: Place) -> None:
    archived(place)
    place.sql("ALTER TABLE app.events ADD gone_at timestamp")
    place.sql("INSERT INTO app.events VALUES (3, NULL, %s)", hours_ago(55.5))
    place.on("app.events", "gone_at").archive()
    assert next(one for one in known(place) if one.table.name == "events").timestamp_column == "gone_at"


def test_what_lies_there_besides_is_no_table_and_hides_none(place: Place) -> None:
    made = by_name(archived(place))
    folder = f"client={place.order.client}/"
    for key in ("_owner/note", "schema=app/readme", "schema=app/table=%2f/x", "schema=zzz/other", "schema="):
        place.write(folder + key, b"somebody's")
    assert by_name(stored(place)) == made


def test_a_table_without_a_manifest_that_can_be_read_is_known_by_its_name(place: Place) -> None:
    archived(place)
    found = place.keys()
    for key in found:
        if "/table=events/" in key and key.endswith(".manifest.json"):
            place.write(key, b"damaged")
    assert ArchivedTable(TableName("app", "events"), None, None, place.bucket) in stored(place)
