"""WHAT to keep: the policy file, checked before anything runs, and the choice of N.

A mistake in one client's entry breaks that client alone: the others' DAGs are built as if it were not there,
and the broken one gets a DAG whose run fails with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

import yaml
from croniter import croniter
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from include.archiver.errors import PolicyError, SettingError
from include.archiver.maintenance_settings import Disk, MaintenanceSettings
from include.archiver.models import TableName
from include.archiver.naming import enabled_variable, keep_days_variable, key_segment

KEEP_EVERYTHING = -1
DEFAULT_KEEP_DAYS = 2
# `keep_days` of a table whose N may come from the client's own Variable alone.
FROM_VARIABLE: Literal["variable"] = "variable"
# Each task holds one connection and reads or deletes as fast as it can.
DEFAULT_POOL_SLOTS = 6
MOST_KEEP_DAYS = 36_500
# Airflow refuses to map more task instances than core.max_map_length, 1024 unless someone raised it.
MOST_MAPPED_WINDOWS = 1000
# A run's windows travel through Airflow's database, and each mapped task fetches them all.
MOST_WINDOWS_A_RUN = 50_000
LONGEST_CLIENT_NAME = 63
# S3's classes from which an object has to be brought back before anybody can read it.
_COLD_STORAGE = {"GLACIER", "DEEP_ARCHIVE"}
# S3's limit is 1024 bytes a key; the window's own part of it needs less than 124.
_LONGEST_KEY_FOLDER = 900

_PART = r'(?:"((?:[^"]|"")+)"|([^".]+))'
_TABLE = re.compile(rf"{_PART}\.{_PART}")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_CRON_FIELDS = 5
_CRON_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly")
_Model = TypeVar("_Model", bound=BaseModel)
if TYPE_CHECKING:
    _Loader = yaml.SafeLoader
else:
    # Each task reads the file; libyaml, where PyYAML was built with it, does so several times as fast.
    _Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_keep_days(value: object, source: str) -> int:
    """N, the days to keep, from whatever a person wrote.

    Raises:
        SettingError: it is neither -1 nor a whole number from 0 to 36500; the message names `source`.
    """
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    days = int(text) if _WHOLE_NUMBER.fullmatch(text) else None
    if days is None or not (days == KEEP_EVERYTHING or 0 <= days <= MOST_KEEP_DAYS):
        raise SettingError(
            f"{source} is {value!r}, which is not a number of days to keep. Set it to -1 to keep everything, "
            f"or to a whole number of days from 0 to {MOST_KEEP_DAYS}. Nothing was archived or deleted."
        )
    return days


def parse_table(text: str) -> TableName:
    """`schema.table`, each part as the catalog holds it; a part with a dot or a quote goes in double quotes."""
    match = _TABLE.fullmatch(text)
    if not match:
        raise ValueError(
            f'{text!r} is not schema.table; write a part that holds a dot or a quote as "my.schema".events'
        )
    quoted_schema, plain_schema, quoted_name, plain_name = match.groups()
    schema, name = (
        quoted.replace('""', '"') if quoted else plain
        for quoted, plain in ((quoted_schema, plain_schema), (quoted_name, plain_name))
    )
    return TableName(schema, name)


def _keep_days(value: object) -> object:
    if value == FROM_VARIABLE:
        return value
    try:
        return parse_keep_days(value, "keep_days")
    except SettingError as error:
        raise ValueError(str(error)) from None


def _cron(value: object) -> object:
    """A cron schedule that Airflow will take: a bad one would keep the whole DAG file from loading."""
    if value is None or value in _CRON_PRESETS:
        return value
    if not isinstance(value, str) or len(value.split()) != _CRON_FIELDS or not croniter.is_valid(value):
        raise ValueError("not a cron schedule of five fields, such as '0 1 * * *'; null runs the DAG by hand only")
    return value


def _account(value: object) -> object:
    if value is not None and not (isinstance(value, str) and _ACCOUNT.fullmatch(value)):
        raise ValueError("not the number of an AWS account: 12 digits, in quotes")
    return value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class Settings(MaintenanceSettings):
    """The settings of a table; any level of the file may give them, and the innermost wins."""

    timestamp_column: Annotated[str, Field(min_length=1)] = "triggered_at"
    timezone: str = "UTC"
    keep_days: Annotated[int | Literal["variable"] | None, BeforeValidator(_keep_days)] = None
    window_hours: Annotated[int, Field(ge=1, le=168)] = 1
    windows_per_task: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = "auto"
    max_mapped_windows: Annotated[int, Field(ge=1, le=MOST_MAPPED_WINDOWS)] = 100
    batch_size: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    drop_partitions: bool = True
    schedule: Annotated[str | None, BeforeValidator(_cron)] = "0 1 * * *"
    bucket: Annotated[str | None, Field(min_length=3, max_length=63)] = None
    prefix: str = ""
    compression: Literal["gzip", "zstd"] = "gzip"
    kms_key_id: str | None = None
    storage_class: str | None = None
    bucket_owner: Annotated[str | None, BeforeValidator(_account)] = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is not a time zone of the IANA list, such as Europe/Berlin") from None
        return value

    @field_validator("prefix")
    @classmethod
    def _clean_prefix(cls, value: str) -> str:
        if value.startswith("/") or "//" in value or any(part in {".", ".."} for part in value.split("/")):
            raise ValueError(f"{value!r} is not a key prefix; write folders with single slashes, such as a/b")
        return value.rstrip("/")

    @field_validator("storage_class")
    @classmethod
    def _readable_at_once(cls, value: str | None) -> str | None:
        if value in _COLD_STORAGE:
            raise ValueError(
                f"{value!r} gives nothing back for hours, so no object could be read back and no row would ever leave; "
                f"use GLACIER_IR, or a lifecycle rule that moves objects later"
            )
        return value


class TablePolicy(Settings):
    """What to keep of one table."""

    table: str = "analytics.events"
    enabled: bool | None = None
    children: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = ()

    @field_validator("table")
    @classmethod
    def _schema_and_table(cls, value: str) -> str:
        parse_table(value)
        return value

    @field_validator("children")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for child, times in Counter(map(parse_table, value)).items():
            if times > 1:
                raise ValueError(f"{child} is listed {times} times; list it once")
        return value

    @property
    def name(self) -> TableName:
        """The table's name, taken apart."""
        return parse_table(self.table)

    @property
    def child_names(self) -> tuple[TableName, ...]:
        """The tables that point to this one and are archived before it; itself among them, if its rows point there."""
        return tuple(map(parse_table, self.children))

    @property
    def bucket_name(self) -> str:
        """The bucket; `_assembled` saw to it that there is one."""
        if self.bucket is None:
            raise PolicyError(f"table {self.table} has no bucket")
        return self.bucket


