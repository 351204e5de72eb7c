"""Keys of objects: no two windows share one, whatever the names hold, and every store can keep them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.windows import EARLIEST, Window, cell_of
from pg_archiver.objects.compression import Compression
from pg_archiver.objects.object_keys import kept_key, manifest_key, object_key, sidecar_key, table_folder
from pg_archiver.policies.entries import LONGEST_CLIENT_NAME
from pg_archiver.policies.yaml_file import load

NAMES = st.text(
    st.one_of(st.sampled_from(list('./=%x_{} "\\☃ü')), st.characters(exclude_categories=["Cs"])),
    min_size=1,
    max_size=63,
)
CELLS = st.builds(
    cell_of,
    st.datetimes(EARLIEST, datetime(9990, 1, 1)),  # noqa: DTZ001
    st.sampled_from([1, 2, 3, 24, 168]),
)
COMPRESSIONS: st.SearchStrategy[Compression] = st.sampled_from(get_args(Compression))
OBJECTS = st.tuples(NAMES, st.builds(TableName, NAMES, NAMES), CELLS, st.integers(1, 9999), COMPRESSIONS)
Object = tuple[str, TableName, Window, int, Compression]


def key_of(described: Object, prefix: str = "") -> str:
    return object_key(prefix, *described)


HOUR = cell_of(datetime(2024, 1, 1), 1)  # noqa: DTZ001


@given(OBJECTS, OBJECTS)
@example(("a", TableName("b/table=c", "d"), HOUR, 1, "gzip"), ("a", TableName("b", "c/table=d"), HOUR, 1, "gzip"))
@example(("a", TableName("b", "c"), HOUR, 1, "gzip"), ("a", TableName("b", "c"), HOUR, 1, "zstd"))
@example(("a", TableName("b", "c"), HOUR, 1, "gzip"), ("a", TableName("b", "c"), HOUR, 11, "gzip"))
@example(("a", TableName("b", "c"), HOUR, 1, "gzip"), ("a", TableName("b", "c"), cell_of(HOUR.start, 2), 1, "gzip"))
@example(("%61", TableName("b", "c"), HOUR, 1, "gzip"), ("a", TableName("b", "c"), HOUR, 1, "gzip"))
def test_two_objects_never_share_a_key(one: Object, other: Object) -> None:
    if one == other:
        assert key_of(one) == key_of(other)
        return
    keys = [key_of(one), key_of(other)]
    everything = [*keys, *map(sidecar_key, keys)]
    assert len(set(everything)) == len(everything)
    if one[:4] != other[:4]:
        assert manifest_key(keys[0]) != manifest_key(keys[1])


@given(OBJECTS)
def test_the_three_objects_of_a_window_have_keys_of_their_own(described: Object) -> None:
    data = key_of(described)
    beside = [sidecar_key(data), manifest_key(data)]
    assert len({data, *beside}) == 3
    folder, name = data.rsplit("/", 1)
    assert not name.startswith("_")
    for key in beside:
        assert key.rsplit("/", 1)[0] == folder
        assert key.rsplit("/", 1)[1].startswith("_")


@given(OBJECTS, st.sampled_from(["", "some/where"]))
def test_a_key_has_the_fixed_segments_and_no_others(described: Object, prefix: str) -> None:
    key = key_of(described, prefix)
    segments = key.removeprefix(f"{prefix}/" if prefix else "").split("/")
    heads = ["client=", "schema=", "table=", "dt=", "hour="]
    assert len(segments) == len(heads) + 1
    assert all(segment.startswith(head) for segment, head in zip(segments, heads, strict=False))
    assert not {".", "..", ""} & set(key.split("/"))
    assert key.startswith(table_folder(prefix, described[0], described[1]))


@pytest.mark.parametrize("character", ["a", "ü", "☃", "🐘"])
@pytest.mark.parametrize("prefix", [0, 100, 500, 900])
def test_every_key_of_a_policy_that_loads_fits_into_s3(tmp_path: Path, character: str, prefix: int) -> None:
    """S3 takes 1024 bytes; what would need more is refused when the policy is read."""
    name = character * LONGEST_CLIENT_NAME
    of_postgres = character * (63 // len(character.encode()))
    text = json.dumps(
        {"name": name, "database": "d", "tables": [{"table": f"{of_postgres}.{of_postgres}"}]}, ensure_ascii=False
    )
    path = tmp_path / "policies.yaml"
    path.write_text(
        f"defaults: {{bucket: archive, prefix: {'p' * prefix or repr('')}}}\n"
        f"instances: [{{conn_id: postgres, clients: [{text}]}}]\n"
    )
    policies = load(path)
    if policies.broken:
        assert "too long for an S3 key. Fix: shorten the prefix" in policies.broken[name]
        return
    (client,) = policies.clients
    table = client.tables[0]
    last = cell_of(datetime(9990, 1, 1), 168)  # noqa: DTZ001
    data = object_key(table.prefix, client.name, table.name, last, 9999, "zstd")
    kept = kept_key(data, 10**12 - 1, "0" * 16, 9)
    assert max(len(key.encode()) for key in (data, sidecar_key(data), manifest_key(data), kept)) <= 1024


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=63))
def test_a_name_that_postgres_can_hold_fits_into_one_file_name(name: str) -> None:
    assume(len(name.encode()) <= 63)
    data = object_key("", "client", TableName(name, name), HOUR, 9999, "gzip")
    assert all(len(segment) <= 255 for segment in data.split("/"))
