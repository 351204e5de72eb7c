"""SQL lives in files, one statement each; this module reads them and puts names into them.

In a file `{name}` is an identifier (or a comma-separated list of them) and `%(name)s` a value that the driver
binds. Nothing else can be put into a statement, so no name and no value ever becomes SQL text by accident.
The driver reads every statement for `%`, so one in a name is doubled here, and one in a file would have to be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter

from psycopg import sql

from include.archiver.models import TableName

FOLDER = Path(__file__).parent.parent / "sql"
_TYPE_PART = r'(?:"(?:[^"\x00]|"")+"|\w[\w$]*)'
_TYPE = re.compile(
    rf"{_TYPE_PART}(?:\.{_TYPE_PART}|(?: [a-z]+)*)(?:\([\w, -]+\))?(?: with(?:out)? time zone)?(?:\[\])*"
)


@dataclass(frozen=True)
class Of:
    """A column of the relation that goes by this alias in the statement."""

    alias: str
    column: str


@dataclass(frozen=True)
class TypeName:
    """A type as `format_type` wrote it into a manifest; the only text that is not quoted on its way in.

    So it is taken only if it can be nothing else: names, quoted or plain, with a schema, a modifier, a time zone
    clause and array brackets, and no character that could end them.
    """

    text: str

    def __post_init__(self) -> None:
        if not _TYPE.fullmatch(self.text):
            raise StatementError(f"{self.text!r} is not a type as the server writes it")


@dataclass(frozen=True)
class Text:
    """A text in quotes, for statements that define things and so take no values."""

    text: str


Name = str | TableName | Of | TypeName | Text
Names = Mapping[str, Name | Sequence[Name]]


class StatementError(Exception):
    """A statement was asked for by a wrong name, or with wrong names in it: a mistake in this program."""


def compose(statement: str, names: Names) -> sql.Composed:
    """The statement of this file, `folder/name` without `.sql`, with its identifiers quoted and in place.

    Raises:
        StatementError: there is no such file, or `names` has a name too many or too few.
    """
    text, wanted = _read(statement)
    if wanted != set(names):
        raise StatementError(f"{statement}.sql wants {sorted(wanted)}, not {sorted(names)}")
    return sql.SQL(text).format(**{key: _quoted(name) for key, name in names.items()})


@cache
def _read(statement: str) -> tuple[str, frozenset[str]]:
    path = FOLDER / f"{statement}.sql"
    if not path.is_file():
        raise StatementError(f"there is no statement {statement}.sql")
    text = path.read_text(encoding="utf-8")
    return text, frozenset(field for _, field, _, _ in Formatter().parse(text) if field)


def _quoted(name: Name | Sequence[Name]) -> sql.Composable:
    if isinstance(name, str):
        return _identifier(name)
    if isinstance(name, TableName):
        return _identifier(name.schema, name.name)
    if isinstance(name, TypeName):
        return sql.SQL(name.text.replace("%", "%%").replace("{", "{{").replace("}", "}}"))
    if isinstance(name, Of):
        return _identifier(name.alias, name.column)
    if isinstance(name, Text):
        return sql.Literal(name.text.replace("%", "%%"))
    return sql.SQL(", ").join(_quoted(part) for part in name)


def _identifier(*parts: str) -> sql.Identifier:
    return sql.Identifier(*(part.replace("%", "%%") for part in parts))