class _ClientEntry(Settings):
    """A client as the file writes it, before the levels are put together."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_CLIENT_NAME)]
    database: Annotated[StrictStr, Field(min_length=1, max_length=63)] | None = None
    enabled: bool | None = None
    tables: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_tuple)] = ({},)

    @model_validator(mode="after")
    def _some_table(self) -> Self:
        if not self.tables:
            raise ValueError("tables is empty; leave it out for analytics.events, or list a table")
        return self


class _InstanceEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    conn_id: Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=200)]
    disk: Disk | None = None
    pool_slots: Annotated[int, Field(ge=1, le=1000)] = DEFAULT_POOL_SLOTS
    clients: list[Any]


@dataclass(frozen=True)
class Client:
    """One client database: where it is, and what to keep of each of its tables."""

    name: str
    conn_id: str
    database: str
    tables: tuple[TablePolicy, ...]
    disk: Disk | None = None
    enabled: bool | None = None
    """Whether a person has said that rows of this client may really leave; each table may say it too."""

    @property
    def schedule(self) -> str | None:
        """The cron schedule of the client's DAG; its tables agree on it."""
        return self.tables[0].schedule


@dataclass(frozen=True)
class Policies:
    """The whole file: the clients that can be archived, and why the others cannot."""

    source: str
    clients: tuple[Client, ...]
    broken: Mapping[str, str]
    pool_slots: Mapping[str, int] = field(default_factory=dict)
    """How many archive tasks may be at work on each instance at once, by `conn_id`."""

    @property
    def tables(self) -> int:
        """How many tables are archived, of all clients together."""
        return sum(len(client.tables) for client in self.clients)

    @property
    def conn_ids(self) -> tuple[str, ...]:
        """The Airflow connections of all instances, sorted, each once."""
        return tuple(sorted({client.conn_id for client in self.clients}))


