"""The bucket read without any of the archiver's own readers: boto3, json, csv and what unpacks and checksums."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import xxhash
import zstandard
from botocore.exceptions import FlexibleChecksumError

from tests.faults.place import Place

MANIFEST = ".manifest.json"
Row = tuple[str, ...]


@dataclass(frozen=True)
class CheckedObject:
    """An object that has a manifest, and what is wrong with it."""

    stem: str
    rows: tuple[Row, ...]
    manifest: Mapping[str, Any]
    problems: tuple[str, ...]


def stem_of(key: str) -> str:
    """What the keys of one generation's object, sidecar and manifest have in common."""
    folder, name = key.rsplit("/", 1)
    return f"{folder}/{name.removeprefix('_').split('.keys.csv')[0].split('.csv')[0].removesuffix(MANIFEST)}"


def listed(place: Place) -> dict[str, str]:
    """The etag of each key below the table's folder."""
    order = place.order
    folder = f"client={quote(order.client, safe='')}/schema={order.table.schema}/table={order.table.name}/"
    pages = place.client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=folder)
    return {found["Key"]: found["ETag"] for page in pages for found in page.get("Contents", [])}


def checked_objects(place: Place) -> list[CheckedObject]:
    """All objects of the table that have a manifest."""
    return [_checked(place, key) for key in sorted(listed(place)) if key.endswith(MANIFEST)]


def _checked(place: Place, manifest_key: str) -> CheckedObject:
    stem = stem_of(manifest_key)
    try:
        manifest = json.loads(place.read(manifest_key))
    except (FlexibleChecksumError, ValueError):
        return CheckedObject(stem, (), {}, (f"{manifest_key} is damaged",))
    problems: list[str] = []
    rows = _rows(place, manifest, "data", problems)
    listed_rows = {"keys": _rows(place, manifest, "keys", problems)} if "keys" in manifest else {}
    header = tuple(column["name"] for column in manifest["columns"])
    if rows[:1] != [header]:
        problems.append("its header is not its columns")
    for what, found in {"rows": rows, **listed_rows}.items():
        if len(found) - 1 != manifest["rows"]:
            problems.append(f"it holds {len(found) - 1} {what} and its manifest says {manifest['rows']}")
    if stem_of(str(manifest["data"]["key"])) != stem:
        problems.append("its manifest is another one's")
    named = tuple(f"{stem}: {problem}" for problem in problems)
    return CheckedObject(stem, tuple(rows[1:]), manifest, named)


def _rows(place: Place, manifest: Mapping[str, Any], part: str, problems: list[str]) -> list[Row]:
    """The records of one of the two objects that a manifest describes; none if the bytes are not as described."""
    expected = manifest[part]
    try:
        packed = place.read(expected["key"])
    except place.client.exceptions.NoSuchKey:
        problems.append(f"{part} is gone")
        return []
    if (len(packed), hashlib.sha256(packed).hexdigest()) != (expected["bytes"], expected["sha256"]):
        problems.append(f"the bytes of {part} are not those of the manifest")
        return []
    content = gzip.decompress(packed) if manifest["compression"] == "gzip" else _unpacked(packed)
    digest = xxhash.xxh3_128(content).hexdigest()
    if "content_sha256" in expected:
        digest = hashlib.sha256(content).hexdigest()
    told = expected.get("content_xxh3_128") or expected["content_sha256"]
    if (len(content), digest) != (expected["content_bytes"], told):
        problems.append(f"the content of {part} is not that of the manifest")
    return [tuple(row) for row in csv.reader(io.StringIO(content.decode(), newline=""))]


def _unpacked(packed: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        return reader.read()


@dataclass
class Witness:
    """Remembers what each key held when it was first seen with a manifest; an archive only ever grows."""

    seen: dict[str, str] = field(default_factory=dict)

    def look(self, place: Place) -> list[str]:
        """What changed or vanished since the last look."""
        now = listed(place)
        problems = [
            f"{key} was {'overwritten' if key in now else 'removed'}"
            for key, etag in self.seen.items()
            if now.get(key) != etag
        ]
        stems = {stem_of(key) for key in now if key.endswith(MANIFEST)}
        for key, etag in now.items():
            # rclone lists an object that it is still taking in without an etag.
            if etag and stem_of(key) in stems:
                self.seen.setdefault(key, etag)
        return problems
