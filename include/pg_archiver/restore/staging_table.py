"""One object's rows in a temporary table, on their way into the target.

The rows come in with the types that they have in the target, or in those that they had, to be converted. What cannot be
read is found out row by row, so that one value keeps no other row out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime

from pg_archiver.domain.windows import Window
from pg_archiver.errors import CheckFailed, DatabaseRefused, RightMissing, ValueRefused
from pg_archiver.ledger.removed_rows import RemovedRows
from pg_archiver.objects.csv_rows import split_records
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_reader import ObjectReader
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Inexact, Names, QualifiedColumn, Typed, TypeName
from pg_archiver.restore.conversions import Conversion, find_conversion, type_name
from pg_archiver.restore.refused_rows import Refusals
from pg_archiver.restore.target_table import Target

# Of rows that are loaded piece by piece because one of them cannot be read.
_PIECE_BYTES = 1 << 18
# The module takes no field of more than 128 KiB otherwise; the server's have up to 1 GB.
csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class Left:
    """The rows that are still in the staging table: how many, and between which numbers, both included."""

    rows: int
    first: int
    last: int


@dataclass(frozen=True)
class Met:
    """Rows that met one in the target under their key, and how many of these this very run had put there."""

    rows: int
    own: int


@dataclass
class Staging:
    """The temporary table. Every method that drops something says how many rows it were.

    `timezone` is the policy's, `span` what the restore and the object have in common, `gone` says which rows had left,
    `as_text` names columns of a new table that take their values as they were archived. `refusals` collects the rows
    that cannot come in.
    """

    session: Session
    target: Target
    manifest: Manifest
    timezone: str
    span: Window
    gone: RemovedRows
    as_text: tuple[str, ...] = ()
    refusals: Refusals = field(default_factory=Refusals)
    _conversions: list[Conversion] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """The object's columns, in its order."""
        return [column.name for column in self.manifest.columns]

    @property
    def key(self) -> list[str]:
        """The target's key, if the object holds all of it; a key column added since says nothing of these rows."""
        return list(self.target.key) if set(self.target.key) <= set(self.columns) else []

    @property
    def position(self) -> str:
        """The name of the column that numbers the rows; none of the object's."""
        name = "position"
        while name in self.columns:
            name += "_"
        return name

    @property
    def inserted_columns(self) -> list[str]:
        """The columns that are put in: those the target has, and does not generate itself."""
        there = {column.name for column in self.target.columns if not column.is_generated}
        return [name for name in self.columns if name in there]

    @property
    def generated_columns(self) -> list[str]:
        """The columns that the target generates and the object holds as well."""
        return [column.name for column in self.target.columns if column.is_generated and column.name in self.columns]

    def load(self, content: Callable[[], ObjectReader]) -> int:
        """Fill the table from the object as it is read back and checked; return the rows that came, refused ones too.

        Args:
            content: opens the object; it is read a second time if a value of it cannot be read.

        Raises:
            CheckFailed: the object is not what was sent, or a column of it cannot be converted.
            ObjectMissing: it is not there.
        """
        self._conversions = self._find_conversions()
        self._create()
        try:
            # The server says what it makes of the values when all are sent: damage is found before a value is blamed.
            with self.session.transaction(), closing(content().read_chunks()) as chunks:
                rows = self.session.copy_in("restore/load_staged", {"columns": self.columns}, chunks)
        except ValueRefused:
            self._create()
            with closing(content().read_chunks()) as chunks:
                rows = self._load_piecewise(chunks)
        self.session.execute("restore/analyze_staged")
        return rows

    def convert(self) -> None:
        """Give columns the types of today; rows of which a value would become another one are refused."""
        for conversion in self._conversions:
            self._check(conversion)
        self._convert(self._conversions)
        if self._conversions:
            self.session.execute("restore/analyze_staged")

    def _convert(self, conversions: Sequence[Conversion]) -> None:
        for conversion in conversions:
            converted = conversion.converted
            names: Names = {"column": converted.column, "type": converted.now, "converted": converted}
            try:
                with self.session.transaction():
                    self.session.use_database_search_path(builtins_first=True)
                    self.session.execute("restore/convert", names)
            except DatabaseRefused:
                raise self._unconvertible(conversion) from None

    def drop_outside(self) -> int:
        """Take out the rows outside the span, in the types in which they were archived."""
        if self.span == self.manifest.span:
            return 0
        names: Names = {"column": self.manifest.timestamp_column}
        if self.key and not any(conversion.column in self.key for conversion in self._conversions):
            self._change("restore/remember_outside", {**names, "key": self.key}, self.span)
        return self._change("restore/drop_outside", names, self.span)

    def drop_span(self, span: Window) -> int:
        """Take out the rows of a span that an older version's restore put into the target."""
        return self._change("restore/drop_span", {"column": self.manifest.timestamp_column}, span)

    def drop_kept(self) -> int:
        """Take out the rows that never left their table."""
        if not self.gone.kept and self.gone.upto >= self.manifest.rows:
            return 0
        values = {"upto": self.gone.upto, "kept": str(self.gone.kept)}
        return self.session.execute("restore/drop_kept", {"position": self.position}, **values)

    def drop_before(self, positions: tuple[str, ...]) -> int:
        """Take out the rows with these numbers, which are multiranges as the server writes them."""
        return self.session.execute("restore/drop_before", {"position": self.position}, positions=list(positions))

    def keep_positions(self, positions: Sequence[int]) -> None:
        """Take out all but the rows with these numbers."""
        self.session.execute("restore/keep_positions", {"position": self.position}, positions=list(positions))

    def drop_positions(self, positions: Sequence[int]) -> int:
        """Take out the rows with these numbers."""
        return self.session.execute("restore/drop_positions", {"position": self.position}, positions=list(positions))

    def drop_superseded(self) -> int:
        """Take out the rows of which a newer version came already, and remember the keys of the others."""
        with self.session.transaction():
            self.session.use_database_search_path(builtins_first=True)
            dropped = self.session.execute(
                "restore/drop_superseded", {"staged_key": self.of("staged"), "seen_key": self.of("seen")}
            )
            self.session.execute("restore/remember_keys", {"key": self.key})
        return dropped

    def drop_conflicts(self, own: tuple[str, ...]) -> Met:
        """Take out the rows that meet one in the target under their key."""
        names: Names = {
            "table": self.target.table,
            "staged_key": self.of("staged"),
            "live_key": self.of("live"),
            "position": self.position,
        }
        with self.session.transaction():
            self.session.use_database_search_path(builtins_first=True)
            found = self.session.fetch_one("restore/drop_conflicts", names, own=list(own))
        return Met(found.rows, found.own)

    def remember_listed(self, sidecar: ObjectReader, key: Sequence[str]) -> None:
        """Remember the keys of an object's rows from the list beside it: those that had left, for which it is asked.

        Raises:
            CheckFailed: the list is not what was sent.
            DatabaseRefused: a key of it can no longer be read.
        """
        places = [f"{name}{'_' * len(max(key, key=len))}" for name in ("version", "part", "place")]
        conversions = [one for one in self._find_conversions() if one.column in key]
        types = {name: type_name(kind) for name, kind in self.target.types.items()}
        types |= {conversion.column: conversion.converted.before for conversion in conversions}
        columns = [Typed(name, types.get(name, TypeName("text"))) for name in (*places, *key)]
        self.session.execute("restore/drop_staged")
        self.session.execute("restore/create_staged", {"columns": columns, "position": self.position})
        with self.session.transaction(), closing(sidecar.read_chunks()) as chunks:
            self.session.copy_in("restore/load_staged", {"columns": [*places, *key]}, chunks)
        self.drop_kept()
        self._convert(conversions)
        self.session.execute("restore/remember_keys", {"key": self.key})

    def left(self) -> Left:
        """Return what is still to come in."""
        found = self.session.fetch_one("restore/rows_left", {"position": self.position})
        return Left(found.rows, found.first, found.last)

    def positions(self) -> str:
        """Return the numbers of the rows in the table, as the server writes a multirange."""
        return str(self.session.fetch_one("restore/positions", {"position": self.position}).positions)

    def of(self, alias: str) -> list[QualifiedColumn]:
        """Return the key's columns, of the relation that goes by this alias."""
        return [QualifiedColumn(alias, name) for name in self.key]

    def _find_conversions(self) -> list[Conversion]:
        types = self.target.types
        found = (
            find_conversion(self.session, self.manifest, column, types[column.name], self.timezone)
            for column in self.manifest.columns
            if column.name in types and column.name not in self.as_text
        )
        return [conversion for conversion in found if conversion]

    def _create(self) -> None:
        types = {name: type_name(kind) for name, kind in self.target.types.items()}
        types |= {conversion.column: conversion.converted.before for conversion in self._conversions}
        columns = [Typed(name, types.get(name, TypeName("text"))) for name in self.columns]
        self.session.execute("restore/drop_staged")
        self.session.execute("restore/create_staged", {"columns": columns, "position": self.position})

    def _load_piecewise(self, chunks: Iterator[bytes]) -> int:
        """Load the rows in pieces, each in a savepoint, and of a piece that is refused ever smaller ones."""
        rows = split_records(chunks)
        next(rows, None)
        number, first, size = 0, 1, 0
        piece: list[bytes] = []
        with self.session.transaction():
            for row in rows:
                number += 1
                piece.append(b"%d,%b" % (number, row))
                size += len(row)
                if size >= _PIECE_BYTES:
                    self._load_piece(piece, first)
                    piece, size, first = [], 0, number + 1
            self._load_piece(piece, first)
        return number

    def _load_piece(self, piece: Sequence[bytes], first: int) -> None:
        if not piece:
            return
        try:
            with self.session.transaction():
                names: Names = {"columns": self.columns, "position": self.position}
                self.session.copy_in("restore/load_numbered", names, iter(piece))
        except RightMissing:
            raise
        except DatabaseRefused as refusal:
            if len(piece) == 1:
                self._refuse(first, piece[0], str(refusal))
                return
            half = len(piece) // 2
            self._load_piece(piece[:half], first)
            self._load_piece(piece[half:], first + half)

    def _refuse(self, number: int, record: bytes, reason: str) -> None:
        """Report a row that cannot be read, if it is one that left and one of the span."""
        _, *values = next(csv.reader(io.StringIO(record.decode(errors="replace"), newline="")))
        row = dict(zip(self.columns, values, strict=True))
        if number > self.gone.upto or number in self.gone.kept:
            return
        self._remember(row)
        with suppress(ValueError):
            moment = datetime.fromisoformat(row[self.manifest.timestamp_column]).replace(tzinfo=None)
            if not self.span.start <= moment < self.span.end:
                return
        self.refusals.add(number, reason)

    def _remember(self, row: dict[str, str]) -> None:
        """Keep an older version of a row that cannot be read from coming in its place."""
        if not self.key:
            return
        line = io.StringIO(newline="")
        csv.writer(line, quoting=csv.QUOTE_ALL).writerow([row[name] for name in self.key])
        try:
            with self.session.transaction():
                self.session.copy_in("restore/load_seen", {"key": self.key}, iter([line.getvalue().encode()]))
        except DatabaseRefused:
            # The key itself cannot be read, so no older version can be in the target's types either.
            pass

    def _check(self, conversion: Conversion) -> None:
        left = self.left()
        if left.rows and conversion.checked:
            inexact = self._inexact(conversion, left.first - 1, left.last)
            self.drop_positions(inexact)

    def _inexact(self, conversion: Conversion, after: int, upto: int) -> list[int]:
        """Return the numbers of the rows whose value does not come over as what it is; told as refused."""
        names: Names = {"position": self.position, "inexact": Inexact(conversion.converted)}
        try:
            with self.session.transaction():
                self.session.use_database_search_path(builtins_first=True)
                found = [
                    row.position
                    for row in self.session.fetch_all("restore/inexact_values", names, after=after, upto=upto)
                ]
        except ValueRefused:
            if upto - after > 1:
                middle = (after + upto) // 2
                return self._inexact(conversion, after, middle) + self._inexact(conversion, middle, upto)
            self.refusals.add(upto, f"column {conversion.column}: a value no longer fits its column ({conversion})")
            return [upto]
        except DatabaseRefused:
            raise self._unconvertible(conversion) from None
        for number in found:
            self.refusals.add(number, f"column {conversion.column}: its value would change ({conversion})")
        return found

    def _unconvertible(self, conversion: Conversion) -> CheckFailed:
        return CheckFailed(
            f"column {conversion.column} cannot be converted from {conversion}. Nothing of this object was "
            "restored. Fix: restore into a new table"
        )

    def _change(self, statement: str, names: Names, span: Window) -> int:
        return self.session.execute(statement, names, start=span.start, end=span.end)
