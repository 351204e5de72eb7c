"""Where a store has shown that it refuses to write a key twice, no key is looked at before, and none is overwritten.

moto refuses, rclone ignores the condition; so does moto behind a proxy that takes it out of the requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count

import boto3
import pytest
from botocore.config import Config

from dev.s3 import S3Server
from pg_archiver.errors import KeyTaken
from pg_archiver.s3.bucket import Bucket
from pg_archiver.s3.part_sizes import SMALLEST, PartSizes
from pg_archiver.s3.second_writes import TRIED_CONTENT
from tests.faults.s3_faults import answered, reset, reset_after
from tests.faults.s3_proxy import Answer, Deed, Fault, Forward, Request, S3Proxy
from tests.support.concurrency import at_once

FOLDER = "an archive/client=a/"
TRIED, KEY = f"{FOLDER}_second_write", f"{FOLDER}a key"
SENT = frozenset(
    {"HeadObject", "GetObject", "PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload"}
)
LARGE = b"2" * (SMALLEST + 1)
_numbers = count(1)


class Store:
    """A bucket behind a proxy that may break requests or take the condition out of them, and counts what came by."""

    def __init__(self, s3: S3Server, proxy: S3Proxy) -> None:
        self.s3, self.proxy = s3, proxy
        self.name = f"twice{next(_numbers)}"
        self.sent: Counter[str] = Counter()
        # What is done to the first writes, one after the other; all later ones go through.
        self.deeds: list[Deed] = []
        self.ignoring: frozenset[str] = frozenset()
        s3.create_bucket(self.name)

    def bucket(self, tries: int = 1) -> Bucket:
        """A bucket of a new process, whose client asks so many times."""
        client = boto3.client(
            "s3",
            endpoint_url=self.proxy.endpoint_url,
            aws_access_key_id=self.s3.access_key,
            aws_secret_access_key=self.s3.secret_key,
            region_name=self.s3.region,
            config=Config(
                s3={"addressing_style": "path"},
                proxies={},
                retries={"total_max_attempts": tries, "mode": "standard"},
            ),
        )
        return Bucket(client, self.name, parts=PartSizes(first=SMALLEST))

    def deed(self, request: Request, forward: Forward) -> Answer:
        self.sent[request.operation] += 1
        if request.operation in self.ignoring:
            del request.headers["If-None-Match"]
        if self.deeds and request.operation == "PutObject":
            return self.deeds.pop(0)(request, forward)
        return forward(request.body)

    def read(self, key: str) -> bytes:
        return self.s3.client().get_object(Bucket=self.name, Key=key)["Body"].read()

    def write(self, key: str, content: bytes) -> None:
        self.s3.client().put_object(Bucket=self.name, Key=key, Body=content)

    def counted(self) -> Counter[str]:
        """What was sent since this was asked last."""
        sent, self.sent = self.sent, Counter()
        return sent


def stored(s3: S3Server) -> Iterator[Store]:
    with S3Proxy.started(s3.endpoint_url) as proxy:
        store = Store(s3, proxy)
        with proxy.doing(Fault(SENT, store.deed)):
            yield store


@pytest.fixture
def refusing(moto: S3Server) -> Iterator[Store]:
    yield from stored(moto)


@pytest.fixture
def either(s3: S3Server) -> Iterator[Store]:
    yield from stored(s3)


@pytest.fixture(params=["rclone", "a proxy"])
def ignoring(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store that ignores the condition."""
    by_proxy = request.param == "a proxy"
    for store in stored(request.getfixturevalue("moto" if by_proxy else "rclone")):
        store.ignoring = SENT if by_proxy else frozenset()
        yield store


def refuse_to_write(bucket: Bucket, content: bytes = b"second") -> None:
    with bucket.upload(KEY) as upload:
        upload.write(content)
        with pytest.raises(KeyTaken, match="left as it is"):
            upload.finish()


def test_where_it_was_shown_no_key_is_looked_at_and_a_taken_one_is_refused(refusing: Store) -> None:
    bucket = refusing.bucket()
    assert bucket.try_second_write(FOLDER, TRIED) is True
    assert refusing.counted() == {"PutObject": 2}
    bucket.create(KEY, b"first")
    bucket.create(f"{KEY} more", b"first")
    assert refusing.counted() == {"PutObject": 2}
    refuse_to_write(bucket)
    assert refusing.read(KEY) == b"first"


def test_an_object_of_another_program_is_refused_as_well(refusing: Store) -> None:
    bucket = refusing.bucket()
    assert bucket.try_second_write(FOLDER, TRIED)
    refusing.write(KEY, b"first!")
    refuse_to_write(bucket)
    assert refusing.read(KEY) == b"first!"


def test_once_the_object_is_there_it_takes_one_request(refusing: Store) -> None:
    assert refusing.bucket().try_second_write(FOLDER, TRIED)
    refusing.counted()
    assert refusing.bucket().try_second_write(FOLDER, TRIED) is True
    assert refusing.counted() == {"PutObject": 1}
    assert refusing.read(TRIED) == TRIED_CONTENT


