"""What the docs point to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TESTS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}


def test_every_promise_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "guarantees-tests.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)
    assert named
    assert [pair for pair in named if f"def {pair[1]}(" not in TESTS.get(pair[0], "")] == []


def test_promises_in_prose_and_their_tests_have_the_same_groups() -> None:
    prose, tests = (
        (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("guarantees.md", "guarantees-tests.md")
    )
    promised = re.findall("^## (.+)", prose.partition("## What is not promised")[0], flags=re.MULTILINE)
    tried = re.findall("^## (.+)", tests.partition("## What is taken away")[0], flags=re.MULTILINE)
    assert promised == tried


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_headings_name_one_that_is_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
    targets = [(page.parent / link if link else page, heading) for link, heading in links]
    assert [(path.name, name) for path, name in targets if path.suffix == ".md" and name not in anchors(path)] == []


def anchors(page: Path) -> set[str]:
    """The names under which GitHub lets a page's headings be linked."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_in_the_docs_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`?make ([a-z][a-z-]+)`?", page.read_text(encoding="utf-8")))
    known = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    assert {name for name in named if f"`make {name}`" in page.read_text(encoding="utf-8")} <= known
