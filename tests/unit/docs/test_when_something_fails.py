"""What docs/when-something-fails quotes is what the code says, and no refusal of the code is missing there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pg_archiver import errors
from pg_archiver.errors import ArchiverError

ROOT = Path(__file__).parents[3]
INDEX = ROOT / "docs" / "when-something-fails.md"
PAGES = [INDEX, *sorted((ROOT / "docs" / "when-something-fails").glob("*.md"))]
TEXT = " ".join(word for page in PAGES for word in page.read_text(encoding="utf-8").split())
QUOTES = sorted({quote for quote in re.findall("“([^”]+)”", TEXT) if quote != "quotes"})
LINES_OF_A_CASE = ["You see", "It means", "Safe", "Do"]
GAP = "…"
# A quote shorter than this says too little to tell one message from another.
SHORTEST = 12
# Messages that are nothing but others put together.
PUT_TOGETHER = {
    "……",
    "… failed: …",
    "…: …",
    "…; …",
    "…. …",
    "bucket …: …",
    "…: …. Nothing was deleted",
    "…. Fix: …",
    "…, …",
}
_LOGGED = re.compile(r"%[.\d]*[sdf]")
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ArchiverError)}


def text_of(node: ast.AST) -> str | None:
    """A string of the source as one text, with a gap where a value is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _LOGGED.sub(GAP, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or GAP for part in node.values)
    return None


def trees() -> Iterator[ast.AST]:
    for folder in ("include", "dags"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(path.read_text(encoding="utf-8"))


def said() -> set[str]:
    """Every text in the code that is no docstring."""
    found = set()
    for tree in trees():
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        found |= {text_of(node) for node in ast.walk(tree) if id(node) not in docstrings}
    return {text for text in found if text}


def refusals() -> set[str]:
    """The text of every error that is raised, as far as it has one of its own."""
    found = set()
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise | ast.Return) and isinstance(call := _value(node), ast.Call):
                kind = call.func.id if isinstance(call.func, ast.Name) else ""
                if kind in KINDS and call.args:
                    found.add(text_of(call.args[0]))
    return {text for text in found if text} - PUT_TOGETHER


def _value(node: ast.Raise | ast.Return) -> ast.expr | None:
    return node.exc if isinstance(node, ast.Raise) else node.value


def test_every_quote_is_in_the_code() -> None:
    code = said()
    assert [quote for quote in QUOTES if not any(quote in text for text in code)] == []


def test_every_refusal_is_quoted() -> None:
    found = refusals()
    assert len(found) > 60
    long_enough = [quote for quote in QUOTES if len(quote.replace(GAP, "")) >= SHORTEST]
    assert sorted(text for text in found if not any(quote in text for quote in long_enough)) == []


def test_every_kind_of_error_is_there() -> None:
    assert sorted(kind for kind in KINDS - {"ArchiverError"} if f"`{kind}`" not in TEXT) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_case_has_its_four_lines(page: Path) -> None:
    _, *cases = re.split(r"^### ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert cases
    for case in cases:
        text = re.split(r"^## ", case, flags=re.MULTILINE)[0]
        assert re.findall(r"^- \*\*(.+?)\*\*: ", text, flags=re.MULTILINE) == LINES_OF_A_CASE, text


def test_the_index_leads_to_every_page() -> None:
    index = INDEX.read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"(when-something-fails/{page.name})" not in index] == []
