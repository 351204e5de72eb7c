"""The text that Airflow's UI shows on the DAGs of events: what they do, how to stop them, and what to look at."""

from __future__ import annotations

from pg_archiver.airflow.airflow_ids import events_paused_variable, events_pool_name, jobs_dag_id
from pg_archiver.policies.yaml_file import Client


def describe_events(client: Client, source: str) -> str:
    """Return the text of a client's DAG of events."""
    events = client.events
    if events is None:
        return ""
    pool = events_pool_name(client.conn_id)
    return f"""
### What it does
Runs Python functions for what changes in the tables that database `{client.database}` watches, for messages that are
sent to its channels and for schedules of functions. What happened is a row of `archiver.events`, committed with the
change itself. **survey** takes new events in and sees how many lanes are worth a worker; **work** is one worker for
each of at most {events.lanes}. A lane is a share of the topics: events of one topic run one after the other.

- Functions come from the folder `include/functions`, or that of `ARCHIVER_FUNCTIONS`, and only by the names that they
  are registered under there. A job names one: `action: function`.
- They run by the connection `{events.conn_id}`, never by the archiver's.
- A worker ends {events.linger:g} s after its last event, and after {events.max_seconds} s at the latest.
- **It needs the pool `{pool}`. Without that pool no function ever runs**, and `sweep` is red after ten minutes. Make it
  with `python -m pg_archiver.airflow.pools > pools.json` and `airflow pools import pools.json`.

What a function printed, and why it failed, is in `archiver.event_log` of the client's database, and not in Airflow's
log. The view `archiver.queue_status` shows what waits, runs or is dead.

### When it runs
When an event waits and nobody is at work: the triggerer listens to the database. Without a triggerer the DAG `sweep`
wakes it, up to five minutes late. Unpause it, `{jobs_dag_id(client.conn_id)}`, which checks the jobs, and `sweep`. It
is paused when it is new.

An event whose function fails is tried again by itself, later each time; the task stays green. After its last attempt it
is dead, and `sweep` is red until somebody tries it again.

### By hand
`retry_dead` puts dead events back into the queue; `bindings` are the numbers of those that are meant, empty for all.
`max_seconds` is how long the workers of this run work.

### How to stop it
Set Variable `{events_paused_variable(client.name)}` to `true`: nothing starts any more, workers go on to their end.
Mark a task as failed to end its worker after the batch that it has in hand. One job alone stops with
`SELECT archiver.alter_job(ID, scheduled => false)`. `{source}` says who works on what.
"""
