"""Names of procedures and functions in the catalog."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class ProcedureName:
    """A procedure or function by its schema and its own name, each exactly as the catalog holds it, unquoted."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"
