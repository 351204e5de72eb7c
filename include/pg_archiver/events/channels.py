"""Channels that are fed from outside: each message of a source becomes events once, and then is removed at the source.

A message is a key of etcd below a prefix. It is removed only after the commit of its events, and only at the revision
that was read, so a newer value that was put meanwhile stays and is a message of its own. Whatever breaks off in
between, the next reading finds the message known and only removes it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pg_archiver.domain.channels import LONGEST_PREFIX, is_usable_prefix
from pg_archiver.errors import DatabaseRefused, SettingError
from pg_archiver.events.etcd_client import LARGEST_KEY, EtcdClient, EtcdKey, divide
from pg_archiver.ledger.locks import channel_lock
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.ledger.received_messages import Message, ReceivedMessages
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)

_MOST_A_READING = 100_000


@dataclass(frozen=True)
class EtcdSource:
    """Where the messages of a channel are: the keys of an etcd below a prefix.

    Attributes:
        client: the etcd, which whoever made this closes.
        prefix: what the keys begin with, such as `/q/orders/`.
    """

    client: EtcdClient
    prefix: str

    def __post_init__(self) -> None:
        """Check the prefix.

        Raises:
            SettingError: it would take keys that are not below it.
        """
        if not is_usable_prefix(self.prefix):
            raise SettingError(
                f"the prefix of a channel's keys in etcd is {self.prefix[:200]!r}. Nothing was read. Fix: write "
                f"one that ends with / and has at most {LONGEST_PREFIX} characters, as in /q/orders/: keys below it "
                "are removed"
            )


@dataclass(frozen=True)
class Received:
    """What one reading of a source has done.

    Attributes:
        messages: how many became events.
        events: how many events these are: each binding of the channel gets its own.
        removed: how many keys were removed at the source, also of messages that an earlier reading had received.
        truncated: of how many of the messages the value was too large, and left out.
        left: how many keys were found and not dealt with.
        why_left: why, for people; empty if none is.
    """

    messages: int = 0
    events: int = 0
    removed: int = 0
    truncated: int = 0
    left: int = 0
    why_left: str = ""

    def __str__(self) -> str:
        many = f"{self.left} " if self.left else ""
        left = f"; {many}keys stay: {self.why_left}" if self.why_left else ""
        large = f", {self.truncated} of them without their values, which are too large" if self.truncated else ""
        return f"{self.messages} messages became {self.events} events{large}; {self.removed} keys were removed{left}"


def receive_channel(session: Session, source: EtcdSource, channel: str) -> Received:
    """Read all that is at a source, oldest first, into the queue of a database, and remove it there.

    Where another one reads for this channel, or no binding of it takes messages, all stays where it is; the answer says
    so. It ends early when the session is told to stop.

    Args:
        session: the database of the queue, not in a transaction. Its role may execute archiver.receive_messages and
            archiver.forget_messages.
        source: where the messages are.
        channel: the name of the channel, as its bindings have it.

    Raises:
        ChannelRefused: etcd refuses the login or a request. What has become events stays so, whatever is raised.
        ChannelInterrupted: etcd is not there, or not able to.
        DatabaseRefused: the database has no queue, or the role may not write to it.
        DatabaseInterrupted: the connection was lost.
    """
    if not EventTables(session).exists():
        raise DatabaseRefused(
            f"database {session.name} has no queue of events, so no message of channel {channel} was read. Fix: name "
            "the database in which archiver.watch_channel was called"
        )
    with session.try_advisory_lock(channel_lock(channel)) as is_alone:
        received = _Reading(session, source, channel).run() if is_alone else Received(why_left="another run reads them")
    if received.why_left:
        log.warning("channel %s: %s", channel, received)
    else:
        log.info("channel %s: %s", channel, received)
    return received


class _Reading:
    """One reading of a source, by the only one who reads for its channel."""

    def __init__(self, session: Session, source: EtcdSource, channel: str) -> None:
        self._session = session
        self._source = source
        self._channel = channel
        self._messages = self._events = self._removed = self._truncated = 0

    def run(self) -> Received:
        found = self._source.client.list_keys(self._source.prefix, _MOST_A_READING)
        place = f"etcd {found.cluster_id} {self._source.prefix}"
        received = ReceivedMessages(self._session, place, self._channel)
        usable = [key for key in found.keys if len(key.key) <= LARGEST_KEY]
        left = len(found.keys)
        for keys in divide(usable):
            if self._session.stop():
                return self._count(left, "the task was told to stop")
            if not self._receive(received, keys):
                return self._count(left, f"no binding of channel {self._channel} takes messages now")
            left -= len(keys)
        if not found.is_whole:
            return self._count(left + 1, f"a reading takes {_MOST_A_READING:,}, and the next one goes on")
        # Whatever was there is dealt with, so what is still known of it is gone from the source.
        received.forget_all()
        return self._count(left, f"they are longer than {LARGEST_KEY:,} bytes")

    def _receive(self, received: ReceivedMessages, keys: Sequence[EtcdKey]) -> bool:
        """Make events of these, and remove them; return whether any binding takes them."""
        values = self._source.client.read(keys)
        messages = [Message(value.key, value.value, value.mod_revision) for value in values]
        if not messages:
            return True
        with self._session.transaction():
            receipt = received.receive(messages)
        if not receipt.bindings:
            return False
        self._messages += receipt.messages
        self._events += receipt.events
        self._truncated += sum(message.content is None for message in messages)
        self._removed += self._source.client.remove(values)
        # Removed or changed meanwhile: at these revisions none of them is there any more.
        received.forget(messages)
        return True

    def _count(self, left: int = 0, why: str = "") -> Received:
        return Received(self._messages, self._events, self._removed, self._truncated, left, why if left else "")
