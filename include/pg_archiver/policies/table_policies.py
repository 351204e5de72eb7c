"""A table's policy put together from the levels of the file, and what is checked only when it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pg_archiver.domain.windows import MOST_WINDOW_HOURS
from pg_archiver.errors import PolicyError
from pg_archiver.objects.object_keys import key_segment
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.validation import validate
from pg_archiver.policies.versions import OF_VERSIONS, refuse_own_rows, refuse_untimed

# A run's windows travel through Airflow's database, and each mapped task fetches them all.
MOST_WINDOWS_A_RUN = 50_000
# S3's limit is 1024 bytes a key; the window's own part of it needs less than 124.
_LONGEST_KEY_FOLDER = 900

_Policy = TypeVar("_Policy", bound=TablePolicy)


def make_table_policy(model: type[_Policy], settings: Mapping[str, Any], where: str, client: str) -> _Policy:
    """Return the policy of a table whose rows are archived, of the settings of all levels.

    Args:
        model: the kind of policy.
        settings: those that hold, the innermost level's.
        where: how messages begin.
        client: what keys of its objects say.

    Raises:
        PolicyError: they do not fit, or not together.
    """
    refuse_untimed(settings, where)
    table = validate(model, settings, where)
    if table.hours > MOST_WINDOW_HOURS and not OF_VERSIONS & settings.keys():
        raise PolicyError(
            f"{where}: window_hours is {table.hours:,}, and windows of more than {MOST_WINDOW_HOURS} hours are "
            "for tables that keep versions. Fix: lower it"
        )
    if table.version_column is not None:
        refuse_own_rows(table.child_names, table.name, where)
    if table.bucket is None:
        raise PolicyError(f"{where}: bucket is not set. Fix: name the S3 bucket here or under defaults")
    parts = (client, table.name.schema, table.name.name)
    if len(table.prefix.encode()) + sum(len(key_segment(part)) for part in parts) > _LONGEST_KEY_FOLDER:
        raise PolicyError(f"{where}: prefix and names are too long for an S3 key. Fix: shorten the prefix")
    if table.windows_per_task != "auto":
        windows = table.windows_per_task * table.max_mapped_windows
        if windows > MOST_WINDOWS_A_RUN:
            raise PolicyError(
                f"{where}: windows_per_task {table.windows_per_task} times max_mapped_windows "
                f"{table.max_mapped_windows} is {windows:,}, and a run plans {MOST_WINDOWS_A_RUN:,} windows at most. "
                "Fix: lower one of them. What does not fit into one run is left for the next"
            )
    return table
