"""What lies in the bucket, read and checked with boto3 and the CSV module alone. Knows nothing of the archiver.

The layout it relies on: beside a data object `x.csv.gz` or `x.csv.zst` stands `_x.manifest.json`, which tells the
object's key, its SHA-256 and its number of rows. A data object without a manifest does not count.
"""

import csv
import gzip
import hashlib
import io
import json
import time
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import zstandard
from botocore.exceptions import ClientError

from dev.demo_clients import DemoClient
from dev.demo_rows import Rows, records

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MANIFEST = ".manifest.json"
_PROGRESS_SECONDS = 3.0
# AttributeError is how botocore fails over a download that the server answers with an error and a checksum.
_DAMAGE = (ClientError, AttributeError, ValueError, EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)


@dataclass
class Archive:
    """The client's objects that have a manifest, and the rows in those that are what the manifest says.

    `files` counts all that lies in the client's folder; `problems` names the objects that are not what they should be.
    """

    files: int = 0
    rows: Rows = field(default_factory=Rows)
    windows: set[tuple[str, str]] = field(default_factory=set)
    objects: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


def in_bucket(s3: "S3Client", bucket: str, client: DemoClient) -> Archive:
    """Read the client's whole archive; says how far it is every three seconds."""
    archive = Archive()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=client.folder)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    archive.files = len(keys)
    manifests = [key for key in keys if key.endswith(_MANIFEST)]
    next_line = time.monotonic() + _PROGRESS_SECONDS
    for number, key in enumerate(manifests, start=1):
        try:
            manifest = json.loads(_read(s3, bucket, key))
            _take_in(archive, client, manifest, _read(s3, bucket, manifest["data"]["key"]))
        except _DAMAGE as error:
            archive.problems.append(f"the object of {key} is missing or damaged: {error}")
        if time.monotonic() > next_line:
            print(f"  {client.name}: {number:,} of {len(manifests):,} objects", flush=True)
            next_line = time.monotonic() + _PROGRESS_SECONDS
    return archive


def _take_in(archive: Archive, client: DemoClient, manifest: dict[str, Any], stored: bytes) -> None:
    key = manifest["data"]["key"]
    if hashlib.sha256(stored).hexdigest() != manifest["data"]["sha256"]:
        archive.problems.append(f"{key} does not have the checksum in its manifest")
        return
    content = _decompressed(key, stored)
    header, *found = records(content)
    if len(found) != manifest["rows"]:
        archive.problems.append(f"{key} holds {len(found)} rows, its manifest says {manifest['rows']}")
        return
    archive.objects += 1
    archive.bytes += len(stored)
    archive.windows.add((manifest["cell_start"], manifest["cell_end"]))
    archive.rows.columns = header.decode().rstrip("\n").split(",")
    archive.rows.add(found)
    for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
        archive.rows.note_time(datetime.fromisoformat(row[client.timestamp_column]))
        archive.rows.total += int(row[client.summed]) if client.summed else 0


def _decompressed(key: str, stored: bytes) -> bytes:
    if key.endswith(".zst"):
        with zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True) as reader:
            return reader.read()
    return gzip.decompress(stored)


def _read(s3: "S3Client", bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
