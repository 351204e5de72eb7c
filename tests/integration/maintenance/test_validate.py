"""validate: a damaged index is found by its name, and rebuilt only when asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from pg_archiver.errors import Damaged
from pg_archiver.maintenance.disk_room import FreeSpace
from pg_archiver.maintenance.validate import CheckOptions, Validated, validate
from tests.support.maintenance_steps import filled, upkeep
from tests.support.place import Place

BLOCK = 8192


def validated(place: Place, **how: Any) -> Validated:
    with place.session() as session:
        return validate(session, place.order, place.session, CheckOptions(**how))


@pytest.mark.parametrize("heapallindexed", [False, True])
def test_a_sound_table_passes_and_the_extension_is_installed(place: Place, heapallindexed: bool) -> None:
    filled(place, 500)
    place.sql("CREATE INDEX by_time ON analytics.events (triggered_at)")
    done = validated(place, heapallindexed=heapallindexed)
    assert {"by_time", "events_pkey"} < set(done.sound)
    assert any(name.startswith("pg_toast") for name in done.sound)
    assert str(done) == "3 indexes are sound, the one of TOAST among them"
    assert place.sql("SELECT extname FROM pg_extension WHERE extname = 'amcheck'")
    assert upkeep(place) == [("validate", None, "done")]


def test_a_role_that_may_not_install_the_extension_is_told_what_to_do(place: Place) -> None:
    filled(place, 10)
    role = place.as_role("clerk")
    role.sql(
        f"GRANT USAGE ON SCHEMA analytics TO {role.role}; GRANT CREATE ON DATABASE {place.database} TO {role.role}"
    )
    done = validated(role)
    assert done.sound == ()
    assert "CREATE EXTENSION amcheck" in done.notes[0]
    place.sql("CREATE EXTENSION amcheck")
    assert "GRANT EXECUTE ON FUNCTION bt_index_check" in validated(role).notes[0]
    assert upkeep(place) == [("validate", None, "skipped")] * 2


def test_a_dry_run_installs_nothing(place: Place) -> None:
    filled(place, 10)
    done = validated(place.ordered(dry_run=True))
    assert str(done).startswith("no index was checked; the extension amcheck is not installed")
    assert "dry run" in done.notes[0]
    assert place.sql("SELECT extname FROM pg_extension WHERE extname = 'amcheck'") == []
    assert not place.has_ledger()


def test_an_invalid_index_is_mentioned_and_not_checked(place: Place) -> None:
    filled(place, 10)
    place.sql("CREATE INDEX by_time ON analytics.events (triggered_at)")
    place.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'analytics.by_time'::regclass")
    done = validated(place)
    assert "by_time" not in done.sound
    assert done.notes == ("not checked, because invalid: by_time",)


def test_a_row_that_an_index_lacks_is_found_only_by_looking_for_each(place: Place) -> None:
    filled(place, 100)
    place.sql("CREATE INDEX by_time ON analytics.events (triggered_at)")
    place.sql("UPDATE pg_index SET indisready = false WHERE indexrelid = 'analytics.by_time'::regclass")
    place.sql("INSERT INTO analytics.events (triggered_at) VALUES ('2030-01-01')")
    place.sql("UPDATE pg_index SET indisready = true WHERE indexrelid = 'analytics.by_time'::regclass")
    assert "by_time" in validated(place).sound
    with pytest.raises(Damaged, match=r"index by_time: .*lacks matching index tuple"):
        validated(place, heapallindexed=True)


@pytest.fixture
def own_place(tmp_path: Path, rclone: RcloneS3) -> Iterator[Place]:
    """A place on a server whose files may be damaged."""
    with PostgresServer(tmp_path) as server, Place.made(server, rclone, 9001) as place:
        yield place


def damaged_file(place: Place, index: str) -> None:
    """Overwrites the middle of the index's second page while the server is stopped."""
    ((path,),) = place.sql("SELECT pg_relation_filepath(%s::regclass)", index)
    place.sql("CHECKPOINT")
    place.server.stop()
    with (place.server.directory / "data" / path).open("r+b") as file:
        file.seek(BLOCK + 100)
        content = file.read(BLOCK - 200)
        file.seek(BLOCK + 100)
        file.write(bytes(byte ^ 0x55 for byte in content))
    place.server.start()


def test_a_damaged_index_fails_by_its_name_and_is_rebuilt_when_asked(own_place: Place) -> None:
    filled(own_place, 2000)
    own_place.sql("CREATE INDEX by_time ON analytics.events (triggered_at)")
    assert "by_time" in validated(own_place).sound
    damaged_file(own_place, "analytics.by_time")
    with own_place.server.connect(own_place.database) as user:

        def states() -> list[Any]:
            return user.execute("SELECT state FROM archiver.maintenance ORDER BY id").fetchall()

        with pytest.raises(Damaged, match="index by_time: ") as caught:
            validated(own_place)
        assert "events_pkey" not in str(caught.value)
        assert "run again with reindex" in str(caught.value)
        done = validated(own_place, reindex=True)
        assert done.rebuilt == ("by_time",)
        assert validated(own_place).rebuilt == ()
        assert states() == [("done",), ("failed",), ("done",), ("done",)]


def test_a_damaged_index_is_not_rebuilt_without_room(own_place: Place) -> None:
    filled(own_place, 2000)
    own_place.sql("CREATE INDEX by_time ON analytics.events (triggered_at)")
    damaged_file(own_place, "analytics.by_time")
    scarce = FreeSpace(lambda: 1000, "the test")
    with pytest.raises(Damaged, match=r"by_time: .*is not built: it needs about .* 1\.0 kB are free \(the test\)"):
        validated(own_place, reindex=True, space=scarce)
    assert validated(own_place, reindex=True, space=FreeSpace(lambda: 10**9, "the test")).rebuilt == ("by_time",)