def load(path: Path) -> Policies:
    """Reads and checks the policy file.

    Raises:
        PolicyError: the file is missing, is not YAML, or its outline is wrong, so that no client can be told.
    """
    source = str(path)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise PolicyError(
            f"the policy file {source} cannot be read ({error.strerror}); create it, or set the environment "
            f"variable ARCHIVER_POLICIES to its path"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PolicyError(f"the policy file {source} is not valid YAML: {error}") from None
    return _checked(document, source)


class _StrictLoader(_Loader):
    """YAML in which a repeated key is an error: of two `keep_days`, nobody can say which one was meant."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, times in keys.items():
            if times > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands {times} times in one place", node.start_mark
                )
        return super().construct_mapping(node, deep=deep)

    def construct_scalar(self, node: Any) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise yaml.constructor.ConstructorError(
                None, None, "half a character, as JSON escapes it; write the character itself", node.start_mark
            )
        return value


def _checked(document: object, source: str) -> Policies:
    if not isinstance(document, dict) or set(document) - {"defaults", "instances"}:
        raise PolicyError(f"{source} must hold the keys 'defaults' (optional) and 'instances', and no others")
    defaults = document.get("defaults") or {}
    if "enabled" in defaults:
        raise PolicyError(
            f"{source}, defaults: enabled may not stand there: a new client would lose rows in its first night. "
            f"Set it at each client, or at a table"
        )
    _validated(Settings, defaults, f"{source}, defaults")
    instances = document.get("instances")
    if not isinstance(instances, list) or not instances:
        raise PolicyError(f"{source}: 'instances' must be a list of {{conn_id, clients}}")
    clients: list[Client] = []
    broken: dict[str, str] = {}
    slots: dict[str, int] = {}
    for position, instance in enumerate(instances):
        entry = _validated(_InstanceEntry, instance, f"{source}, instances[{position}]")
        if slots.setdefault(entry.conn_id, entry.pool_slots) != entry.pool_slots:
            raise PolicyError(
                f"{source}, instances[{position}]: conn_id {entry.conn_id!r} is listed twice, with pool_slots "
                f"{slots[entry.conn_id]} and {entry.pool_slots}; it has one pool, so set one number"
            )
        for place, raw in enumerate(entry.clients):
            # By this name the entry goes until it has one of its own: it breaks alone, and its DAG says why.
            name = f"instances.{position}.clients.{place}"
            try:
                name = _name_of(raw, f"{source}, instances[{position}].clients[{place}]")
                clients.append(_client(raw, entry, defaults, f"{source}, client {name!r}"))
            except PolicyError as error:
                broken[name] = str(error)
    return replace(_told_apart(clients, broken, source), pool_slots=slots)


def _name_of(raw: object, where: str) -> str:
    if not isinstance(raw, dict):
        raise PolicyError(f"{where} is {raw!r}; write a client as {{name: ...}} with its settings")
    name = raw.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_CLIENT_NAME:
        raise PolicyError(
            f"{where}: name is {name!r}; it must be text of 1 to {LONGEST_CLIENT_NAME} characters "
            f"(put a number or yes/no in quotes)"
        )
    return name


def _client(raw: Mapping[str, Any], instance: _InstanceEntry, defaults: Mapping[str, Any], where: str) -> Client:
    entry = _validated(_ClientEntry, raw, where)
    of_client = entry.model_dump(exclude_unset=True, exclude={"name", "database", "enabled", "tables"})
    tables = tuple(
        _assembled({**defaults, **of_client, **table}, f"{where}, tables[{place}]", entry.name)
        for place, table in enumerate(entry.tables)
    )
    for table, times in Counter(table.name for table in tables).items():
        if times > 1:
            raise PolicyError(f"{where}: table {table} is listed {times} times; list it once")
    if len({table.schedule for table in tables}) > 1:
        raise PolicyError(f"{where}: its tables have different schedules; they share one DAG, so set one")
    _refuse_odd_children(tables, where)
    return Client(entry.name, instance.conn_id, entry.database or entry.name, tables, instance.disk, entry.enabled)


def _refuse_odd_children(tables: tuple[TablePolicy, ...], where: str) -> None:
    """Children are tables of the same client, and no table comes before itself."""
    children = {table.name: set(table.child_names) - {table.name} for table in tables}
    for table in tables:
        if strange := [child for child in table.child_names if child not in children]:
            raise PolicyError(
                f"{where}: children of {table.name}: {strange[0]} is not a table of this client; list it under tables, "
                f"so that it is archived too"
            )
    while outside := _outside_cycles(children):
        for name in outside:
            del children[name]
    if children:
        raise PolicyError(
            f"{where}: the tables {', '.join(map(str, sorted(children)))} are children of each other, so none can be "
            f"archived first; make a foreign key of theirs NO ACTION and take that child off the list"
        )


def _outside_cycles(children: Mapping[TableName, set[TableName]]) -> list[TableName]:
    """Tables that have no child left, or are nobody's child: they cannot be part of a cycle."""
    listed = set().union(*children.values())
    return [name for name, own in children.items() if not own & children.keys() or name not in listed]


def _assembled(settings: Mapping[str, Any], where: str, client: str) -> TablePolicy:
    table = _validated(TablePolicy, settings, where)
    if table.bucket is None:
        raise PolicyError(f"{where}: bucket is not set; name the S3 bucket here or under defaults")
    parts = (client, table.name.schema, table.name.name)
    if len(table.prefix.encode()) + sum(len(key_segment(part)) for part in parts) > _LONGEST_KEY_FOLDER:
        raise PolicyError(f"{where}: prefix and names are too long for an S3 key; shorten the prefix")
    if table.windows_per_task != "auto":
        windows = table.windows_per_task * table.max_mapped_windows
        if windows > MOST_WINDOWS_A_RUN:
            raise PolicyError(
                f"{where}: windows_per_task {table.windows_per_task} times max_mapped_windows "
                f"{table.max_mapped_windows} is {windows:,}, and a run plans {MOST_WINDOWS_A_RUN:,} windows at most; "
                f"lower one of them. What does not fit into one run is left for the next"
            )
    return table


def _told_apart(clients: list[Client], broken: dict[str, str], source: str) -> Policies:
    """Clients that would share a DAG or a table are all broken: whose rows are whose cannot be known."""
    names = Counter([client.name for client in clients] + list(broken))
    places = Counter((client.conn_id, client.database, table.name) for client in clients for table in client.tables)
    whole = []
    for client in clients:
        shared = [t.table for t in client.tables if places[client.conn_id, client.database, t.name] > 1]
        if names[client.name] > 1:
            broken[client.name] = f"{source}: the name {client.name!r} is given to more than one client"
        elif shared:
            broken[client.name] = (
                f"{source}, client {client.name!r}: table {shared[0]} of database {client.database!r} is also "
                f"another client's; list each table under one client"
            )
        else:
            whole.append(client)
    return Policies(source, tuple(sorted(whole, key=lambda client: client.name)), dict(sorted(broken.items())))


def _validated(model: type[_Model], value: object, where: str) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'entry'}: {_problem(problem)}"
            for problem in error.errors(include_url=False)
        )
        raise PolicyError(f"{where}: {problems}") from None


