"""The scripts that make the archiver's role, run as on a hosted server: by psql, as an owner who is no superuser."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace

from psycopg import sql

from dev.postgres import binaries_folder
from pg_archiver.postgres.statements import FOLDER
from tests.support.place import Place

SCRIPTS = FOLDER / "roles"
# test_maintenance_roles.py, test_role_scripts.py, test_job_roles.py, test_policy_roles.py, test_functions_role.py and
# test_watch_role.py try those of other roles.
_OF_OTHER_ROLES = {
    "maintenance",
    "ledger_reader",
    "procedures",
    "job_writers",
    "data_retention_policy",
    "statistics_reader",
    "events",
    "watch",
}
_GRANT = re.compile(r"^ *GRANT ([A-Z, ]+(?: \(:\"\w+\"\))?) ON ([A-Z]+ [^\s]+) TO", re.MULTILINE)


@dataclass(frozen=True)
class Right:
    """One word of one GRANT of one script."""

    script: str
    privilege: str
    on: str

    def left_out_of(self, text: str) -> str:
        """The script without this right."""

        def kept(grant: re.Match[str]) -> str:
            privileges = grant[1].split(", ")
            if grant[2] != self.on or self.privilege not in privileges:
                return grant[0]
            privileges.remove(self.privilege)
            return grant[0].replace(grant[1], ", ".join(privileges)) if privileges else f"-- {grant[0]}"

        return _GRANT.sub(kept, text)


def text_of(script: str) -> str:
    return (SCRIPTS / f"{script}.sql").read_text(encoding="utf-8")


def rights() -> list[Right]:
    """Every right that any of the scripts grants to the archive's role."""
    return [
        Right(path.stem, privilege, on)
        for path in sorted(SCRIPTS.glob("*.sql"))
        if path.stem not in _OF_OTHER_ROLES
        for privileges, on in _GRANT.findall(path.read_text(encoding="utf-8"))
        for privilege in privileges.split(", ")
    ]


@dataclass(frozen=True)
class Owned:
    """A place whose database and table belong to a plain role, like the master user of a hosted server."""

    place: Place
    master: str
    role: str

    @classmethod
    def made(cls, place: Place) -> Owned:
        """Hands over the place, in which nobody may do anything by default."""
        owned = cls(place, f"master_{place.database}", f'role "{place.database}"')
        master, database = sql.Identifier(owned.master), sql.Identifier(place.database)
        password = sql.Literal(place.server.password)
        place.user.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}").format(master, password))
        place.user.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, master))
        place.user.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        for (schema,) in place.sql("SELECT nspname FROM pg_namespace WHERE nspname IN ('analytics', 'public')"):
            place.user.execute(sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(sql.Identifier(schema), master))
        place.user.execute(sql.SQL("ALTER TABLE analytics.events OWNER TO {}").format(master))
        return owned

    def run(self, script: str, variables: Mapping[str, str] | None = None, without: Right | None = None) -> None:
        """One script as it is in the repository, or without one of its rights."""
        text = text_of(script)
        if without and without.script == script:
            text = without.left_out_of(text)
            assert text != text_of(script)
        self._psql(text, variables or {})

    def _psql(self, script: str, variables: Mapping[str, str]) -> None:
        """A script from psql's `-f`, without a terminal; a password that it wants is the server's."""
        place = self.place
        path = place.server.directory / "script.sql"
        path.write_text(script, encoding="utf-8")
        # One psql for servers of any version, and none of their libraries.
        environment = {**place.server.tool_environment(place.database), "PGUSER": self.master}
        environment |= {"ARCHIVER_ROLE_PASSWORD": place.server.password}
        environment.pop("LD_LIBRARY_PATH", None)
        done = subprocess.run(
            [
                binaries_folder() / "psql",
                *("--no-psqlrc", "--quiet", "-f", path, "-v", f"role={self.role}"),
                *(word for name, value in variables.items() for word in ("-v", f"{name}={value}")),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        assert done.returncode == 0, done.stderr

    def login(self) -> Place:
        """The place for the role that the scripts made."""
        return replace(self.place, role=self.role)
