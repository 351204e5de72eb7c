"""The text that Airflow's UI shows on each DAG: what it does, to what, and how to stop it."""

from __future__ import annotations

from pg_archiver.airflow.airflow_ids import enabled_variable, keep_days_variable
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import Client


def describe_archive(client: Client, source: str) -> str:
    """The text of a client's archive DAG."""
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
  `true`. A `false` in any of these places beats every `true`.
- **Unpausing** starts a run at once only if its last scheduled time is recent (a tenth of the interval: 2.4 hours for
  a daily run) or the DAG has run by schedule before. The trigger form unpauses a paused DAG as well.

| table | timestamp | N in the policy | objects |
|---|---|---|---|
{tables}

### How many days it keeps
The first of: the run's `keep_days`; Variable `{keep_days_variable(client.name)}`; the policy (`{source}`);
Variable `archive_keep_days`; 2. `-1` keeps everything.

### How to stop it
Set Variable `{enabled_variable(client.name)}` to `false`: no delete task begins any more.

Pause the DAG for the runs to come. Mark the run as failed for the deletes that are going on: each ends after its
current batch; one that takes longer than two seconds more is cancelled and rolled back, and so is whatever else is at
work. Airflow kills a task that has not ended five seconds after it asked. The `report`
of a run that is marked as failed is skipped; what had left is in the ledger. Whatever was begun is safe as it is, and
the next run goes on from there.
"""


def describe_broken(reason: str) -> str:
    """The text of a DAG whose policy was refused."""
    return f"""
### This client is not archived
Its entry in the policy file cannot be used, so its run does nothing but fail with the reason:

```
{reason}
```

Other clients are not touched by this. Mend the entry, and the tasks come back by themselves.
"""


PREVIEW = """
### What it does
Tells what a run of a client's archive would do now: how many days it keeps and why, the cutoff, the rows and windows
that are due, and about how many bytes, requests, dollars and minutes that takes and how much disk space comes back.
It also looks whether all is there that a run needs: rights, index, bucket, ledger and pool. What is missing is told
with the command that mends it, and makes the run red at its end; everything else is told all the same.

**It deletes nothing and writes nothing, and loads no code that deletes or moves rows.** The client's own DAG may stay
paused.

The result is in the log of the task `preview`, and in its XCom `report`.

### What it costs
It counts the due rows for a minute at most and reads a sample of 20,000 rows. Rows and windows are exact unless it says
otherwise; all else is an estimate.

### How to stop it
Mark the run as failed.
"""

RESTORE = """
### What it does
Brings the rows of a span back from S3. Every object is read to its end and compared with its manifest before a row of
it counts; an object that is damaged or missing, and a row that the table refuses, is left out and named, and the run
fails at its end. Rows that never left the table (changed since their export) are not brought back; of several versions
of a row, the newest is. Where nothing of the span was archived, the task is skipped and says what there is.

**It inserts rows.** Try `dry_run` first: it reports what would come back.

### Into
Empty is the table itself; the archive leaves restored rows there until the hold ends, which the log names. A new table
has the archive's columns and key and nothing that could refuse a row; the log gives the statements for what it lacks of
the original (indexes, checks, defaults). It may be filled by further restores. A table whose foreign keys point to
another one is restored after that one. Triggers of the table fire; rows that they would change stay out and are named.

### How to stop it
Mark the run as failed; what is at work is cancelled two seconds later and rolled back, and Airflow kills its process
after five. Each object's rows are in the table as a whole or not at all; run it again to go on.

This DAG has no schedule and is not paused when it is new: a run of a paused DAG would wait for ever.
"""

MAINTENANCE = """
### What it does
For each table, one at a time on a server: **inspect** (sizes, what could be given back, what holds VACUUM back),
**index** (an index that begins with the timestamp column, built CONCURRENTLY), **validate** (amcheck), **vacuum**,
**reclaim** (disk space given back) and **report**. Every week in off hours, once it is unpaused, or by hand over what
the form chooses. It is paused when it is new, and a run of a paused DAG waits until it is unpaused.

**VACUUM FULL locks a table while it lasts.** It is done only within the policy's `maintenance_window`, above its
threshold, and only where the free space on the disk is known and suffices. `force` overrides the hours and the
threshold, never the disk. Try `dry_run` first: it says what would be done, and why.

### Approval
A table whose policy has `approve: true` is rewritten only after a person has approved it here, under Required Actions,
within twelve hours. If it is rejected, or nobody answers, `reclaim` is skipped and the report says so. The hours still
count: approve within the window, or start the run with `force`.

### How to stop it
Mark the run as failed; an index build, a check, a VACUUM or a VACUUM FULL is cancelled two seconds later, and the table
is as it was; Airflow kills its process after five. `compact` ends after its batch, or in the midst of its VACUUM; what
it gave back stays so. What a broken index build, or a pg_repack that was killed, has left is repaired by the next run.
"""

VERIFY = """
### What it does
Reads every manifest, object and sidecar of the archive back from S3 to its last byte, and compares checksums, rows and
the ledger. A table whose archive is not whole fails its task, which names the objects; the other tables go on. It
changes nothing.

Once a week over all tables, once it is unpaused; by hand over one client or one table. It is paused when it is new.
Pause it if reading the whole archive costs too much.

### Rebuild the ledger
For a client database that was lost, or brought back from a backup: puts the generations that only the manifests know
into the ledger, before it verifies. Nothing is deleted on their account; rows that are in the table are archived anew.

### How to stop it
Mark the run as failed; Airflow kills its process five seconds later. It only reads, so nothing is left behind.
"""


def _table_line(policy: TablePolicy) -> str:
    keep = "not set" if policy.keep_days is None else str(policy.keep_days)
    place = "/".join(part for part in (f"s3://{policy.bucket_name}", policy.prefix) if part)
    return f"| `{policy.table}` | `{policy.timestamp_column}` | {keep} | `{place}` |"
