"""What pg_repack could not do is refused before it begins, with what is missing and its remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pg_archiver.errors import MaintenanceRefused
from pg_archiver.maintenance import pg_repack
from pg_archiver.maintenance.disk_room import UNKNOWN_SPACE, FreeSpace
from pg_archiver.maintenance.pg_repack import Repacker
from tests.support.maintenance_steps import PLENTY, bloated, file_node, upkeep
from tests.support.place import Place
from tests.support.repacks import reclaimed

pytestmark = pytest.mark.more


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


def test_a_dry_run_says_what_is_missing(place: Place) -> None:
    bloated(place)
    done = reclaimed(place.ordered(dry_run=True), Repacker(None))
    assert "there is no pg_repack on PATH" in done.notes[0]
    assert not place.has_ledger()
