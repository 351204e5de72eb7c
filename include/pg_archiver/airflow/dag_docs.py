"""The text that Airflow's UI shows on each DAG: what it does, to what, and how to stop it."""

from __future__ import annotations

from pg_archiver.airflow.airflow_ids import enabled_variable, keep_days_variable
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client


def describe_archive(client: Client, source: str) -> str:
    """Return the text of a client's archive DAG."""
    tables = "\n".join(_table_line(policy) for policy in client.tables)
    return f"""
### What it does
Moves rows older than N days out of database `{client.database}` (connection `{client.conn_id}`) into S3, an hour at a
time: **export** to a new object, **store** (read it back and compare), **delete** exactly the row versions that were
read back. A row that came or changed after the export stays, and goes into a later object.

**It deletes rows, once the client is enabled.** Until then every run is a dry run, by schedule or by hand: it reads and
compresses what is due, deletes nothing, and says so in its note.

- **Look**: trigger the DAG `preview` and choose `{client.name}`. This DAG may stay paused.
- **Enable**: `enabled: true` at the client or a table in `{source}`, or Variable `{enabled_variable(client.name)}` =
  `true`. A `false` in any of these places overrides every `true`.
- **Unpausing** starts a run at once only if its last scheduled time is recent (a tenth of the interval: 2.4 hours for
  a daily run) or the DAG has run by schedule before. The trigger form also unpauses a paused DAG.

| table | timestamp | N in the policy | objects |
|---|---|---|---|
{tables}

### How many days it keeps
The first of: the run's `keep_days`; Variable `{keep_days_variable(client.name)}`; the policy (`{source}`);
Variable `archive_keep_days`; 2. `-1` keeps everything.

### How to stop it
Set Variable `{enabled_variable(client.name)}` to `false`: no delete task begins any more.

Pause the DAG to stop future runs. Mark the run as failed to stop the deletes that are running: each ends after its
current batch. A batch that takes more than two seconds longer is cancelled and rolled back, and so is any other work.
Airflow kills a task that has not ended five seconds after it was asked to. The `report` of a run that is marked as
failed is skipped; what had left is in the ledger. Everything that was begun is safe as it is, and the next run
continues from there.
"""


def describe_broken(reason: str) -> str:
    """Return the text of a DAG whose policy was refused."""
    return f"""
### This client is not archived
Its entry in the policy file cannot be used, so its run only fails with the reason:

```
{reason}
```

Other clients are not affected. Correct the entry, and the tasks come back by themselves.
"""


PREVIEW = """
### What it does
Shows what a run of a client's archive would do now: how many days it keeps and why, the cutoff, the rows and windows
that are due, and about how many bytes, requests, dollars and minutes that takes and how much disk space comes back.
It also checks everything that a run needs: privileges, index, bucket, ledger and pool. What is missing is listed with
the command that fixes it, and the run fails at its end; everything else is shown anyway.

**It deletes nothing and writes nothing, and loads no code that deletes or moves rows.** The client's own DAG may stay
paused.

The result is in the log of the task `preview`, and in its XCom `report`.

### What it costs
It counts the due rows for one minute at most and reads a sample of 20,000 rows. Rows and windows are exact unless it
says otherwise; everything else is an estimate.

### How to stop it
Mark the run as failed.
"""

RESTORE = """
### What it does
Brings the rows of a span back from S3. Every object is read to its end and compared with its manifest before any of
its rows counts. An object that is damaged or missing, and a row that the table refuses, is left out and named, and the
run fails at its end. Rows that never left the table (changed since their export) are not brought back. Of several
versions of a row, only the newest is. If nothing of the span was archived, the task is skipped and says what there is.

**It inserts rows.** Try `dry_run` first: it reports what would be restored.

The table need not be listed: what a job archived, or what was taken out of the policy file, is found by the ledger and
in the bucket. A database that no client stands for is called by its connection and its name, as `rds_main.shop`.

### Into
Empty means the table itself. The archive leaves restored rows there until the hold ends; the log says when. A new
table has the archive's columns and key, and nothing that could refuse a row. The log gives the statements that add the
rest of the original (indexes, checks, defaults). Further restores can go into the same new table. Restore a table whose
foreign keys point to another one after that one. Triggers of the table fire; rows that they would change are left out
and named.

### How to stop it
Mark the run as failed. Its statement is cancelled two seconds later and rolled back, and Airflow kills its process
after five. Each object's rows are in the table as a whole or not at all. Run it again to continue.

This DAG has no schedule and is not paused when it is new: a run of a paused DAG would wait forever.
"""

MAINTENANCE = """
### What it does
For each table, one at a time on a server: **inspect** (sizes, what could be given back, what holds VACUUM back),
**index** (an index that begins with the timestamp column, built CONCURRENTLY), **validate** (amcheck), **vacuum**,
**reclaim** (gives disk space back) and **report**. Every week in off hours, once it is unpaused, or by hand over the
tables that the form selects. It is paused when it is new, and a run of a paused DAG waits until it is unpaused.

**VACUUM FULL locks a table until it ends.** It runs only within the policy's `maintenance_window`, above its threshold,
and only if the free space on the disk is known and sufficient. `force` overrides the hours and the threshold, never the
disk. Try `dry_run` first: it says what would be done, and why.

### Approval
A table whose policy has `approve: true` is rewritten only after a person has approved it here, under Required Actions,
within twelve hours. If it is rejected, or nobody answers, `reclaim` is skipped and the report says so. The maintenance
window still applies: approve within it, or start the run with `force`.

### How to stop it
Mark the run as failed. An index build, a check, a VACUUM or a VACUUM FULL is cancelled two seconds later, and the table
is as it was. Airflow kills its process after five. `compact` ends after its batch, or in the middle of its VACUUM; what
it gave back stays given back. The next run removes what a failed index build or a killed pg_repack left behind.
"""

VERIFY = """
### What it does
Reads every manifest, object and sidecar of the archive back from S3 to its last byte, and compares checksums, rows and
the ledger. If a table's archive is not whole, its task fails and names the objects; the other tables continue. It
changes nothing.

Once a week over all tables, once it is unpaused; or by hand over one client or one table. It is paused when it is new.
Pause it if reading the whole archive costs too much. The last task of each client looks for tables that the policy file
does not list, such as those of jobs; one task of each instance with jobs does so for databases of no client.

### Rebuild the ledger
For a client database that was lost, or restored from a backup: adds the generations that only the manifests know to
the ledger, before it verifies. Nothing is deleted because of them; rows that are in the table are archived again.

### How to stop it
Mark the run as failed. Airflow kills its process five seconds later. It only reads, so nothing is left behind.
"""


def _table_line(policy: TablePolicy) -> str:
    keep = "not set" if policy.keep_days is None else str(policy.keep_days)
    place = "/".join(part for part in (f"s3://{policy.bucket_name}", policy.prefix) if part)
    return f"| `{policy.table}` | `{policy.timestamp_column}` | {keep} | `{place}` |"
