"""What the statement files of events are given where they are tried."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.place import NOW, hours_ago

VALUES_OF_EVENTS: Mapping[str, object] = {
    "after_priority": 0,
    "after_turn": 0,
    "application": "archiver",
    "binding_id": 1,
    "bindings": [1],
    "channel": "/q",
    "contents": [b"{}"],
    "done_topics": [1],
    "done_turns": [1],
    "due": NOW,
    "functions": ["copy"],
    "hashes": [b"hash"],
    "host": "here",
    "keys": [b"/q/1"],
    "lane": 0,
    "lanes": 2,
    "merged_ids": [2],
    "messages": [None],
    "most_events": 10,
    "most_keys": 5,
    "outputs": [None],
    "passed_topics": [1],
    "revisions": [1],
    "run_id": "run",
    "seconds": 1.5,
    "since": hours_ago(1),
    "starts": [NOW],
    "took_ms": 1.5,
    "worker_id": 1,
}
OF_LISTS: Mapping[str, Mapping[str, object]] = {"events/queue/complete": {"took_ms": [1.5]}}
