"""The function of the distributed test, as it stands in `include/functions` of each machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psycopg

from pg_archiver.events import Event, event_function


@event_function("note_machine")
def note_machine(event: Event, db: psycopg.Connection) -> None:
    """Note which event this was, and where it ran; it takes its time, so that one worker alone is no match for them."""
    time.sleep(0.01)
    db.execute(
        "INSERT INTO noted (event_id, topic, machine) VALUES (%s, %s, %s)",
        [event.id, event.topic, Path(os.environ["AIRFLOW_HOME"]).name],
    )
