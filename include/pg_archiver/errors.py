"""Every error the archiver raises, sorted by what helps: a person, or time.

    ArchiverError
    ├── Refused                      a person must change something; nobody retries it
    │   ├── SettingError             a Variable, a parameter or a policy
    │   │   └── PolicyError
    │   ├── NotEnabled
    │   ├── TableRefused
    │   ├── DatabaseRefused          the server
    │   │   ├── RightMissing
    │   │   ├── ValueRefused
    │   │   │   └── ReferenceRefused
    │   │   ├── TriggerRefused
    │   │   └── Damaged
    │   ├── MaintenanceRefused
    │   ├── JobRefused
    │   ├── FunctionRefused
    │   ├── ChannelRefused           a source of messages
    │   ├── StorageRefused           S3
    │   ├── OwnedElsewhere
    │   ├── CheckFailed              what was read back
    │   │   └── ObjectMissing
    │   ├── Conflict
    │   └── Unfinished
    └── Interrupted                  time may help; every step may be run again, so Airflow retries it
        ├── DatabaseInterrupted
        │   └── LockWait
        ├── ChannelInterrupted
        ├── StorageInterrupted
        ├── KeyTaken
        ├── Busy
        ├── Superseded
        └── Stopped

A message says what is wrong, what was or was not done, and after `Fix:` what to do. It names the setting, its value and
where it came from. It never holds a password, a key value or a row's content.
"""

from __future__ import annotations


class ArchiverError(Exception):
    """The archiver could not do what it was asked to do."""


class Refused(ArchiverError):
    """A person must change something; retrying does not help."""


class SettingError(Refused):
    """A Variable, a parameter or a policy holds a value that cannot be used."""


class NotEnabled(Refused):
    """The client is not enabled, so none of its rows may be deleted."""


class PolicyError(SettingError):
    """The policy file, or one client's entry in it, cannot be used."""


class TableRefused(Refused):
    """The table is missing, or rows cannot be deleted safely from a table of its shape."""


class TableMissing(TableRefused):
    """There is no such schema, table or column; a job may say that this is no fault."""


class DatabaseRefused(Refused):
    """The server refuses the user, password, database or statement."""


class RightMissing(DatabaseRefused):
    """A privilege of the Airflow connection's role is missing."""


class ValueRefused(DatabaseRefused):
    """A value does not fit its column, or a row violates a constraint of its table."""


class ReferenceRefused(ValueRefused):
    """A foreign key is violated: `constraint`, of the table `table` that points to another."""

    def __init__(self, message: str, table: str = "", constraint: str = "") -> None:
        """Take the whole message; the names are for those who can say more."""
        super().__init__(message)
        self.table = table
        self.constraint = constraint


class TriggerRefused(DatabaseRefused):
    """A trigger of the table changes or deletes rows in a way that could lose them."""


class Damaged(DatabaseRefused):
    """An index or a table is damaged on the server's disk."""


class MaintenanceRefused(Refused):
    """The table is not rewritten now: the hour, the disk, or something that is missing forbids it."""


class JobRefused(Refused):
    """A job cannot be run as it is defined; `users_words` is what its own check says, for its database alone."""

    def __init__(self, message: str, users_words: str = "") -> None:
        """Take the whole message, and the words that may hold a row."""
        super().__init__(message)
        self.users_words = users_words


class FunctionRefused(Refused):
    """A function of the folder of functions cannot be registered or found, so its events wait."""


class ChannelRefused(Refused):
    """The source of a channel's messages refuses the login or the request, or is something else."""


class StorageRefused(Refused):
    """S3 refuses the bucket, the key or the credentials."""


class OwnedElsewhere(Refused):
    """Another database may act for this archive: this one is a copy, was copied, or is reached in another way."""


class CheckFailed(Refused):
    """What S3 gave back is not what was sent. Nothing was deleted."""


class ObjectMissing(CheckFailed):
    """An object that this program wrote is no longer in the bucket."""


class Conflict(Refused):
    """Rows that are to be restored are already in the table, and `on_conflict` is `fail`."""


class Unfinished(Refused):
    """Part of a run did not succeed; the errors are in the logs of its tasks."""


class Interrupted(ArchiverError):
    """Something outside broke off the work; a retry continues from where it was."""


class DatabaseInterrupted(Interrupted):
    """The connection to Postgres was lost, or a lock or a statement took longer than its limit."""


class LockWait(DatabaseInterrupted):
    """Another session held a lock on the table for longer than the limit."""


class ChannelInterrupted(Interrupted):
    """The source of a channel's messages could not be reached, or is not able to answer now."""


class StorageInterrupted(Interrupted):
    """S3 could not be reached, or answered that it is busy."""


class KeyTaken(Interrupted):
    """There is already an object under this key; a retry takes the key of the next generation."""


class Busy(Interrupted):
    """Another run is working on this window or this table."""


class Superseded(Interrupted):
    """Another run took over this window; its work counts, and the work of this one does not."""


class Stopped(Interrupted):
    """The step was told to stop, and did: between two batches, or in the middle of what was then rolled back."""
