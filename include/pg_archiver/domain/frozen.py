"""A value that is checked when it is made and cannot change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """What a later version adds is kept, and otherwise ignored; only another `format` is refused."""

    model_config = ConfigDict(extra="allow", frozen=True)
