"""Messages that came from outside: each becomes events once, whatever breaks off before its source has removed it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pg_archiver.postgres.session import Session


@dataclass(frozen=True)
class Message:
    """A message as its source has it.

    Attributes:
        key: its name there.
        content: what it says; None if that is too large.
        mod_revision: the source's number for what changed this key last, never used again.
    """

    key: bytes
    content: bytes | None
    mod_revision: int

    @property
    def hash(self) -> bytes:
        """What tells it from any other of its revision, also where a source was made anew and counts from 1 again."""
        parts = (self.key, self.content or b"")
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


@dataclass(frozen=True)
class Receipt:
    """How many bindings take messages of the channel, how many messages were new, how many events they became."""

    bindings: int
    messages: int
    events: int


class ReceivedMessages:
    """Which messages of one source and channel have become events of this database."""

    def __init__(self, session: Session, source: str, channel: str) -> None:
        """Write through this session; each call is a transaction, unless one is open."""
        self._session = session
        self._names = {"source": source, "channel": channel}

    def receive(self, messages: Sequence[Message]) -> Receipt:
        """Make events of those that are new, in their order, and note that; where no binding takes any, do nothing."""
        row = self._session.fetch_one(
            "events/received/receive",
            **self._names,
            keys=[message.key for message in messages],
            contents=[message.content for message in messages],
            **_list_numbers(messages),
        )
        return Receipt(row.bindings, row.messages, row.noted)

    def forget(self, messages: Sequence[Message]) -> None:
        """Forget messages that are gone from the source."""
        self._session.fetch_one("events/received/forget", **self._names, **_list_numbers(messages))

    def forget_all(self) -> None:
        """Forget all, since the source has none of them any more."""
        self._session.fetch_one("events/received/forget", **self._names, hashes=None, revisions=None)


def _list_numbers(messages: Sequence[Message]) -> dict[str, list[bytes] | list[int]]:
    return {
        "hashes": [message.hash for message in messages],
        "revisions": [message.mod_revision for message in messages],
    }
