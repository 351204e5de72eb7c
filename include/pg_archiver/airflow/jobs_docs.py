"""The text that Airflow's UI shows on the DAGs of jobs: what they do, to what, and how to stop them."""

from __future__ import annotations

from pg_archiver.airflow.airflow_ids import jobs_paused_variable, jobs_pool_name
from pg_archiver.policies.jobs_settings import InstanceJobs


def describe_jobs(instance: InstanceJobs, source: str) -> str:
    """Return the text of an instance's DAG of jobs."""
    settings = instance.settings
    sources = ", ".join(f"`{one}`" for one in instance.sources)
    actions, procedures = ", ".join(settings.actions), ", ".join(settings.procedures) or "none"
    return f"""
### What it does
Runs the jobs that are due: rows of `archiver.jobs` in {sources}, by connection `{instance.conn_id}`, and the jobs that
`{source}` lists. **choose** checks new and changed rows, counts what has ended and takes what is due; **run** is one
task for each job and database; **report** says what came of it.

- What jobs may do: {actions}. Procedures that may be called: {procedures}.
- Procedures run by the connection `{settings.procedures_conn_id or "(none)"}`, never by the archiver's.
- {settings.slots} at once, by the pool `{jobs_pool_name(instance.conn_id)}`. Without that pool no job ever starts, and
  `sweep` is red after ten minutes.

Each database keeps the record, in the views `archiver.job_stats`, `archiver.job_errors` and `archiver.job_history`.
What a procedure printed, or why it failed, stays in its own database and is not in Airflow's log.

### When it runs
When something is due: the triggerer listens to the databases. Without a triggerer the DAG `sweep` wakes it, up to five
minutes late. Unpause it and `sweep`. It is paused when it is new.

A job that failed is tried again by its own schedule and `retry_period`; clearing its task is not needed.

### By hand
Name `jobs` and set `run_now` to start them now. `dry_run` checks every chosen job and starts nothing. `adopt` says why
their databases act for their archives from now on, where others did.

### How to stop it
Set Variable `{jobs_paused_variable(instance.conn_id)}` to `true`: nothing starts any more, running jobs end. One job
alone stops with `SELECT archiver.alter_job(ID, scheduled => false)`. Mark a task as failed to cancel its call on the
server; what the procedure had committed stays.
"""


SWEEP = """
### What it does
Looks every five minutes into every database that has jobs or events, and wakes `jobs__<conn_id>` and
`events__<client>` where something is due and nobody is at work on it. So a triggerer that is down makes a job or an
event late, and loses none. It also deletes what of the log of events and of dead events is older than it is kept for.

**It is red while something needs a person**: a job that has used up its `max_retries`, dead events, a table of which
too many events wait, so that it notes no more, a database that cannot be looked into.
`SELECT * FROM archiver.job_stats WHERE job_status IN ('Exhausted', 'Refused')` shows why;
`SELECT archiver.alter_job(ID, scheduled => true)` lets a job begin again.

It runs no job and no function. It is paused when it is new: unpause it together with the DAGs of jobs.
"""

APPROVE = """
### What it does
Asks a person before a job runs for the first time, and again after its definition has changed, where the policy file
lists its action under `approve`. One run is one question; it waits under Required Actions for twelve hours. A job that
is rejected is refused until its definition changes.
"""
