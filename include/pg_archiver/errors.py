"""Every error the archiver raises, sorted by what helps: a person, or time.

`Refused` needs a person: the same call will fail again, so nobody retries it. `Interrupted` needs only time:
every step may be run again, so a retry is right. Messages name the setting, its value, where it came from
and the fix. They never hold a password, a key value or a row's content.
"""

from __future__ import annotations


class ArchiverError(Exception):
    """The archiver could not do what it was asked to do."""


class Refused(ArchiverError):
    """The archiver will not do this until a person changes something; retrying does not help."""


class SettingError(Refused):
    """A variable, a parameter or a policy holds a value that cannot be used."""


class NotEnabled(Refused):
    """Nobody has said that rows of this client may really leave, or somebody has said that they may not."""


class PolicyError(SettingError):
    """The policy file, or one client's part of it, cannot be used."""


class TableRefused(Refused):
    """The table is missing, or has a shape from which rows cannot be deleted safely."""


class DatabaseRefused(Refused):
    """The server refuses this user, password, database, statement or right."""


class RightMissing(DatabaseRefused):
    """The role of the Airflow connection lacks a right."""


class ValueRefused(DatabaseRefused):
    """A value does not fit its column, or a row breaks a constraint of its table."""


class ReferenceRefused(ValueRefused):
    """A foreign key stands in the way: `constraint`, of the table `table` that points to another."""

    def __init__(self, message: str, table: str = "", constraint: str = "") -> None:
        """Takes the whole message; the names are for those who can say more."""
        super().__init__(message)
        self.table = table
        self.constraint = constraint


class TriggerRefused(DatabaseRefused):
    """A trigger of the table does to other rows, or to the row itself, what would be lost or cannot be told apart."""


class Damaged(DatabaseRefused):
    """An index or a table is damaged on the server's disk."""


class MaintenanceRefused(Refused):
    """The table will not be rewritten now: the hour, the disk, or something that is missing forbids it."""


class StorageRefused(Refused):
    """S3 refuses this bucket, key or credential."""


class OwnedElsewhere(Refused):
    """Another database may act for this archive: this one is a copy, was copied, or is reached in another way."""


class CheckFailed(Refused):
    """What S3 gave back is not what was sent; nothing was deleted."""


class ObjectMissing(CheckFailed):
    """An object that this program wrote is not in the bucket any more; nothing was deleted."""


class Conflict(Refused):
    """Rows that are to be restored are in the table already, and the restore was told not to go on then."""


class Unfinished(Refused):
    """Part of a run did not succeed; the errors are in the logs of its tasks."""


class Interrupted(ArchiverError):
    """Something outside broke off the work; running the step again goes on from where it was."""


class DatabaseInterrupted(Interrupted):
    """The connection to Postgres was lost, or a lock or a statement took longer than its limit."""


class LockWait(DatabaseInterrupted):
    """Another session holds a lock on the table, and did not give it up within the limit."""


class StorageInterrupted(Interrupted):
    """S3 could not be reached, or answered that it is busy."""


class KeyTaken(Interrupted):
    """There is an object under this key already; a further try takes the next generation's key."""


class Busy(Interrupted):
    """Another run has this window, or this table, in hand."""


class Superseded(Interrupted):
    """Another run took over this window while this one worked on it; its work stands, this one's is void."""


class Stopped(Interrupted):
    """The step was told to stop, and did: between two batches, or in the middle of what was then rolled back."""
