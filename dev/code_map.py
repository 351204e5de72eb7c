"""The map of the code in docs/architecture.md: packages by layer, who imports whom, and what each module is.

`python -m dev.code_map` says whether the page is up to date; `--write` brings it up to date.
"""

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).absolute().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
CODE = ROOT / "include" / "pg_archiver"
BEGIN, END = "<!-- code map: begin -->\n", "<!-- code map: end -->\n"


def draw() -> str:
    """Return the map as Markdown: a diagram of the packages, and a list of the modules of each."""
    return f"{_diagram()}\n{_listing()}"


def read_page() -> tuple[str, str, str]:
    """Return what stands on the page before the map, the map, and what stands after it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    present, _, after = rest.partition(END)
    return before, present, after


def _layers() -> list[list[str]]:
    """Return the layers of pyproject.toml from the highest to the lowest, each with its packages."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def _modules(package: str) -> list[Path]:
    place = CODE / package
    found = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return [path for path in found if path.name != "__init__.py"]


def _imported(path: Path) -> Iterator[str]:
    """Yield the packages of ours that a module imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pg_archiver"):
            parts = node.module.split(".")[1:]
            yield from parts[:1] or (alias.name for alias in node.names)


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _diagram() -> str:
    """Return a Mermaid diagram; `errors` and `domain` are imported by nearly all, so their arrows are left out."""
    layers = _layers()
    lines = ["```mermaid", "flowchart TB"]
    for number, layer in enumerate(layers):
        lines += [f"  subgraph layer{number}[ ]", "    direction LR", *(f"    {name}" for name in layer), "  end"]
    for name in (name for layer in layers for name in layer):
        others = {other for path in _modules(name) for other in _imported(path)} - {name, "domain", "errors"}
        lines += [f"  {name} --> {other}" for other in sorted(others)]
    return "\n".join([*lines, "```", ""])


def _listing() -> str:
    lines = []
    for name in (name for layer in _layers() for name in layer):
        package = CODE / name / "__init__.py"
        if not package.exists():
            lines += [f"- `{name}.py`: {_first_line(package.parent.with_suffix('.py'))}"]
            continue
        lines += [f"- `{name}/`: {_first_line(package)}"]
        lines += [
            f"  - `{path.relative_to(package.parent).as_posix()}`: {_first_line(path)}" for path in _modules(name)
        ]
    return "\n".join([*lines, ""])


def main() -> int:
    """Compare the page with the code, or bring it up to date; return the process's status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="bring the page up to date")
    before, present, after = read_page()
    if parser.parse_args().write:
        PAGE.write_text(f"{before}{BEGIN}{draw()}{END}{after}", encoding="utf-8")
        return 0
    return int(present != draw())


if __name__ == "__main__":
    sys.exit(main())
