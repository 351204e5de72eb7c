"""WHAT a job archives or deletes: one table, by its own settings and by what the reviewed file says of its database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.versions import KeepVersions
from pg_archiver.errors import PolicyError, SettingError
from pg_archiver.policies.object_settings import ObjectSettings
from pg_archiver.policies.retention import KeepDays, parse_keep_days
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.table_policies import make_table_policy
from pg_archiver.policies.validation import validate
from pg_archiver.policies.versions import OF_VERSIONS, read_versions, refuse_own_rows, widen_windows

# What a row may say of its table. Where rows go, and by which logins, is for the reviewed file alone.
OF_ROWS = OF_VERSIONS | frozenset(
    {
        "table",
        "timestamp_column",
        "timezone",
        "keep_days",
        "batch_size",
        "window_hours",
        "statement_timeout",
        "drop_partitions",
        "children",
        "missing_ok",
        "rows_per_second",
    }
)
OF_FILE = OF_ROWS | ObjectSettings.model_fields.keys() | {"bucket", "prefix", "compression"}
# What holds for every job's table where the file says it for all tables. N is the job's own.
_INHERITED = OF_FILE - OF_VERSIONS - {"table", "keep_days", "children", "missing_ok", "rows_per_second"}
OWN_SCHEMA = "archiver"
_SCHEMAS_OF_SERVER = ("information_schema", "pg_")


def _days(value: object) -> object:
    try:
        return parse_keep_days(value, "keep_days")
    except SettingError as error:
        raise ValueError(str(error)) from None


class TableJobPolicy(TablePolicy):
    """What a job keeps of one table: as a table of the file, with an N of its own."""

    table: str
    keep_days: Annotated[int, BeforeValidator(_days)]
    missing_ok: bool = True
    rows_per_second: Annotated[int, Field(ge=1, le=10_000_000)] | None = None


@dataclass(frozen=True)
class Tenant:
    """A client of the policy file, as a job that works on its database sees it.

    Attributes:
        name: the client.
        settings: what the file says for all of its tables, all levels together.
        tables: those that the file archives already.
        enabled: what the file says of the client; None if nothing.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tables: frozenset[TableName] = frozenset()
    enabled: bool | None = None


@dataclass(frozen=True)
class TableJob:
    """A table that a job archives, or deletes from.

    Attributes:
        client: what stands for the database in keys of objects and in the ledger: the file's client of that database,
            else the instance and the database.
        tenants: the clients of the file whose database it is; an explicit `enabled: false` of one stops the job.
        database: the database.
        policy: the table's settings, with a bucket if it is archived.
        keep: N, the job's own.
        versions: which versions of each key stay, if the job keeps some.
    """

    client: str
    tenants: tuple[str, ...]
    database: str
    policy: TableJobPolicy
    keep: KeepDays
    versions: KeepVersions | None = None

    @property
    def table(self) -> TableName:
        """The table."""
        return self.policy.name

    @property
    def missing_ok(self) -> bool:
        """Whether a table that is not there is nothing to be red about."""
        return self.policy.missing_ok

    @property
    def rows_per_second(self) -> int | None:
        """How many rows may be deleted a second; None for as fast as it goes."""
        return self.policy.rows_per_second

    def raise_keep_days(self, days: int | None, source: str) -> TableJob:
        """Return it with a greater N, as the form of a run may ask for.

        Raises:
            SettingError: the form asks for a smaller one, or for days of versions that have no time.
        """
        if days is None or days == self.keep.days:
            return self
        asked = KeepDays(days, source)
        if not asked.everything and (self.keep.everything or days < self.keep.days):
            raise SettingError(
                f"{source} is {days}, and {self.keep.source} is {self.keep.days}. Nothing was archived or deleted. "
                "Fix: a run may keep more than its job, but not less. Change the job, or leave the parameter out"
            )
        if self.versions and not self.versions.timed and not asked.everything:
            raise SettingError(
                f"{source} is {days}, and no timestamp_column of the job says how old a version is. Nothing was "
                "deleted. Fix: set timestamp_column in the job, or leave the parameter out"
            )
        return replace(self, keep=asked)


