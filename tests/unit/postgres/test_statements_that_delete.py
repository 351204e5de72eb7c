"""The statements by which rows or tables of users go, and which code sends them: no other path deletes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from pg_archiver.postgres.statements import FOLDER

CODE = FOLDER.parent / "pg_archiver"
# What takes rows or tables away, and the first word of whose.
TAKES_AWAY = re.compile(
    r"\b(?:DELETE\s+FROM|DROP\s+(?:FOREIGN\s+)?TABLE|DROP\s+SCHEMA|TRUNCATE(?:\s+TABLE)?|MERGE\s+INTO)"
    r"\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?([\w.{}\"]+)",
    re.IGNORECASE,
)
OPTION = re.compile(r"VACUUM \(TRUNCATE \w+", re.IGNORECASE)
# The ledger's and the jobs' own tables, and those of one session.
OWN = ("archiver.", "pg_temp.")
DELETING = {
    "archive/delete/batch": {"archive/delete.py"},
    "archive/delete/batch_by_range": {"archive/delete_by_range.py"},
    "partitions/drop": {"partitions/dropping.py"},
    "purge/delete_listed": {"purge/table_in_hand.py"},
    "purge/delete_oldest": {"purge/table_in_hand.py"},
    "purge/versions/delete": {"purge/versions_in_hand.py"},
    "purge/versions/delete_settled": {"purge/versions_in_hand.py"},
    # What pg_repack has left behind when it was ended.
    "maintenance/pg_repack/drop_table": {"maintenance/pg_repack_leftovers.py"},
}
# Who may have rows deleted, or partitions dropped, by whom.
IMPORTERS = {
    "pg_archiver.archive.delete_by_range": {"archive/delete.py", "archive/delete_together.py"},
    "pg_archiver.archive.delete_together": {"archive/delete.py"},
    "pg_archiver.partitions.dropping": {"archive/drop_partition.py", "purge/drop_partitions.py"},
    "pg_archiver.purge.table_in_hand": {
        "purge/batches.py",
        "purge/purge_keys.py",
        "purge/purge_versions.py",
        "purge/versions_in_hand.py",
    },
    "pg_archiver.purge.batches": {"purge/purge.py", "purge/purge_keys.py", "purge/purge_versions.py"},
    "pg_archiver.purge.versions_in_hand": {"purge/purge_keys.py", "purge/purge_versions.py"},
    "pg_archiver.purge.purge_versions": {"purge/purge.py"},
    "pg_archiver.purge.drop_partitions": {"purge/purge.py"},
    "pg_archiver.purge.purge_keys": {"jobs/event_versions.py"},
    "pg_archiver.purge.purge": {"jobs/table_work.py"},
}


def statements() -> dict[str, str]:
    """Every file, without its comments."""
    return {
        path.relative_to(FOLDER).with_suffix("").as_posix(): re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
        for path in FOLDER.rglob("*.sql")
    }


def modules() -> dict[str, ast.Module]:
    return {
        path.relative_to(CODE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in Path(CODE).rglob("*.py")
    }


def imported(tree: ast.Module) -> set[str]:
    """Every module that is imported, and every name from one, which may be a module too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def test_rows_and_tables_of_users_go_by_these_statements_alone() -> None:
    found = {
        name
        for name, text in statements().items()
        if any(not target.lower().startswith(OWN) for target in TAKES_AWAY.findall(OPTION.sub("", text)))
    }
    assert found == set(DELETING)


def test_each_of_them_is_sent_by_one_module() -> None:
    # By its last word where the module puts the name together.
    words = {name: {name, name.rpartition("/")[2]} if "pg_repack" in name else {name} for name in DELETING}
    found: dict[str, set[str]] = {name: set() for name in DELETING}
    for module, tree in modules().items():
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        for name in DELETING:
            if texts & words[name]:
                found[name].add(module)
    assert found == DELETING


def test_no_statement_that_takes_away_stands_in_the_code() -> None:
    texts = {
        (module, node.value)
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.match(r"\s*(DELETE\s+FROM|TRUNCATE\s+\w|DROP\s+TABLE|MERGE\s+INTO)", node.value)
    }
    assert texts == set()


def test_nobody_else_asks_for_them() -> None:
    found = {
        asked: {module for module, tree in modules().items() if asked in imported(tree)} for asked in sorted(IMPORTERS)
    }
    assert found == IMPORTERS
