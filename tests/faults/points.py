"""Named points in a run, put in from outside: before and after each statement, COPY, commit and S3 call.

Nothing in the archiver knows of them. They are put in once a process, so only into processes made for it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pg_archiver.postgres.session import CopyOut, Line, Session
from pg_archiver.postgres.statements import Names

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Reach = Callable[[str], None]


def instrument(reach: Reach, client: S3Client | None = None) -> None:
    """Calls `reach` with the point's name whenever the run comes by it."""
    _statements(reach)
    _commits(reach)
    _copies(reach)
    if client is not None:
        _calls(reach, client)


def _statements(reach: Reach) -> None:
    all_, change = Session.fetch_all, Session.execute

    def reaching_all(self: Session, statement: str, names: Names | None = None, /, **values: object) -> list[Any]:
        reach(f"before {statement}")
        rows = all_(self, statement, names, **values)
        reach(f"after {statement}")
        return rows

    def reaching_change(self: Session, statement: str, names: Names | None = None, /, **values: object) -> int:
        reach(f"before {statement}")
        rows = change(self, statement, names, **values)
        reach(f"after {statement}")
        return rows

    Session.fetch_all = reaching_all  # type: ignore[method-assign,assignment]
    Session.execute = reaching_change  # type: ignore[method-assign,assignment]


def _commits(reach: Reach) -> None:
    transaction = Session.transaction

    @contextmanager
    def reaching(self: Session) -> Generator[None]:
        reach("before begin")
        with transaction(self):
            yield
            reach("before commit")
        reach("after commit")

    Session.transaction = reaching  # type: ignore[method-assign,assignment]


def _copies(reach: Reach) -> None:
    copy_out, copy_in, batches = Session.copy_out, Session.copy_in, CopyOut.batches

    @contextmanager
    def reaching_out(self: Session, statement: str, names: Names, /, **values: object) -> Generator[CopyOut]:
        reach(f"before copy {statement}")
        with copy_out(self, statement, names, **values) as copy:
            yield copy
            reach(f"at the end of copy {statement}")
        reach(f"after copy {statement}")

    def reaching_batches(self: CopyOut) -> Iterator[list[Line]]:
        for batch in batches(self):
            reach("with rows copied")
            yield batch

    def reaching_in(self: Session, statement: str, names: Names, pieces: Iterator[bytes], /) -> int:
        reach(f"before copy {statement}")
        rows = copy_in(self, statement, names, _reached(pieces, reach, f"during copy {statement}"))
        reach(f"after copy {statement}")
        return rows

    Session.copy_out = reaching_out  # type: ignore[method-assign]
    Session.copy_in = reaching_in  # type: ignore[method-assign]
    CopyOut.batches = reaching_batches  # type: ignore[method-assign]


def _reached(pieces: Iterator[bytes], reach: Reach, point: str) -> Iterator[bytes]:
    for piece in pieces:
        reach(point)
        yield piece


def _calls(reach: Reach, client: S3Client) -> None:
    def before(model: Any, **_: object) -> None:
        reach(f"before S3 {model.name}")

    def after(model: Any, **_: object) -> None:
        reach(f"after S3 {model.name}")

    client.meta.events.register("before-call.s3", before)
    client.meta.events.register("after-call.s3", after)