def name_database(conn_id: str, database: str) -> str:
    """Return what stands for a database that the file does not know, in keys and in the ledger: `conn_id.database`.

    Dots inside either are written %2E, so that no two databases of two instances share a name.
    """
    return ".".join(part.replace("%", "%25").replace(".", "%2E") for part in (conn_id, database))


def make_table_job(
    name: str,
    config: Mapping[str, Any],
    database: str,
    *,
    conn_id: str,
    archives: bool,
    from_file: bool,
    tenants: tuple[Tenant, ...],
    defaults: Mapping[str, Any],
) -> TableJob:
    """Return the table that a job works on.

    Args:
        name: the job's.
        config: its own settings of the table.
        database: where the table is.
        conn_id: the instance.
        archives: whether rows are archived before they go.
        from_file: whether the job stands in the reviewed file, which may say where its objects go.
        tenants: the clients of the file whose database this is.
        defaults: what the file says for all tables of the instance.

    Raises:
        PolicyError: it may not, or cannot, be worked on; the message names the setting.
    """
    where = f"job {name!r}, config"
    for setting in sorted(config.keys() & (OF_FILE - OF_ROWS)):
        if not from_file:
            raise PolicyError(
                f"{where}: {setting}: a row of a table may not say where rows go, or by whose leave. Nothing was done. "
                "Fix: take it away, and set it in the policy file"
            )
    for setting in sorted(config.keys() - OF_FILE):
        raise PolicyError(f"{where}: {setting}: no such setting of a job's table. Nothing was done. Fix: take it away")
    for setting in ("table", "keep_days"):
        if setting not in config:
            raise PolicyError(
                f"{where}: {setting} is missing. Nothing was done. Fix: set it, as in {{table: app.events, "
                "keep_days: 30}"
            )
    client = tenants[0].name if len(tenants) == 1 else name_database(conn_id, database)
    inherited = tenants[0].settings if len(tenants) == 1 else defaults
    settings = widen_windows(config, {key: value for key, value in inherited.items() if key in _INHERITED})
    policy = (
        make_table_policy(TableJobPolicy, settings, where, client)
        if archives
        else validate(TableJobPolicy, settings, where)
    )
    _refuse_table(policy.name, database, tenants, where)
    versions = _read_versions(policy, settings if archives else config, where)
    keep = KeepDays(policy.keep_days, f"keep_days of job {name!r}")
    return TableJob(client, tuple(tenant.name for tenant in tenants), database, policy, keep, versions)


def _read_versions(policy: TableJobPolicy, settings: Mapping[str, Any], where: str) -> KeepVersions | None:
    """Return which versions stay; where no time column is named they go by versions alone."""
    timed = "timestamp_column" in settings
    versions = read_versions(policy, timed=timed)
    if versions is None:
        return None
    if policy.keep_days > 0 and not timed:
        raise PolicyError(
            f"{where}: keep_days is {policy.keep_days}, and no timestamp_column says how old a version is. Nothing was "
            "done. Fix: set timestamp_column, or keep_days: 0 to go by versions alone"
        )
    refuse_own_rows(policy.child_names, policy.name, where)
    return versions


def _refuse_table(table: TableName, database: str, tenants: tuple[Tenant, ...], where: str) -> None:
    if table.schema == OWN_SCHEMA or table.schema.startswith(_SCHEMAS_OF_SERVER):
        owner = "this program" if table.schema == OWN_SCHEMA else "the server"
        raise PolicyError(
            f"{where}: table {table} belongs to {owner} itself. Nothing was done. Fix: name a table of the database's "
            "users"
        )
    for tenant in tenants:
        if table in tenant.tables:
            raise PolicyError(
                f"{where}: table {table} of database {database} is archived by the policy file, for client "
                f"{tenant.name!r}. Nothing was done. Fix: delete the job, or take the table out of the file"
            )
