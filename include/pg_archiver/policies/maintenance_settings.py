"""WHAT to do about a table's dead space: the settings of the policy file that maintenance goes by."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from pg_archiver.policies.off_hours import OffHours

_GB = 1_000_000_000
_MB = 1_000_000


class Strategy(StrEnum):
    """How disk space is given back."""

    AUTO = "auto"
    VACUUM_FULL = "vacuum_full"
    COMPACT = "compact"
    PG_REPACK = "pg_repack"
    NONE = "none"


def _strategy(value: object) -> object:
    if isinstance(value, str) and value in set(Strategy):
        return Strategy(value)
    raise ValueError(f"not a strategy to give disk space back. Set one of {', '.join(Strategy)}")


class Disk(BaseModel):
    """How the free space on a server's disk is known: in one of these ways, or not at all."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rds_instance_id: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")] | None = None
    free_bytes: Annotated[int, Field(ge=0)] | None = None
    free_gb: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    callable: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None = None
    path: Annotated[str, Field(pattern=r"^/")] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = sorted(self.model_fields_set)
        if len(given) != 1 or getattr(self, given[0]) is None:
            raise ValueError(
                f"disk gives {', '.join(given) or 'nothing'}. Set exactly one of "
                f"{', '.join(type(self).model_fields)}, or leave disk out"
            )
        return self

    @property
    def figure(self) -> int | None:
        """The free bytes that the file itself gives, None where they are to be asked for elsewhere."""
        return round(self.free_gb * _GB) if self.free_gb is not None else self.free_bytes


class MaintenanceSettings(BaseModel):
    """The settings of a table that maintenance goes by; any level of the file may give them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    maintenance_window: str = "01:00-05:00 UTC"
    reclaim: Annotated[Strategy, BeforeValidator(_strategy)] = Strategy.AUTO
    reclaim_min_percent: Annotated[int, Field(ge=0, le=100)] = 20
    reclaim_min_mb: Annotated[int, Field(ge=0)] = 100
    approve: bool = False

    @field_validator("maintenance_window")
    @classmethod
    def _span(cls, value: str) -> str:
        return OffHours.parse(value).text

    @property
    def off_hours(self) -> OffHours:
        """When the table may be locked for long."""
        return OffHours.parse(self.maintenance_window)

    @property
    def reclaim_min_bytes(self) -> int:
        """Less than this is not worth giving back."""
        return self.reclaim_min_mb * _MB