def _problem(problem: Mapping[str, Any]) -> str:
    if problem["type"] == "extra_forbidden":
        return "no such setting; check its spelling"
    return f"{problem['msg']} (it is {problem['input']!r})"


@dataclass(frozen=True)
class KeepDays:
    """N and where it came from."""

    days: int
    source: str

    @property
    def everything(self) -> bool:
        """Whether nothing is ever due."""
        return self.days == KEEP_EVERYTHING


def choose_keep_days(
    parameter: object, client: Client, table: TablePolicy, variables: Mapping[str, str | None], source: str
) -> KeepDays:
    """N: the run's parameter, the client's Variable, the policy, the common Variable, or 2; the first that is set.

    Args:
        parameter: the run's `keep_days`, None where the run did not set it.
        client: whose table it is.
        table: the table's policy.
        variables: the values of the two Variables, None for one that does not exist.
        source: the policy file's path, for messages.

    Raises:
        SettingError: the first that is set is no number of days, or the policy wants the client's own Variable and
            there is none.
    """
    of_client = keep_days_variable(client.name)
    of_table = f"keep_days of {table.table} in {source}"
    candidates = (
        ("the run's parameter keep_days", parameter),
        (f"Airflow Variable {of_client}", variables.get(of_client)),
        (of_table, table.keep_days),
        ("Airflow Variable archive_keep_days", variables.get("archive_keep_days")),
    )
    for origin, value in candidates:
        if value == FROM_VARIABLE and origin == of_table:
            raise SettingError(
                f"{of_table} is 'variable', and there is no Airflow Variable {of_client}. Nothing was archived or "
                f"deleted. Set that Variable, or write a number of days into the policy file"
            )
        if value is not None:
            return KeepDays(parse_keep_days(value, origin), origin)
    return KeepDays(DEFAULT_KEEP_DAYS, "the default")


def misspelt_variables(keys: Iterable[str], policies: Policies) -> dict[str, str | None]:
    """Variables `archive_keep_days__*` and `archive_enabled__*` that name no client, and whom each all but names."""
    names = (*(client.name for client in policies.clients), *policies.broken)
    known = {variable(name): name for name in names for variable in (keep_days_variable, enabled_variable)}
    alike = {_plain(key): name for key, name in known.items()}
    return {key: alike.get(_plain(key)) for key in sorted(keys) if key not in known}


def _plain(key: str) -> str:
    return re.sub(r"[\W_]", "", key.casefold())
