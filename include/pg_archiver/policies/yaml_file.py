"""The policy file, checked before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from glob import escape
from pathlib import Path
from typing import Any

import yaml

from pg_archiver.domain.default_connection import AWS_CONNECTION
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import PolicyError
from pg_archiver.policies.entries import LONGEST_CLIENT_NAME, OF_CLIENTS_ALONE, ClientEntry, InstanceEntry
from pg_archiver.policies.events_settings import EventsSettings, refuse_events
from pg_archiver.policies.jobs import Job
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings, read_jobs
from pg_archiver.policies.maintenance_settings import Disk
from pg_archiver.policies.object_settings import ObjectSettings
from pg_archiver.policies.settings import Settings, TablePolicy
from pg_archiver.policies.strict_yaml import read_yaml
from pg_archiver.policies.table_jobs import Tenant
from pg_archiver.policies.table_policies import make_table_policy
from pg_archiver.policies.validation import validate
from pg_archiver.policies.versions import widen_windows


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
    maintenance_conn_id: str | None = None
    """The Airflow connection that maintenance uses; None where it is the archive's."""
    aws_conn_id: str = AWS_CONNECTION
    """The Airflow connection of the AWS account in which the server itself is; each table may have one of its own."""
    one_session_proxy: bool = False
    """Whether a person vouches for a proxy before the server that gives each client a server process of its own."""
    jobs: tuple[Job, ...] = ()
    """The jobs that the file lists; they work on the client's database."""
    own_jobs: bool = False
    """Whether `archiver.jobs` in the client's own database is read too."""
    events: EventsSettings | None = None
    """Who works on the events of its database; None if it has none."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the file says for all of its tables, all levels together."""

    @property
    def as_tenant(self) -> Tenant:
        """The client as jobs on its database see it."""
        return Tenant(self.name, self.settings, frozenset(table.name for table in self.tables), self.enabled)

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
    jobs: Mapping[str, InstanceJobs] = field(default_factory=dict)
    """The jobs of each instance that has a `jobs` section, by `conn_id`."""

    @property
    def with_events(self) -> tuple[Client, ...]:
        """The clients of whose databases events are worked on."""
        return tuple(client for client in self.clients if client.events)

    @property
    def lanes(self) -> dict[str, int]:
        """How many lanes of events the clients of each instance have together, by `conn_id`, where there are any."""
        lanes: Counter[str] = Counter()
        for client in self.clients:
            if client.events:
                lanes[client.conn_id] += client.events.lanes
        return dict(sorted(lanes.items()))

    @property
    def tables(self) -> int:
        """How many tables are archived, of all clients together."""
        return sum(len(client.tables) for client in self.clients)

    @property
    def conn_ids(self) -> tuple[str, ...]:
        """The Airflow connections of all instances, sorted, each once."""
        return tuple(sorted({client.conn_id for client in self.clients}))

    @property
    def archived_conn_ids(self) -> tuple[str, ...]:
        """Those of the instances with clients or with jobs, from which either archives, sorted, each once."""
        return tuple(sorted({*self.conn_ids, *self.jobs}))


