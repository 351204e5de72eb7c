"""A database as it was brought back to an earlier moment: a copy of its files, rows in their places and all."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

from psycopg import sql

from tests.support.place import Place


@contextmanager
def brought_back(place: Place) -> Generator[tuple[Place, Place]]:
    """Two pasts that part here: one that will be lost, in a copy of the database, and the one that goes on."""
    place.user.close()
    lost = f"{place.database}_lost"
    with place.server.connect() as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(lost), sql.Identifier(place.database))
        )
    try:
        with place.server.connect(lost) as of_lost, place.server.connect(place.database) as user:
            yield replace(place, database=lost, user=of_lost), replace(place, user=user)
    finally:
        with place.server.connect() as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(lost)))