def test_where_it_was_not_shown_each_key_is_looked_at(either: Store) -> None:
    bucket = either.bucket()
    bucket.create(KEY, b"first")
    assert either.counted() == {"HeadObject": 1, "PutObject": 1}
    refuse_to_write(bucket)
    assert either.counted() == {"HeadObject": 1}
    assert either.read(KEY) == b"first"


def test_elsewhere_each_key_is_looked_at(refusing: Store) -> None:
    bucket = refusing.bucket()
    assert bucket.try_second_write(FOLDER, TRIED)
    refusing.counted()
    bucket.create("an archive/client=ab/a key", b"first")
    assert refusing.counted() == {"HeadObject": 1, "PutObject": 1}
    other = f"{refusing.name}-other"
    refusing.s3.create_bucket(other)
    bucket.elsewhere(other).create(KEY, b"first")
    assert refusing.counted() == {"HeadObject": 1, "PutObject": 1}


def test_a_store_that_ignores_the_condition_is_found_out_and_overwrites_nothing(ignoring: Store) -> None:
    bucket = ignoring.bucket()
    assert bucket.try_second_write(FOLDER, TRIED) is False
    assert ignoring.read(TRIED) == TRIED_CONTENT
    ignoring.counted()
    bucket.create(KEY, b"first")
    assert ignoring.counted() == {"HeadObject": 1, "PutObject": 1}
    refuse_to_write(bucket)
    assert ignoring.counted() == {"HeadObject": 1}
    assert ignoring.read(KEY) == b"first"


NOT_A_REFUSAL: dict[str, Deed] = {
    "another write at this moment": answered(409, "ConditionalRequestConflict"),
    "denied": answered(403, "AccessDenied"),
    "not known": answered(501, "NotImplemented"),
    "an error": answered(500, "InternalError"),
    "a bare 400": answered(400, "BadDigest"),
    "no answer": reset,
    "a lost answer": reset_after,
}


@pytest.mark.parametrize("deed", NOT_A_REFUSAL)
@pytest.mark.parametrize("first", [True, False], ids=["at once", "then"])
def test_nothing_but_a_refusal_shows_it(refusing: Store, deed: str, first: bool) -> None:
    bucket = refusing.bucket()
    refusing.deeds = [NOT_A_REFUSAL[deed]] if first else [lambda request, forward: forward(request.body)]
    refusing.deeds += [] if first else [NOT_A_REFUSAL[deed]]
    assert bucket.try_second_write(FOLDER, TRIED) is None
    refusing.counted()
    bucket.create(KEY, b"first")
    assert refusing.counted() == {"HeadObject": 1, "PutObject": 1}


def test_where_an_answer_is_lost_the_client_s_second_try_shows_it(either: Store) -> None:
    """It meets the object of the first: one store refuses it, the other does not."""
    either.deeds = [reset_after]
    bucket = either.bucket(tries=2)
    shown = bucket.try_second_write(FOLDER, TRIED)
    bucket.create(KEY, b"first")
    assert either.counted()["HeadObject"] == (0 if shown else 1)
    assert shown is (either.s3.name == "moto")
    refuse_to_write(bucket)
    assert either.read(KEY) == b"first"


def test_an_own_write_whose_answer_was_lost_is_known_again_without_a_look_before(refusing: Store) -> None:
    bucket = refusing.bucket(tries=2)
    assert bucket.try_second_write(FOLDER, TRIED)
    refusing.counted()
    refusing.deeds = [reset_after]
    bucket.create(KEY, b"first")
    assert refusing.counted() == {"PutObject": 2, "HeadObject": 1}
    assert refusing.read(KEY) == b"first"


def test_several_at_once_harm_nobody(either: Store) -> None:
    found = at_once([partial(either.bucket().try_second_write, FOLDER, TRIED) for _ in range(4)])
    for one in found:
        one.result()
    assert either.read(TRIED) == TRIED_CONTENT


@pytest.mark.parametrize("by_the_end_alone", [False, True], ids=["knows the condition", "ignores it at the end"])
def test_an_upload_in_parts_is_looked_at_before_its_end_all_the_same(refusing: Store, by_the_end_alone: bool) -> None:
    """A store may know the condition for one request and ignore it for the other."""
    bucket = refusing.bucket()
    assert bucket.try_second_write(FOLDER, TRIED)
    bucket.create(KEY, b"first")
    refusing.ignoring = frozenset({"CompleteMultipartUpload"} if by_the_end_alone else ())
    refusing.counted()
    refuse_to_write(bucket, LARGE)
    assert refusing.counted() == {"CreateMultipartUpload": 1, "UploadPart": 2, "HeadObject": 1}
    assert refusing.read(KEY) == b"first"
