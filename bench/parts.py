"""Figures of `archive.json` that other modules measure: each puts its own beside the others, and into the page."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bench import archive_page
from bench.drawing import put_between_marks
from bench.place import FOLDER

Scale = TypeVar("Scale")
PARTS = "parts"


@dataclass(frozen=True)
class Part(Generic[Scale]):
    """Figures that are measured together.

    `name` is that of its marks in the page. `measure` returns `figures` by their names, `load`, `runs` and `machine`,
    of which `table` makes Markdown.
    """

    name: str
    scales: Mapping[str, Scale]
    measure: Callable[[Scale], dict[str, Any]]
    table: Callable[[Mapping[str, Any]], str]

    def run(self) -> int:
        """Measures, prints the table, and at full scale keeps the figures and puts the table into the page."""
        name = os.environ.get("SCALE") or "full"
        if name not in self.scales:
            known = ", ".join(self.scales)
            print(f"SCALE is {name!r}; set it to one of {known}, or leave it out for full", file=sys.stderr)
            return 2
        FOLDER.mkdir(parents=True, exist_ok=True)
        load_before, began = round(os.getloadavg()[0], 1), time.monotonic()
        result = self.measure(self.scales[name])
        result["load"] |= {"machine_before": load_before, "seconds": round(time.monotonic() - began)}
        print(self.table(result))
        if name == "full":
            self.keep(result)
        print(f"{result['load']['seconds']} s in all")
        return 0

    def keep(self, result: Mapping[str, Any]) -> None:
        """Puts the figures beside those of the other parts, and the table into the page."""
        found = archive_page.latest() or {}
        parts = found.pop(PARTS, {})
        for figure in parts.get(self.name, {}).get("figures", {}):
            found.pop(figure, None)
        document = {**found, **result["figures"], PARTS: {**parts, self.name: result}}
        archive_page.RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        put_between_marks(archive_page.PAGE, self.content(), self.name)

    def latest(self) -> dict[str, Any] | None:
        """The last measurement at full scale; None before the first."""
        found: dict[str, Any] | None = (archive_page.latest() or {}).get(PARTS, {}).get(self.name)
        return found

    def content(self) -> str:
        """What belongs between the marks of the page."""
        result = self.latest()
        return self.table(result) if result else archive_page.UNMEASURED


def where(result: Mapping[str, Any]) -> str:
    """On what it was measured, for a table's head."""
    on, load = result["machine"], result["load"]
    return f"{on['cpu']}, {on['cores']} cores; load {load['machine_before']} when it began"


def tell(what: str, figures: Any) -> None:
    """Prints figures as they come."""
    print(f"{what}: {figures}, load {os.getloadavg()[0]:.1f}", flush=True)
