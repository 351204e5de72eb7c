"""The archive can be read without the archiver: each command of the docs page is run as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from pg_archiver.errors import Stopped
from pg_archiver.objects.object_keys import kept_folder, table_folder
from tests.integration.archive.test_values import TRICKY_TEXTS
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import differences, keyless, remembered, restored
from tests.support.server_copies import brought_back

pytestmark = pytest.mark.more

PAGE = (Path(__file__).parents[3] / "docs" / "reading-the-archive.md").read_text(encoding="utf-8")


# How a frame of zstd begins.
FRAME = bytes.fromhex("28b52ffd")


def blocks(section: str, language: str) -> list[str]:
    """The page's commands of one section."""
    (text,) = re.findall(rf"^## {section}$(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


EVERY_ROW, WHAT_LEFT, CONTRADICTIONS, LEFTOVERS = blocks("DuckDB", "sql")


@pytest.fixture
def events(place: Place) -> Place:
    """A table with rows of all kinds of text, under the names of the page."""
    place.sql(EVENTS)
    texts = [*TRICKY_TEXTS, "", None, "NULL", "a\r\nb", "\\.", '"', "a,b"]
    for minute, text in enumerate(texts):
        place.sql(
            "INSERT INTO analytics.events (triggered_at, name) VALUES (%s, %s)", hours_ago(60 - minute / 60), text
        )
    place.sql("UPDATE analytics.events SET data = jsonb_build_object('text', name, 'list', '[1, null]'::jsonb)")
    return place.ordered(client="acme")


def fetched(place: Place, folder: Path) -> None:
    """What `aws s3 sync` does: each key becomes a file of its name."""
    for key in sorted(place.keys()):
        path = folder / "archive" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(place.read(key))


def asked(statements: str, after: duckdb.DuckDBPyConnection | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of the last statement, in the folder that the page speaks of."""
    found = (after or duckdb.connect()).execute(statements)
    return [column[0] for column in found.description or ()], found.fetchall()


def as_text(place: Place, relation: str = "analytics.events") -> Counter[tuple[str | None, ...]]:
    return Counter(place.sql(f"SELECT id::text, triggered_at::text, name, data::text FROM {relation}"))


def what_left(folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> Counter[tuple[str | None, ...]]:
    monkeypatch.chdir(folder)
    connection = duckdb.connect()
    asked(EVERY_ROW, connection)
    columns, rows = asked(WHAT_LEFT, connection)
    assert columns == ["id", "triggered_at", "name", "data", *more]
    return Counter(rows)


def test_duckdb_reads_every_value_as_it_was(events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = as_text(events)
    events.archive()
    fetched(events, tmp_path)
    monkeypatch.chdir(tmp_path)
    connection = duckdb.connect()
    _, counts = asked(EVERY_ROW, connection)
    assert sum(row[1] for row in counts) == before.total()
    assert sum(row[2] for row in counts) == sum(row[2] is not None for row in before.elements()) < before.total()
    _, rows = asked("SELECT id, triggered_at, name, data FROM archived", connection)
    assert Counter(rows) == before
    assert what_left(tmp_path, monkeypatch) == before


def test_duckdb_reads_zstd_too(events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for letter in "abc":
        events.sql(
            "INSERT INTO analytics.events (triggered_at, name) VALUES (%s, %s)", hours_ago(59.5), letter * 700_000
        )
    before = as_text(events)
    events.ordered(compression="zstd").archive()
    fetched(events, tmp_path)
    packed = [events.read(key) for key in events.data_keys()]
    assert sum(one.count(FRAME) for one in packed) > len(packed)
    monkeypatch.chdir(tmp_path)
    connection = duckdb.connect()
    asked(EVERY_ROW, connection)
    assert Counter(asked("SELECT * EXCLUDE archive_file FROM archived", connection)[1]) == before


def test_pythons_zstandard_reads_all_frames_when_it_is_told_to(events: Place) -> None:
    for letter in "abc":
        events.sql(
            "INSERT INTO analytics.events (triggered_at, name) VALUES (%s, %s)", hours_ago(59.5), letter * 700_000
        )
    events.ordered(compression="zstd").archive()
    (packed,) = [one for one in map(events.read, events.data_keys()) if one.count(FRAME) > 1]
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        content = reader.read().decode()
    assert all(letter * 700_000 in content for letter in "abc")


def test_duckdb_reads_a_table_whose_compression_was_changed(
    events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = as_text(events)
    events.archive()
    events.events(hours_ago(70))
    before += as_text(events)
    events.ordered(run_id="run 2", compression="zstd").archive()
    assert {key.rsplit(".", 1)[1] for key in events.data_keys()} == {"gz", "zst"}
    fetched(events, tmp_path)
    assert what_left(tmp_path, monkeypatch) == before


def test_what_left_is_told_from_what_stayed_and_from_older_versions(
    events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = as_text(events)
    window = events.stored_window()
    events.sql("UPDATE analytics.events SET name = 'changed' WHERE id IN (2, 5)")
    events.delete(window)
    fetched(events, tmp_path)
    left = Counter({row: count for row, count in before.items() if row[0] not in {"2", "5"}})
    assert what_left(tmp_path, monkeypatch) == left
    changed = as_text(events)
    events.ordered(run_id="run 2").archive()
    fetched(events, tmp_path)
    assert what_left(tmp_path, monkeypatch) == left + changed


def test_what_stayed_is_told_also_where_it_was_so_much_that_the_note_tells_ranges(
    events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = as_text(events)
    events.sql(
        "INSERT INTO analytics.events (triggered_at, name)"
        " SELECT (SELECT max(triggered_at) FROM analytics.events), 'event' FROM generate_series(1, 10100)"
    )
    window = events.stored_window()
    events.sql("UPDATE analytics.events SET name = 'changed' WHERE name = 'event' OR id = 2")
    events.ordered(batch_size=5000).delete(window)
    fetched(events, tmp_path)
    (note,) = (json.loads(events.read(key)) for key in events.keys() if ".kept." in key)  # noqa: SIM118
    assert (note["format"], note["kept"][:2]) == (3, "{[")
    left = Counter({row: count for row, count in before.items() if row[0] != "2"})
    assert what_left(tmp_path, monkeypatch) == left


def test_of_a_delete_that_was_given_up_only_the_rows_that_left_are_told(
    events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = as_text(events)
    window = events.stored_window()
    asked_to_stop = iter([False, True])
    with pytest.raises(Stopped):
        events.delete(window, lambda: next(asked_to_stop))
    events.sql("VACUUM FULL analytics.events")
    assert events.delete(window).rows == 10
    fetched(events, tmp_path)
    assert what_left(tmp_path, monkeypatch) == before - as_text(events)
    events.sql("ALTER TABLE analytics.events ADD later text DEFAULT 'x'")
    events.ordered(run_id="run 2").archive()
    fetched(events, tmp_path)
    assert what_left(tmp_path, monkeypatch, "later") == Counter(
        {(*row, None if int(row[0] or 0) <= 10 else "x"): 1 for row in before}
    )


def test_of_the_notes_of_two_pasts_the_last_counts_and_the_object_is_named(
    events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = as_text(events)
    window = events.stored_window()
    with brought_back(events) as (lost, place):
        for past, number in ((lost, 5), (place, 2)):
            past.sql("UPDATE analytics.events SET name = 'changed' WHERE id = %s", number)
            past.delete(window)
        fetched(place, tmp_path)
        left = Counter({row: count for row, count in before.items() if row[0] != "2"})
        assert what_left(tmp_path, monkeypatch) == left
        ((file, notes),) = asked(f"{EVERY_ROW}\n{CONTRADICTIONS}")[1]
        assert file.endswith(place.data_keys()[0])
        assert [json.loads(note[-1]) for note in notes] == [[5], [2]]


def test_a_note_of_the_first_format_counts_until_there_is_a_later_one(
    events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = as_text(events)
    events.archive()
    (manifest,) = events.manifests()
    note = {"format": 1, "data_key": manifest.data.key, "data_sha256": manifest.data.sha256}
    for upto, kept in ((10, [3]), (manifest.rows, [3, 15])):
        content = json.dumps(note | {"deleted_upto": upto, "kept": kept}).encode()
        events.write(f"{kept_folder(manifest.data.key)}{upto:012d}.json", content)
    fetched(events, tmp_path)
    left = Counter({row: count for row, count in before.items() if row[0] not in {"3", "15"}})
    assert what_left(tmp_path, monkeypatch) == left


def test_rows_that_were_restored_and_archived_again_count_once(
    events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.archive()
    restored(events, hold_days=0)
    events.sql(
        "UPDATE analytics.events SET name = 'newer', triggered_at = triggered_at - interval '3 hours' WHERE id = 3"
    )
    before = as_text(events)
    events.ordered(run_id="run 2").archive()
    fetched(events, tmp_path)
    assert what_left(tmp_path, monkeypatch) == before


def test_an_object_without_a_manifest_counts_for_nothing(
    events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = as_text(events)
    events.archive()
    (key,) = events.data_keys()
    events.write(key.replace("g0001", "g0002"), events.read(key))
    events.write(key.replace("g0001", "g0003"), b"sent by a run that broke off")
    fetched(events, tmp_path)
    assert what_left(tmp_path, monkeypatch) == before
    _, counts = asked(EVERY_ROW)
    assert sum(row[1] for row in counts) == before.total()
    connection = duckdb.connect()
    (counted,) = asked(f"{EVERY_ROW}\nSELECT count(*) FROM archived", connection)[1]
    assert counted == (before.total(),)
    left = [f"archive/{key.replace('g0001', generation)}" for generation in ("g0002", "g0003")]
    assert asked(LEFTOVERS, connection)[1] == [(path,) for path in left]


def test_below_a_prefix_the_objects_are_found_wherever_they_were_put(
    events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = as_text(events)
    events.ordered(prefix="client=old/of 2026").archive()
    fetched(events, tmp_path / "all")
    (tmp_path / "archive").symlink_to(tmp_path / "all" / "archive" / "client=old" / "of 2026")
    assert what_left(tmp_path, monkeypatch) == before


def test_columns_named_like_parts_of_the_key_are_not_lost(
    events: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.sql("ALTER TABLE analytics.events ADD hour text, ADD client text")
    events.sql("UPDATE analytics.events SET hour = 'its own', client = 'another'")
    events.archive()
    fetched(events, tmp_path)
    monkeypatch.chdir(tmp_path)
    connection = duckdb.connect()
    asked(EVERY_ROW, connection)
    assert asked("SELECT DISTINCT hour, client FROM archived", connection)[1] == [("its own", "another")]


def run_by_a_shell(place: Place, script: str, folder: Path) -> None:
    done = tried_by_a_shell(place, script, folder)
    assert done.returncode == 0, done.stderr


def tried_by_a_shell(place: Place, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    tools = f"{place.server.tool('psql').parent}{os.pathsep}{os.defpath}"
    return subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=folder,
        env={**place.server.tool_environment(place.database), "PATH": tools},
        capture_output=True,
        text=True,
        check=False,
    )


def test_psql_alone_brings_an_object_back(events: Place, tmp_path: Path) -> None:
    remembered(events)
    events.archive()
    fetched(events, tmp_path)
    (key,) = events.data_keys()
    script, _ = blocks("psql alone", "sh")
    script = re.sub(r"(?<=^object=archive/).*$", lambda _: key, script, count=1, flags=re.MULTILINE)
    for _ in range(2):
        run_by_a_shell(events, script, tmp_path)
        assert differences(events) == []


def test_a_value_that_ends_copy_in_psql_comes_back_by_the_lines_of_python(events: Place, tmp_path: Path) -> None:
    events.sql("UPDATE analytics.events SET name = %s, data = NULL WHERE id = 3", "a\n\\.\nb")
    events.sql("UPDATE analytics.events SET name = %s, data = NULL WHERE id = 4", "\\.\r\n\\.\n\\.")
    remembered(events)
    events.archive()
    fetched(events, tmp_path)
    (key,) = events.data_keys()
    by_psql, _ = blocks("psql alone", "sh")
    by_psql = re.sub(r"(?<=^object=archive/).*$", lambda _: key, by_psql, count=1, flags=re.MULTILINE)
    done = tried_by_a_shell(events, by_psql, tmp_path)
    assert done.returncode != 0
    assert "unterminated CSV quoted field" in done.stderr
    assert events.sql("SELECT count(*) FROM analytics.events") == [(0,)]
    (by_python,) = blocks("psql alone", "python")
    (tmp_path / "load.py").write_text(by_python, encoding="utf-8")
    for _ in range(2):
        run_by_a_shell(events, f"'{sys.executable}' load.py 'archive/{key}'", tmp_path)
        assert differences(events) == []


def test_psql_alone_brings_back_what_left_a_table_without_a_key(place: Place, tmp_path: Path) -> None:
    place = keyless(place)
    window = place.stored_window()
    place.sql("UPDATE public.notes SET note = 'changed' WHERE note IN ('note 3', 'note 7')")
    remembered(place)
    place.delete(window)
    fetched(place, tmp_path)
    (key,) = place.data_keys()
    (note,) = [json.loads(place.read(name)) for name in sorted(place.keys()) if ".kept." in name]
    assert (note["deleted_upto"], len(note["kept"])) == (20, 4)
    _, script = blocks("psql alone", "sh")
    script = script.replace("42", str(note["deleted_upto"])).replace("7, 9", str(note["kept"])[1:-1])
    run_by_a_shell(place, f"export PGCLIENTENCODING=UTF8\nobject='archive/{key}'\n{script}", tmp_path)
    assert differences(place) == []


def test_athena_looks_where_the_objects_lie(events: Place) -> None:
    (definition,) = blocks("Athena", "sql")
    folder = "s3://my-archive/" + table_folder("", "acme", events.order.table)
    assert f"LOCATION '{folder}'" in definition
    assert f"'{folder}dt=${{dt}}/hour=${{hour}}/'" in definition
    columns = re.findall(r"^    (\w+) string,?$", definition, flags=re.MULTILINE)
    events.archive()
    (manifest,) = events.manifests()
    assert columns == [column.name for column in manifest.columns]
    (key,) = events.data_keys()
    assert re.fullmatch(
        r"dt=\d{4}-\d\d-\d\d/hour=\d\d/[0-9][^/]*", key.removeprefix(table_folder("", "acme", events.order.table))
    )
