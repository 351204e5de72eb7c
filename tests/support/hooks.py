"""An object store that lets a test do something at the very moment an object is written.

Everything still goes to the real server; only the moment is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

import pytest

from pg_archiver.postgres.session import CopyOut, Line, Row, Session
from pg_archiver.postgres.statements import Names
from pg_archiver.s3.bucket import Bucket
from pg_archiver.s3.uploads import Upload
from tests.support.place import Place

Act = Callable[[str], None]


def _nothing(_key: str) -> None:
    pass


class HookedUpload(Upload):
    """Calls `before_finish` with the key before the object begins to exist."""

    def __init__(self, bucket: Bucket, key: str, before_finish: Act) -> None:
        super().__init__(bucket, key)
        self._finishing: Callable[[], None] = partial(before_finish, key)

    def finish(self) -> None:
        self._finishing()
        super().finish()


@dataclass(frozen=True)
class HookedStore(Bucket):
    """Calls `before_upload` with the key before an upload is begun, and `before_finish` before it ends."""

    before_upload: Act = _nothing
    before_finish: Act = _nothing

    @contextmanager
    def upload(self, key: str) -> Generator[Upload]:
        self.before_upload(key)
        with super().upload(key):
            upload = HookedUpload(self, key, self.before_finish)
            try:
                yield upload
            finally:
                upload.abort()


def hooked(place: Place, before_upload: Act) -> HookedStore:
    return HookedStore(place.client, place.bucket, before_upload=before_upload)


def between_keys_and_rows(place: Place, action: Callable[[], object]) -> HookedStore:
    """Does it in the export's snapshot, after the sidecar was written and before its object is."""

    def act(key: str) -> None:
        if not key.rsplit("/", 1)[1].startswith("_"):
            action()

    return HookedStore(place.client, place.bucket, before_finish=act)


class HookedDatabase(Session):
    """Does something once, just before a statement of this name is sent; the connection and the server are real."""

    moment = ""
    action: Act = _nothing

    def fetch_all(self, statement: str, names: Names | None = None, /, **values: object) -> list[Row]:
        self._act(statement)
        return super().fetch_all(statement, names, **values)

    def execute(self, statement: str, names: Names | None = None, /, **values: object) -> int:
        self._act(statement)
        return super().execute(statement, names, **values)

    def _act(self, statement: str) -> None:
        if statement == self.moment:
            self.moment = ""
            self.action(statement)


@contextmanager
def acting_before(place: Place, statement: str, action: Callable[[], object]) -> Generator[HookedDatabase]:
    """A session in which something happens once, before a statement."""
    with HookedDatabase.connect(place.connect, place.database, "test") as session:
        assert isinstance(session, HookedDatabase)

        def act(_statement: str) -> None:
            action()

        session.moment, session.action = statement, act
        yield session


@dataclass
class LosingCopy:
    """A COPY of which the last row does not come, though the server has counted it."""

    whole: CopyOut
    lost: int = 0

    @property
    def rows(self) -> int:
        return self.whole.rows

    @property
    def size(self) -> int:
        return self.whole.size - self.lost

    def batches(self) -> Iterator[list[Line]]:
        rows = [row for batch in self.whole.batches() for row in batch]
        self.lost = len(rows[-1])
        yield rows[:-1]


@dataclass
class CroppingCopy:
    """A COPY of which a row is handed on without its last bytes, as many rows as there are."""

    whole: CopyOut

    @property
    def rows(self) -> int:
        return self.whole.rows

    @property
    def size(self) -> int:
        return self.whole.size

    def batches(self) -> Iterator[list[Line]]:
        rows = [row for batch in self.whole.batches() for row in batch]
        yield [*rows[:-1], bytes(rows[-1])[:-3] + b"\n"]


class LosingDatabase(Session):
    """Loses a row of each COPY between the connection and whoever reads it."""

    @contextmanager
    def copy_out(self, statement: str, names: Names, /, **values: object) -> Generator[CopyOut]:
        with super().copy_out(statement, names, **values) as copy:
            yield cast(CopyOut, LosingCopy(copy))


class CroppingDatabase(Session):
    """Loses some bytes of each COPY between the connection and whoever reads it."""

    @contextmanager
    def copy_out(self, statement: str, names: Names, /, **values: object) -> Generator[CopyOut]:
        with super().copy_out(statement, names, **values) as copy:
            yield cast(CopyOut, CroppingCopy(copy))


class MiscountingDatabase(Session):
    """Counts a row too few in the parts of each window."""

    def fetch_all(self, statement: str, names: Names | None = None, /, **values: object) -> list[Row]:
        found = super().fetch_all(statement, names, **values)
        if statement == "archive/export/sub_ranges_by_time":
            return [found[0]._replace(rows=found[0].rows - 1), *found[1:]]
        return found


def before_statement(patched: pytest.MonkeyPatch, statement: str, action: Callable[[], object]) -> None:
    """Does something once, just before any session sends a statement of this name."""
    left = [action]

    def act(sent: str) -> None:
        if sent == statement and left:
            left.pop()()

    fetch_all, execute = Session.fetch_all, Session.execute

    def acting_fetch(self: Session, sent: str, names: Names | None = None, /, **values: object) -> list[Row]:
        act(sent)
        return fetch_all(self, sent, names, **values)

    def acting_execute(self: Session, sent: str, names: Names | None = None, /, **values: object) -> int:
        act(sent)
        return execute(self, sent, names, **values)

    patched.setattr(Session, "fetch_all", acting_fetch)
    patched.setattr(Session, "execute", acting_execute)