def load(path: Path) -> Policies:
    """Read and check the policy file.

    Raises:
        PolicyError: the file is missing, is not YAML, or its outline is wrong, so that no client can be told.
    """
    source = str(path)
    try:
        document = read_yaml(path)
    except OSError as error:
        raise PolicyError(
            f"the policy file {source} cannot be read ({error.strerror}). Fix: create it, or set the environment "
            "variable ARCHIVER_POLICIES to its path"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PolicyError(f"the policy file {source} is not valid YAML: {error}") from None
    return _check_document(document, source)


def _check_document(document: object, source: str) -> Policies:
    if not isinstance(document, dict) or set(document) - {"defaults", "instances"}:
        raise PolicyError(f"{source} must hold the keys 'defaults' (optional) and 'instances', and no others")
    defaults = document.get("defaults") or {}
    if "enabled" in defaults:
        raise PolicyError(
            f"{source}, defaults: enabled may not stand there, because a new client's rows would be deleted in its "
            "first run. Fix: set it at each client, or at a table"
        )
    validate(Settings, defaults, f"{source}, defaults")
    instances = document.get("instances")
    if not isinstance(instances, list) or not instances:
        raise PolicyError(f"{source}: 'instances' must be a list of {{conn_id, clients}}")
    entries = [
        validate(InstanceEntry, instance, f"{source}, instances[{position}]")
        for position, instance in enumerate(instances)
    ]
    slots, jobs = _agree(entries, source)
    clients: list[Client] = []
    broken: dict[str, str] = {}
    for position, entry in enumerate(entries):
        for place, raw in enumerate(entry.clients):
            # Placeholder until the entry's own name has been read: it breaks alone, and its DAG says why.
            name = f"instances.{position}.clients.{place}"
            try:
                name = _read_name(raw, f"{source}, instances[{position}].clients[{place}]")
                clients.append(_make_client(raw, entry, jobs, defaults, f"{source}, client {name!r}"))
            except PolicyError as error:
                broken[name] = str(error)
    whole = _refuse_twins(clients, broken, source)
    return replace(whole, pool_slots=slots, jobs=_collect_jobs(entries, jobs, whole, defaults))


def _agree(entries: list[InstanceEntry], source: str) -> tuple[dict[str, int], dict[str, JobsSettings]]:
    """Return the size of each instance's pool and what it allows jobs; entries of one instance must agree on both."""
    slots: dict[str, int] = {}
    jobs: dict[str, JobsSettings] = {}
    for position, entry in enumerate(entries):
        where = f"{source}, instances[{position}]"
        if slots.setdefault(entry.conn_id, entry.pool_slots) != entry.pool_slots:
            raise PolicyError(
                f"{where}: conn_id {entry.conn_id!r} is listed twice, with pool_slots {slots[entry.conn_id]} and "
                f"{entry.pool_slots}. Its pool has one size. Fix: set one number"
            )
        if entry.jobs is not None and jobs.setdefault(entry.conn_id, entry.jobs) != entry.jobs:
            raise PolicyError(
                f"{where}: conn_id {entry.conn_id!r} is listed twice, with two jobs sections that differ. Fix: keep "
                "one of them"
            )
    return slots, jobs


def _read_name(raw: object, where: str) -> str:
    if not isinstance(raw, dict):
        raise PolicyError(f"{where} is {raw!r}. Fix: write a client as {{name: ...}} with its settings")
    name = raw.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_CLIENT_NAME:
        raise PolicyError(
            f"{where}: name is {name!r}. Fix: it must be text of 1 to {LONGEST_CLIENT_NAME} characters (put a number "
            "or yes/no in quotes)"
        )
    return name


def _make_client(
    raw: Mapping[str, Any],
    instance: InstanceEntry,
    jobs: Mapping[str, JobsSettings],
    defaults: Mapping[str, Any],
    where: str,
) -> Client:
    entry = validate(ClientEntry, raw, where)
    of_client = entry.model_dump(exclude_unset=True, exclude=OF_CLIENTS_ALONE)
    of_instance = _read_object_settings(instance)
    outer = {**defaults, **of_instance, **of_client}
    tables = tuple(
        make_table_policy(TablePolicy, widen_windows(table, outer), f"{where}, tables[{place}]", entry.name)
        for place, table in enumerate(entry.tables)
    )
    for table, times in Counter(table.name for table in tables).items():
        if times > 1:
            raise PolicyError(f"{where}: table {table} is listed {times} times. Fix: list it once")
    if len({table.schedule for table in tables}) > 1:
        raise PolicyError(f"{where}: its tables have different schedules, but share one DAG. Fix: set one schedule")
    _refuse_odd_children(tables, where)
    client = Client(
        entry.name,
        instance.conn_id,
        entry.database or entry.name,
        tables,
        instance.disk,
        entry.enabled,
        instance.maintenance_conn_id,
        {**defaults, **of_instance}.get("aws_conn_id", AWS_CONNECTION),
        instance.one_session_proxy,
        own_jobs=entry.own_jobs,
        settings=outer,
    )
    allowed = jobs.get(instance.conn_id)
    listed = read_jobs(
        entry.jobs,
        entry.own_jobs,
        instance.conn_id,
        allowed,
        client.as_tenant,
        where,
        has_events=entry.events is not None,
    )
    if entry.events is not None:
        is_control = allowed is not None and allowed.database == client.database
        others = {
            "conn_id of the instance": instance.conn_id,
            "maintenance_conn_id": instance.maintenance_conn_id,
            "procedures_conn_id": allowed.procedures_conn_id if allowed else None,
        }
        reads_jobs = entry.own_jobs or bool(listed) or is_control
        refuse_events(entry.events, allowed, others, reads_jobs=reads_jobs, where=where)
    return replace(client, jobs=listed, events=entry.events)


def _read_object_settings(instance: InstanceEntry) -> dict[str, Any]:
    return instance.model_dump(exclude_unset=True, include=set(ObjectSettings.model_fields))


def _refuse_odd_children(tables: tuple[TablePolicy, ...], where: str) -> None:
    """Refuse children that are not tables of the same client, and circles of them."""
    children = {table.name: set(table.child_names) - {table.name} for table in tables}
    for table in tables:
        if strange := [child for child in table.child_names if child not in children]:
            raise PolicyError(
                f"{where}: children of {table.name}: {strange[0]} is not a table of this client. Fix: list it under "
                "tables, so that it is archived too"
            )
    while outside := _outside_cycles(children):
        for name in outside:
            del children[name]
    if children:
        raise PolicyError(
            f"{where}: the tables {', '.join(map(str, sorted(children)))} are children of each other, so none can be "
            "archived first. Fix: make one of their foreign keys NO ACTION, and take that child off the list"
        )


def _outside_cycles(children: Mapping[TableName, set[TableName]]) -> list[TableName]:
    """Return tables that have no child left, or are nobody's child: they cannot be part of a cycle."""
    listed = set().union(*children.values())
    return [name for name, own in children.items() if not own & children.keys() or name not in listed]


def _refuse_twins(clients: list[Client], broken: dict[str, str], source: str) -> Policies:
    """Break all clients that would share a DAG or a table: whose rows are whose is not known."""
    names = Counter([client.name for client in clients] + list(broken))
    places = Counter((client.conn_id, client.database, table.name) for client in clients for table in client.tables)
    job_places = Counter((client.conn_id, client.database, job.name) for client in clients for job in client.jobs)
    queues = Counter((client.conn_id, client.database) for client in clients if client.events)
    whole = []
    for client in clients:
        shared_jobs = [job.name for job in client.jobs if job_places[client.conn_id, client.database, job.name] > 1]
        shared = [t.table for t in client.tables if places[client.conn_id, client.database, t.name] > 1]
        if names[client.name] > 1:
            broken[client.name] = f"{source}: the name {client.name!r} is given to more than one client"
        elif shared:
            broken[client.name] = (
                f"{source}, client {client.name!r}: table {shared[0]} of database {client.database!r} is also another "
                "client's. Fix: list each table under one client"
            )
        elif client.events and queues[client.conn_id, client.database] > 1:
            broken[client.name] = (
                f"{source}, client {client.name!r}: the events of database {client.database!r} are also another "
                "client's. Fix: set events at one client of each database"
            )
        elif shared_jobs:
            broken[client.name] = (
                f"{source}, client {client.name!r}: job {shared_jobs[0]!r} of database {client.database!r} is also "
                "another client's. Fix: give each job of a database a name of its own"
            )
        else:
            whole.append(client)
    return Policies(source, tuple(sorted(whole, key=lambda client: client.name)), dict(sorted(broken.items())))


def _collect_jobs(
    entries: list[InstanceEntry], settings: Mapping[str, JobsSettings], policies: Policies, defaults: Mapping[str, Any]
) -> dict[str, InstanceJobs]:
    """Return the jobs of each instance that has a jobs section, those of its broken clients left out."""
    found = {}
    for conn_id, allowed in settings.items():
        clients = [client for client in policies.clients if client.conn_id == conn_id]
        file_jobs: dict[str, tuple[Job, ...]] = {}
        for client in clients:
            if client.jobs:
                file_jobs[client.database] = file_jobs.get(client.database, ()) + client.jobs
        own = tuple(sorted({escape(client.database) for client in clients}))
        entry = next(entry for entry in entries if entry.conn_id == conn_id and entry.jobs)
        found[conn_id] = InstanceJobs(
            conn_id,
            allowed,
            own if allowed.databases is None else allowed.databases,
            file_jobs,
            frozenset(client.database for client in clients if client.own_jobs),
            len(clients) == sum(len(entry.clients) for entry in entries if entry.conn_id == conn_id),
            {
                database: tuple(client.as_tenant for client in clients if client.database == database)
                for database in {client.database for client in clients}
            },
            {
                **defaults,
                **_read_object_settings(entry),
            },
            frozenset(client.name for client in policies.clients) | policies.broken.keys(),
            frozenset(client.database for client in clients if client.events),
        )
    return found
