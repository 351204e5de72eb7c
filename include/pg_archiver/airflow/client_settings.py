"""What holds for a client's table right now, from the form, Airflow's Variables, the policy file and the ledger.

N, and whether rows may leave: asked in the same way by a run and by what previews one. In which order N's sources
count is in `variables.choose_keep_days`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from pg_archiver.airflow.enabling import Enabled, decide_by_ledger, decide_enabled
from pg_archiver.airflow.variables import ClientVariables, choose_keep_days, find_misspelt_variables
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import SettingError
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client, Policies

log = logging.getLogger(__name__)

_MOST_NAMED = 10


@dataclass(frozen=True)
class ClientSettings:
    """One table of one client, the file that says so, and what Airflow's Variables say of the client."""

    client: Client
    policy: TablePolicy
    policies: Policies
    variables: ClientVariables

    def find_keep_days(self, parameter: object) -> KeepDays:
        """Return N, and where it comes from.

        Args:
            parameter: the run's `keep_days`, None where it did not set it.

        Raises:
            SettingError: it is not a number of days.
        """
        return choose_keep_days(parameter, self.client, self.policy, self.variables.keep_days, self.policies.source)

    def find_children_kept_for_ever(self) -> tuple[TableName, ...]:
        """Return the children of which everything is kept, as far as that is known; their own runs report the rest."""
        return tuple(child.name for child in self.client.tables if self._is_kept_child(child))

    def find_enabled(self, had_deleted: Callable[[], bool]) -> Enabled:
        """Return whether rows of the table may leave.

        Args:
            had_deleted: asks the ledger whether rows of the client had left before there was this question; asked only
                where no person has said anything.

        Raises:
            SettingError: the client's Variable is neither `true` nor `false`.
        """
        said = decide_enabled(self.client, self.policy, self.variables.enabled, self.policies.source)
        return said or decide_by_ledger(self.client, deleted_before=had_deleted())

    def _is_kept_child(self, child: TablePolicy) -> bool:
        if child.name not in self.policy.child_names or child.name == self.policy.name:
            return False
        try:
            found = choose_keep_days(None, self.client, child, self.variables.keep_days, self.policies.source)
        except SettingError:
            return False
        return found.everything

    def refuse_misspelt_variables(self) -> None:
        """Refuse a Variable for a client that does not exist: it was meant for one that does, perhaps to keep its rows.

        Raises:
            SettingError: one seems to be meant for this client; those for others are named in the log.
        """
        for key, meant in find_misspelt_variables(self.variables.of_clients, self.policies).items():
            message = (
                f"Airflow Variable {key} names no client of {self.policies.source}. Fix: rename it after a client "
                f"({', '.join(client.name for client in self.policies.clients[:_MOST_NAMED])}), or delete it"
            )
            if meant == self.client.name:
                raise SettingError(f"{message}. It seems to be meant for {meant!r}, so nothing was archived or deleted")
            log.error("%s", message)
