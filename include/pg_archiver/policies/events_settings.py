"""WHAT works on the events of a client's database: the `events` section of a client in the policy file."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pg_archiver.domain.channels import LONGEST_PREFIX, is_usable_prefix
from pg_archiver.errors import PolicyError
from pg_archiver.policies.jobs import Action
from pg_archiver.policies.jobs_settings import JobsSettings

MOST_LANES = 64
LONGEST_LINGER_SECONDS = 3_600
# Below the day that Airflow lets such a task run.
LONGEST_WORK_SECONDS = 86_400
LONGEST_CHANNEL = 200
_ConnId = Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=200)]


class ChannelSource(BaseModel):
    """Where the messages of a channel come from beside `archiver.send`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    etcd: _ConnId
    prefix: str

    @field_validator("prefix")
    @classmethod
    def _only_keys_below_it(cls, value: str) -> str:
        if not is_usable_prefix(value):
            raise ValueError(
                f"{value[:LONGEST_CHANNEL]!r} does not end with /, is that alone or has more than {LONGEST_PREFIX} "
                "characters. Write it as /q/orders/: keys below it are removed"
            )
        return _refuse_control_characters(value)


class EventsSettings(BaseModel):
    """Who works on the events of a client's database, and how long."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    conn_id: _ConnId
    lanes: Annotated[int, Field(ge=1, le=MOST_LANES)] = 1
    linger: Annotated[float, Field(ge=0, le=LONGEST_LINGER_SECONDS)] = 5
    max_seconds: Annotated[int, Field(ge=1, le=LONGEST_WORK_SECONDS)] = 600
    channels: Mapping[str, ChannelSource] = Field(default_factory=dict)

    @field_validator("channels")
    @classmethod
    def _names_of_channels(cls, value: Mapping[str, ChannelSource]) -> Mapping[str, ChannelSource]:
        for channel in value:
            if not channel.startswith("/") or len(channel) > LONGEST_CHANNEL:
                raise ValueError(
                    f"{channel[:LONGEST_CHANNEL]!r} does not begin with / or has more than {LONGEST_CHANNEL} "
                    "characters. Use a name such as /q/orders"
                )
            _refuse_control_characters(channel)
        return value

    @model_validator(mode="after")
    def _each_message_of_one_channel(self) -> Self:
        for (one, of_one), (other, of_other) in combinations(sorted(self.channels.items()), 2):
            same = of_one.etcd == of_other.etcd
            if same and (of_one.prefix.startswith(of_other.prefix) or of_other.prefix.startswith(of_one.prefix)):
                raise ValueError(
                    f"channels {one} and {other} read the same keys of {of_one.etcd!r}, so a message would be of both. "
                    "Give them prefixes of which none begins with the other"
                )
        return self


def _refuse_control_characters(value: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("it holds a control character, such as a line break")
    return value


def refuse_events(
    events: EventsSettings,
    jobs: JobsSettings | None,
    others: Mapping[str, str | None],
    *,
    reads_jobs: bool,
    where: str,
) -> None:
    """Refuse events by a login of the archiver or of procedures, and those for which nothing would run.

    Args:
        events: what a client has.
        jobs: what the client's instance allows jobs.
        others: the connections that are not for functions, by the names of their settings.
        reads_jobs: whether jobs of the client's database count at all.
        where: the client, for messages.

    Raises:
        PolicyError: they cannot be used.
    """
    for setting, conn_id in others.items():
        if conn_id == events.conn_id:
            raise PolicyError(
                f"{where}, events: conn_id is {conn_id!r}, which is {setting} too. Nothing of this client is done. A "
                "function gets the connection itself, and could do all that this login may. Fix: name the Airflow "
                "connection of a login of its own for functions"
            )
    if jobs is None or Action.FUNCTION not in jobs.actions:
        raise PolicyError(
            f"{where}: it has events, but its instance allows no job to run functions, so all of them would wait. "
            "Nothing of this client is done. Fix: add 'function' to actions in the jobs section beside its conn_id, or "
            "take events away"
        )
    if not reads_jobs:
        raise PolicyError(
            f"{where}: it has events, but no jobs of its database count, so all of them would wait. Nothing of this "
            "client is done. Fix: set own_jobs: true beside events, or list jobs of action function there"
        )
