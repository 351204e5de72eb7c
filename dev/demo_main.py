"""The demo from beginning to end; `dev.demo` starts it."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import psycopg
import requests

from dev import demo_data, demo_functions, demo_jobs, demo_policies
from dev import demo_rehearsal as rehearsal
from dev.airflow_session import AirflowApiError
from dev.demo_checks import Check, Evidence, checks
from dev.demo_clients import BANK, CLIENTS, DemoClient
from dev.demo_objects import in_bucket
from dev.demo_pgbench import Pgbench
from dev.demo_report import closing_lines, proof_line, table_lines
from dev.demo_rows import Rows, in_table
from dev.demo_runs import DAGS, DemoRuns, Outcome, count_deleted, prepare
from dev.phases import Phases
from dev.processes import ProcessError
from dev.stack import BUCKET, PROJECT_ROOT, Stack

POLICIES = PROJECT_ROOT / "include" / "policies.yaml"


def run_demo() -> int:
    """Load, archive, check and report; return 0 when every check passed, else 1."""
    started = time.monotonic()
    phases = Phases()
    try:
        phases.begin("starting Postgres, S3 and Airflow (longest the first time)")
        with Stack(policies=POLICIES) as stack:
            failed = _demonstrate(stack, phases)
            phases.begin("stopping")
    except (ProcessError, AirflowApiError, TimeoutError, LookupError, requests.RequestException) as error:
        print(f"the demo failed: {error}", flush=True)
        return 1
    print("\n".join(["", *phases.lines()]), flush=True)
    verdict = f"{len(failed)} CHECKS FAILED: {'; '.join(failed)}" if failed else "all checks passed"
    print(f"{verdict} ({time.monotonic() - started:.0f} s in all)", flush=True)
    return 1 if failed else 0


def set_up(stack: Stack, phases: Phases) -> datetime:
    """Prepare Airflow and load the data; return the moment that the events count back from.

    Raises ProcessError when a DAG file cannot be imported.
    """
    stack.airflow.wait_for_dags(DAGS.values())
    api = stack.airflow.api()
    if errors := api.import_errors():
        raise ProcessError(f"DAG files that cannot be imported: {errors}")
    prepare(api, POLICIES)
    phases.begin("loading the demo data")
    return demo_data.load(stack)


def _demonstrate(stack: Stack, phases: Phases) -> list[str]:
    """Return the names of the checks that failed."""
    loaded_at = set_up(stack, phases)
    phases.begin("reading every table from outside, to compare with later")
    before = {client.name: _table(stack, client) for client in CLIENTS}
    phases.begin("a run of a client that nobody has enabled yet: it must not touch anything")
    failed = _verdicts(rehearsal.CLIENT.name, rehearsal.rehearse(stack))
    phases.begin("enabling all clients: from here on rows leave")
    rehearsal.enable(stack)
    pgbench = Pgbench(stack)
    filled = pgbench.transactions
    try:
        moment = datetime.now(UTC).replace(tzinfo=None)
        phases.begin(f"archiving as of {moment:%Y-%m-%d %H:%M:%S} UTC, all clients at once")
        outcomes = _archive(stack, pgbench, before, loaded_at, moment)
        pgbench.finish()
    finally:
        pgbench.stop()
    phases.begin("a job: the policy file's rollup of acme, by a login of its own")
    failed += _verdicts(demo_jobs.CLIENT.name, demo_jobs.run_job(stack))
    phases.begin("policies in a table: one that archives, and one that deletes once a person has approved it")
    failed += _verdicts(demo_jobs.CLIENT.name, demo_policies.run_policies(stack))
    phases.begin("an event: an insert that a Python function turns into a row elsewhere")
    failed += _verdicts(demo_jobs.CLIENT.name, demo_functions.run_functions(stack))
    phases.begin("reading tables and objects from outside")
    added = pgbench.transactions - filled
    seen = []
    for client in CLIENTS:
        seen.append(_evidence(stack, client, before[client.name], outcomes[client.name], loaded_at, added))
        print(f"{client.name}: {seen[-1].after.count:,} rows, {seen[-1].archive.objects:,} objects", flush=True)
    phases.begin("checking")
    failed += [name for one in seen for name in _verdicts(one.client.name, checks(one))]
    phases.begin("what was done")
    job_lines = demo_jobs.job_lines(demo_jobs.list_stats(stack))
    proof = [] if failed else [proof_line(seen), ""]
    closing = [demo_functions.describe_functions(stack), *closing_lines(stack, seen)]
    print("\n".join([*proof, *table_lines(seen), "", *job_lines, "", *closing]), flush=True)
    return failed


def _archive(
    stack: Stack, pgbench: Pgbench, before: Mapping[str, Rows], loaded_at: datetime, moment: datetime
) -> dict[str, Outcome]:
    """Run all DAGs while pgbench writes to the bank; return the outcome by client."""
    runs = DemoRuns(stack.airflow.api(), lambda client: count_deleted(stack, client))
    pgbench.keep_writing()
    for client in CLIENTS:
        print(_prospect(client, before[client.name].count, client.expected(loaded_at, moment)), flush=True)

    def meanwhile(at_work: set[str]) -> None:
        if BANK.name in at_work:
            pgbench.keep_writing()

    runs.start(moment)
    outcomes = runs.watch(meanwhile)
    for client in CLIENTS:
        for line in runs.failures(client.name):
            print(f"{client.name}: {line}", flush=True)
    return outcomes


def _prospect(client: DemoClient, rows: int, expected: int | None) -> str:
    if client.keeps_everything:
        return f"{client.name}: N is -1, so all {rows:,} rows must stay"
    if expected is None:
        return (
            f"{client.name}: N is {client.keep_days}, so {rows:,} rows and some that are being written now must leave"
        )
    return f"{client.name}: N is {client.keep_days}, so {expected:,} of {rows:,} rows must leave"


def _table(stack: Stack, client: DemoClient) -> Rows:
    with stack.postgres.connect(client.database) as connection:
        rows = in_table(connection, client)
    print(f"{client.name}: {rows.count:,} rows", flush=True)
    return rows


def _evidence(
    stack: Stack, client: DemoClient, before: Rows, outcome: Outcome, loaded_at: datetime, added: int
) -> Evidence:
    with stack.postgres.connect(client.database) as connection:
        after = in_table(connection, client)
        return Evidence(
            client=client,
            before=before,
            after=after,
            archive=in_bucket(stack.s3.client(), BUCKET, client),
            outcome=outcome,
            expected=client.expected(loaded_at, outcome.moment),
            added=added if client == BANK else 0,
            branches=_branches(connection) if client == BANK else None,
        )


def _branches(connection: psycopg.Connection) -> int:
    """Return what pgbench's branches own together."""
    rows = connection.execute("SELECT bbalance FROM pgbench_branches").fetchall()
    return sum(balance for (balance,) in rows)


def _verdicts(client: str, found: Iterable[Check]) -> list[str]:
    """Print every check of the client and return the names of those that failed."""
    failed = []
    for check in found:
        name = f"{client}: {check.name}"
        print(f"{'ok    ' if check.passed else 'FAILED'}  {name}  [{check.detail}]", flush=True)
        if not check.passed:
            failed.append(name)
    return failed
