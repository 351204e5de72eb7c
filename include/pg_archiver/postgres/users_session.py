"""The session in which code of users runs: with the database's own settings, by a login of its own."""

from __future__ import annotations

from pg_archiver.postgres.base_session import format_milliseconds
from pg_archiver.postgres.session import Session


class UsersSession(Session):
    """One connection to a client database in which code of its users runs.

    The search path, the time zone and everything else is as the database and the login have it, but for the limits.
    So every name in a statement of ours is qualified.
    """

    def _pin(self) -> None:
        self.fetch_one("postgres/session/pin_limits", **self._limits_of_server())
        self._called_users = False

    def _limits_of_server(self) -> dict[str, str]:
        """Return the values of `postgres/session/pin_limits`."""
        return {
            "lock_timeout": format_milliseconds(self._limits.lock),
            "statement_timeout": format_milliseconds(self._limits.statement),
            "idle_timeout": format_milliseconds(self._limits.idle),
            "check_interval": self._check_interval,
        }
