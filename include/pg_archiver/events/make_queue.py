"""The queue of events of a database without Airflow: `python -m pg_archiver.events.make_queue DSN`.

It makes the tables and functions of schema `archiver`, or brings them to this version. With Airflow the DAG
`events__<client>` does so. The login is the one that owns them from then on, and is not that of functions.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from pg_archiver.errors import ArchiverError
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.postgres.dsn import Dsn
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)


def make_queue(dsn: str) -> None:
    """Make the queue of the database of a DSN, or bring it to this version.

    Raises:
        SettingError: the DSN cannot be read.
        DatabaseRefused: the login may not make it, or its tables' names are taken by others.
        DatabaseInterrupted: the database cannot be reached.
    """
    parsed = Dsn.parse(dsn)
    with Session.connect(parsed.connect, parsed.name, "archiver make queue") as session:
        EventTables(session).migrate()


def main(arguments: Sequence[str] | None = None) -> int:
    """Make it; return 1 with the reason on stderr if that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m pg_archiver.events.make_queue", description=__doc__)
    parser.add_argument("dsn", metavar="DSN", help="postgresql://user@host/database, or 'host=... dbname=...'")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        make_queue(given.dsn)
    except ArchiverError as error:
        log.error("%s", error)  # noqa: TRY400 (its words are for people)
        return 1
    log.info("the queue of events is there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
