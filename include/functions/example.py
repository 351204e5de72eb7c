"""An example of a function for events. Nothing runs it until a job names it and a table is watched for that job.

    INSERT INTO archiver.jobs (job_name, action, function_name) VALUES ('note', 'function', 'example.note_change');
    SELECT archiver.watch('app.orders', 'note', topic => '.id');

`docs/events.md` says what a function gets and may do, `docs/how-to/run-functions-for-events.md` how to have it run.
"""

from __future__ import annotations

import json

import psycopg

from pg_archiver.events import Event, event_function


@event_function("example.note_change")
def note_change(event: Event, db: psycopg.Connection) -> None:
    """Write what happened to which row into app.changes (event_id bigint, operation text, key jsonb).

    The row commits with the event's end, or neither does: each change is noted once.
    """
    told = [event.id, event.operation, json.dumps(dict(event.key), default=str)]
    db.execute("INSERT INTO app.changes (event_id, operation, key) VALUES (%s, %s, %s::jsonb)", told)
