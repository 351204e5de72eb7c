"""Placeholder until the module itself comes."""

from __future__ import annotations

from include.archiver.database import Database
from include.archiver.models import WorkOrder
from include.archiver.storage import ObjectStore


class Ownership:
    def __init__(self, database: Database, bucket: ObjectStore, order: WorkOrder) -> None: ...
    def claim(self, adopt: str | None = None) -> None: ...
    def confirm(self) -> None: ...
    def reconfirm(self) -> None: ...
    def hindrance(self, adopt: str | None = None) -> str | None:
        return None
