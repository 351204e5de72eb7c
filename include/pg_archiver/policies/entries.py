"""The entries of the policy file as it writes them: a server, and a client, before their levels are put together."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StrictStr, model_validator

from pg_archiver.policies.events_settings import EventsSettings
from pg_archiver.policies.jobs_settings import JobsSettings
from pg_archiver.policies.maintenance_settings import Disk
from pg_archiver.policies.object_settings import ObjectSettings
from pg_archiver.policies.settings import Settings, as_tuple

# Each task holds one connection and reads or deletes as fast as it can.
DEFAULT_POOL_SLOTS = 6
LONGEST_CLIENT_NAME = 63


OF_CLIENTS_ALONE = {"name", "database", "enabled", "tables", "jobs", "own_jobs", "events"}


class ClientEntry(Settings):
    """A client as the file writes it, before the levels are put together."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_CLIENT_NAME)]
    database: Annotated[StrictStr, Field(min_length=1, max_length=63)] | None = None
    enabled: bool | None = None
    tables: Annotated[tuple[dict[str, Any], ...], BeforeValidator(as_tuple)] = ({},)
    jobs: Annotated[tuple[Any, ...], BeforeValidator(as_tuple)] = ()
    own_jobs: bool = False
    events: EventsSettings | None = None

    @model_validator(mode="after")
    def _some_table(self) -> Self:
        if not self.tables:
            raise ValueError("tables is empty. Leave it out for analytics.events, or list a table")
        return self


class InstanceEntry(ObjectSettings):
    """A server as the file writes it; what it says of objects holds for all of its clients."""

    conn_id: Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=200)]
    maintenance_conn_id: Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=200)] | None = None
    disk: Disk | None = None
    pool_slots: Annotated[int, Field(ge=1, le=1000)] = DEFAULT_POOL_SLOTS
    one_session_proxy: bool = False
    jobs: JobsSettings | None = None
    clients: list[Any]

    @model_validator(mode="after")
    def _another_login_for_procedures(self) -> Self:
        if self.jobs and self.jobs.procedures_conn_id in {self.conn_id, self.maintenance_conn_id} - {None}:
            raise ValueError(
                f"procedures_conn_id is {self.jobs.procedures_conn_id!r}, a connection of the archiver itself. A "
                "procedure can say RESET ROLE and do all that its login may, such as empty the ledger. Name the "
                "connection of a login of its own"
            )
        return self
