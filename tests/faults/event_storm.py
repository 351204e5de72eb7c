"""Workers of events that are killed, and a server that is: each event once, in the order of its topic, and none lost.

Rows are written all the while, some of these transactions are rolled back, and some events fail at first. What a
function writes and the end of its event are one commit, so the sink tells what was lost or done twice.
"""

from __future__ import annotations

import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.faults.account import Verdict
from tests.faults.chance import seeded
from tests.support.event_place import EventPlace

WORKERS, LANES, TOPICS = 4, 3, 40
_TRANSACTIONS_A_ROUND, _MOST_ROWS = 50, 20
_SETTLE_SECONDS = 300.0
MODEL = """
if event.payload["fails"] >= event.attempt:
    raise ValueError
db.execute("INSERT INTO sink (event_id, topic, data) VALUES (%s, %s, %s)", [event.id, event.topic, event.key["id"]])
"""


@dataclass
class EventStorm:
    """One watched table under load.

    Attributes:
        place: its database, and its folder of functions.
        operations: how many rows are written.
        server_kills: how often its server is killed, of the rounds.
    """

    place: EventPlace
    operations: int
    seed: str
    server_kills: float = 0.03
    events: Counter[str] = field(default_factory=Counter)

    def run(self) -> Verdict:
        """The verdict on every row that was committed."""
        place = self.place
        place.define("model", MODEL)
        place.sql("CREATE TABLE source (id bigserial PRIMARY KEY, topic int, fails int)")
        place.sql("INSERT INTO archiver.jobs (job_name, action, function_name) VALUES ('model', 'function', 'model')")
        place.sql("SELECT archiver.watch('source', 'model', topic => '.topic', payload_columns => '{fails}')")
        chance = seeded(self.seed)
        running: list[subprocess.Popen[str]] = []
        with self._ended(running):
            while self._count_written() < self.operations:
                self._start(running)
                self._write(chance)
                self._kill(chance, running)
        self._settle()
        return self._check()

    def _start(self, running: list[subprocess.Popen[str]]) -> None:
        while len(running) < WORKERS:
            lane = ["--lanes", f"{LANES}", "--lane", f"{len(running) % LANES}"]
            running.append(self.place.spawn("--until-empty", "--linger", "0.5", *lane))

    def _write(self, chance: Random) -> None:
        with self.place.server.connect(self.place.database, autocommit=False) as user:
            for _ in range(_TRANSACTIONS_A_ROUND):
                rows = [
                    (chance.randrange(TOPICS), int(chance.random() < 0.005))
                    for _ in range(chance.randint(1, _MOST_ROWS))
                ]
                with user.cursor() as cursor:
                    cursor.executemany("INSERT INTO source (topic, fails) VALUES (%s, %s)", rows)
                if chance.random() < 0.1:
                    user.rollback()
                    self.events["transactions rolled back"] += 1
                else:
                    user.commit()

    def _kill(self, chance: Random, running: list[subprocess.Popen[str]]) -> None:
        for process in list(running):
            if chance.random() < 0.1 or process.poll() is not None:
                self.events["workers killed"] += process.poll() is None
                process.kill()
                process.communicate()
                running.remove(process)
        if chance.random() < self.server_kills:
            self.place.server.kill()
            self.place.server.start()
            self.events["servers killed"] += 1
        # A crash too many would make an innocent event dead.
        self._sql("UPDATE archiver.events SET crashes = 1 WHERE crashes > 1")

    @contextmanager
    def _ended(self, running: list[subprocess.Popen[str]]) -> Iterator[None]:
        """No worker goes on after this block."""
        try:
            yield
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.communicate(timeout=60)

    def _settle(self) -> None:
        """Works until nothing is left, what has failed before too."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._sql("SELECT 1 FROM archiver.events UNION ALL SELECT 1 FROM archiver.incoming_events LIMIT 1"):
            if time.monotonic() > deadline:
                raise AssertionError(f"events are left after {_SETTLE_SECONDS:.0f} seconds")
            # Rows may be written much faster than workers work that are killed all the while.
            self.place.run("--until-empty", "--linger", "1", seconds=_SETTLE_SECONDS)

    def _check(self) -> Verdict:
        expected = [row[0] for row in self._sql("SELECT id FROM source ORDER BY id")]
        found = self._sql("SELECT data::bigint, topic FROM sink ORDER BY position")
        done = Counter(number for number, _ in found)
        lost = tuple(f"the event of row {number} was not done" for number in expected if not done[number])
        problems = [f"the event of row {number} was done {times} times" for number, times in done.items() if times > 1]
        problems += [f"the event of row {number} was done, which nobody committed" for number in {*done} - {*expected}]
        dead = self._sql("SELECT id, reason FROM archiver.dead_events")
        problems += [f"event {number} is dead: {reason}" for number, reason in dead]
        by_topic: defaultdict[str, list[int]] = defaultdict(list)
        for number, topic in found:
            by_topic[topic].append(number)
        problems += [f"topic {topic} is out of order" for topic, of_it in by_topic.items() if of_it != sorted(of_it)]
        return Verdict(len(expected), lost, tuple(problems))

    def _count_written(self) -> int:
        return int(self._sql("SELECT count(*) FROM source")[0][0])

    def _sql(self, statement: str) -> list[Any]:
        """By a connection of its own: servers die here."""
        with self.place.server.connect(self.place.database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
