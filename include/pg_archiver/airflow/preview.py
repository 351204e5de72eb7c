"""What the tasks of the DAG `preview` do: read the form, look for the server's pool, and tell what a run would do.

Nothing that is imported here can delete or rewrite rows, or upload any; import-linter holds that. Its sessions are
read-only by the server.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pg_archiver.airflow import connections
from pg_archiver.airflow.airflow_ids import group_part, pool_name
from pg_archiver.airflow.client_settings import ClientSettings
from pg_archiver.airflow.run_context import read_parameters
from pg_archiver.airflow.selection import find_client, find_table, make_order
from pg_archiver.airflow.variables import read_client_variables
from pg_archiver.archive.run_span import Limits, OtherTables
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError, SettingError, Unfinished
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.policies.retention import KeepDays, parse_keep_days
from pg_archiver.policies.settings import TablePolicy, parse_table
from pg_archiver.policies.yaml_file import Client, Policies
from pg_archiver.postgres.session import Session
from pg_archiver.preview.figures import Figures
from pg_archiver.preview.preview import preview
from pg_archiver.preview.readiness import Check, check_bucket, check_database

log = logging.getLogger(__name__)

# So long a probe may wait for a slot of its pool before the pool counts as missing, and how often it is looked at.
PROBE_SECONDS = 30.0
_POLL_SECONDS = 1.0
# States in which a task waits for nothing but its pool, or was abandoned by an earlier try of this.
_NO_SLOT = {None, "scheduled", "skipped"}
# How loud a line of the log is, and what it says.
Line = tuple[int, str]
_RULE = "-" * 80


def probe_task(conn_id: str) -> str:
    """Return the id of the task that does nothing but run in this server's pool."""
    return f"probe_{group_part(conn_id)}"


def choose_client(policies: Policies, context: Mapping[str, Any]) -> Client:
    """Return the client that the form names.

    Raises:
        SettingError: the policy file has no such client, or its entry is wrong.
    """
    return find_client(policies, str(read_parameters(context)["client"]))


def choose_tables(policies: Policies, client: Client, context: Mapping[str, Any]) -> tuple[TablePolicy, ...]:
    """Return the client's tables that the form chooses: the one that it names, or all.

    Raises:
        SettingError: the policy file does not list that table for the client.
    """
    text = read_parameters(context).get("table")
    if not text:
        return client.tables
    return (find_table(policies, client, _parse_table_name(str(text)), str(text)),)


def read_limits(context: Mapping[str, Any]) -> Limits:
    """Return the run's own time, and the span to which the form limits it.

    Raises:
        SettingError: `start` or `end` is not a date and time.
    """
    start, end = (connections.read_moment(context, name) for name in ("start", "end"))
    return Limits(run_time=connections.read_run_time(context), start=start, end=end)


def read_form(policies: Policies, context: Mapping[str, Any]) -> Client:
    """Return the client to look at, if the whole form can be used.

    Raises:
        SettingError: a field of it cannot; the message names it.
    """
    client = choose_client(policies, context)
    choose_tables(policies, client, context)
    read_limits(context)
    days = read_parameters(context).get("keep_days")
    if days is not None:
        parse_keep_days(days, "the run's parameter keep_days")
    return client


def look_for_pool(client: Client, state: Callable[[], str | None], seconds: float = PROBE_SECONDS) -> Check:
    """Return whether the probe gets a slot of the server's pool.

    A task cannot ask Airflow for its pools, but a task whose pool is missing never leaves the state `scheduled`.

    Args:
        client: whose server it is.
        state: asks for the probe's state.
        seconds: how long to wait for the probe.
    """
    pool, deadline = pool_name(client.conn_id), time.monotonic() + seconds
    while state() in _NO_SLOT:
        if time.monotonic() > deadline:
            return Check(
                f"pool {pool}",
                ok=False,
                told=f"no task got a slot of it within {seconds:.0f} s. Fix, if it does not exist: python -m "
                "pg_archiver.airflow.pools > pools.json; airflow pools import pools.json. If running tasks hold all "
                "of its slots (see Admin > Pools), preview again",
            )
        time.sleep(_POLL_SECONDS)
    return Check(f"pool {pool}", ok=True, told="a task got a slot of it")


def probe_state(client: Client, context: Mapping[str, Any]) -> str | None:
    """Return what has become of the probe of this run so far."""
    ti, task = context["ti"], probe_task(client.conn_id)
    found = ti.get_task_states(dag_id=ti.dag_id, task_ids=[task], run_ids=[ti.run_id])
    state = found.get(ti.run_id, {}).get(task)
    return str(state) if state is not None else None


def run_preview(policies: Policies, pool: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, object]:
    """Look at each table and tell what was found; return it as plain values, and push it as `report` before.

    Raises:
        Unfinished: something that a run needs is missing; everything else was reported.
    """
    client = choose_client(policies, context)
    slot = Check(**pool)
    looked = [
        (policy, *_look_at(policies, client, policy, context)) for policy in choose_tables(policies, client, context)
    ]
    failed = _name_missing([slot])
    for policy, checks, figures in looked:
        failed += [f"{policy.table}: {missing}" for missing in _name_missing(checks)]
        failed += [f"{policy.table}: {words}" for words in (figures.never if figures else ())]
    lines = [_verdict(client, [figures for *_, figures in looked], len(failed)), _line(slot)]
    for policy, checks, figures in looked:
        lines += _lines(client, policy, checks, figures)
    for level, line in lines:
        log.log(level, "%s", line)
    report: dict[str, object] = {
        "client": client.name,
        "pool": slot.as_dict(),
        "tables": [
            {
                "table": policy.table,
                "checks": [check.as_dict() for check in checks],
                "figures": figures.as_dict() if figures else None,
            }
            for policy, checks, figures in looked
        ],
        "failed": failed,
        "lines": [line for _level, line in lines],
    }
    context["ti"].xcom_push(key="report", value=report)
    if failed:
        raise Unfinished(
            f"{len(failed)} thing(s) that a run of client {client.name!r} needs are missing. Nothing was written or "
            f"deleted. Fix them and preview again: {'; '.join(failed)}"
        )
    return report


def _look_at(
    policies: Policies, client: Client, policy: TablePolicy, context: Mapping[str, Any]
) -> tuple[list[Check], Figures | None]:
    """Return all that can be said of one table, whatever is missing."""
    order = make_order(client, policy, context["dag_run"].run_id, dry_run=True)
    checks: list[Check] = []
    keep: KeepDays | None = None
    settings: ClientSettings | None = None
    figures: Figures | None = None
    try:
        settings = ClientSettings(client, policy, policies, read_client_variables(client.name))
        settings.refuse_misspelt_variables()
        keep = settings.find_keep_days(read_parameters(context).get("keep_days"))
    except ArchiverError as error:
        checks.append(Check("days to keep", ok=False, told=str(error)))
    try:
        bucket = connections.open_bucket(policy)
        of_bucket = check_bucket(bucket, order)
    except ArchiverError as error:
        of_bucket = [Check("bucket", ok=False, told=str(error))]
    readable = all(check.ok for check in of_bucket)
    try:
        with connections.open_session(client, "preview", writes=False, policy=policy) as session:
            found, shape = check_database(session, order)
            checks += found
            if settings:
                checks.append(_look_whether_enabled(settings, session, order))
            if readable:
                checks.append(_look_who_owns(Ownership(session, bucket, order)))
            if shape and keep and settings:
                try:
                    figures = preview(
                        session,
                        shape,
                        order,
                        policy,
                        keep,
                        read_limits(context),
                        OtherTables(policies.tables, settings.find_children_kept_for_ever()),
                    )
                except ArchiverError as error:
                    checks.append(Check("figures", ok=False, told=str(error)))
    except ArchiverError as error:
        checks.append(Check("database", ok=False, told=str(error)))
    return checks + of_bucket, figures


def _look_whether_enabled(settings: ClientSettings, session: Session, order: WorkOrder) -> Check:
    """Check whether the client is enabled: not being enabled is a choice, and not missing; not being known is."""
    try:
        enabled = settings.find_enabled(WindowLedger(session, order).has_deleted_before_enabling)
    except ArchiverError as error:
        return Check("enabled", ok=False, told=str(error))
    what = "yes, its rows really leave" if enabled.yes else "no, each run is a dry run"
    return Check("enabled", ok=True, told=f"{what}: {enabled.why}")


def _look_who_owns(ownership: Ownership) -> Check:
    """Return whether a run that may delete would be refused because another database acts for this archive."""
    try:
        hindrance = ownership.find_hindrance()
    except ArchiverError as error:
        hindrance = str(error)
    return Check("owner", ok=hindrance is None, told=hindrance or "no other database acts for this archive")


def _verdict(client: Client, figures: Sequence[Figures | None], missing: int) -> Line:
    """Return what a person wants to know first."""
    known = [one for one in figures if one]
    due = sum(one.rows for one in known)
    about = "" if all(one.counted for one in known) else "about "
    rows = (
        f"{about}{due:,} row(s) are due" if len(known) == len(figures) else "what is due is not known for every table"
    )
    state = f"{missing} thing(s) are missing" if missing else "nothing is missing"
    level = logging.ERROR if missing else logging.INFO
    return level, f"client {client.name}: {state}, and {rows}. This is a preview: nothing was written or deleted."


def _lines(client: Client, policy: TablePolicy, checks: Sequence[Check], figures: Figures | None) -> Iterator[Line]:
    yield logging.INFO, _RULE
    place = f"{policy.table} in database {client.database} on {client.conn_id}, to s3://{policy.bucket_name}"
    yield logging.INFO, place
    yield from map(_line, checks)
    if figures is None:
        yield logging.INFO, "figures   not computed, because of what is missing above"
        return
    for line in figures.lines(policy.compression, policy.storage_class):
        yield logging.INFO, line


def _line(check: Check) -> Line:
    """Return the line of a check: an error if something is missing, so that the log can be filtered for errors."""
    return logging.INFO if check.ok else logging.ERROR, str(check)


def _name_missing(checks: Sequence[Check]) -> list[str]:
    return [f"{check.subject}: {check.told}" for check in checks if not check.ok]


def _parse_table_name(text: str) -> TableName:
    try:
        return parse_table(text)
    except ValueError as error:
        raise SettingError(f"the run's parameter table: {error}") from None
