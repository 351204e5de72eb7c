"""SIGKILL at named points of an archive that keeps the newest versions of each key, then a plain rerun and the account.

Right after each kill, and when nothing is due any more: the newest of each key are there, each version that went is in
an object, and the ledger counts just these, each once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from pg_archiver.domain.versions import KeepVersions
from pg_archiver.domain.windows import MOST_WINDOW_HOURS_OF_VERSIONS
from tests.faults.account import Verdict
from tests.faults.archiving import Run
from tests.faults.chance import seeded
from tests.faults.kills import Kill, Worker, choices, forget_archive, refuse_survivor
from tests.faults.objects import Witness, checked_objects, stem_of
from tests.faults.place import Place, hours_ago

# Of each document some versions are of another year than the others, so that there are two windows or more.
KEYS, VERSIONS, KEEP, BATCH_SIZE = 3, 7, 3, 4
_CONDITION = KeepVersions(KEEP, ("doc_id",), "version")
_TABLE = """
    CREATE TABLE {table} (
        doc_id int, version bigint, at timestamp NOT NULL, body text, PRIMARY KEY (doc_id, version)
    );
    CREATE INDEX ON {table} (at);
    INSERT INTO {table}
    SELECT doc, version, timestamp '{last}' - ({versions} - version) * interval '150 days', 'body ' || version
    FROM generate_series(1, {keys}) AS doc, generate_series(1, {versions}) AS version
"""
# In one look, since a server may still be at the end of what was killed.
_STATE = """
    SELECT
        (SELECT array_agg(ARRAY[doc_id::text, version::text] ORDER BY doc_id, version) FROM {table}),
        array_agg(object_key) FILTER (WHERE state IN ('stored', 'deleted')),
        coalesce(sum(deleted_rows), 0)::int
    FROM archiver.windows
    WHERE table_name = %s
"""


def version_kills(worker: Worker, place: Place, number: int | None = None) -> list[Kill]:
    """So many of the points that such an archive comes by, or all of them, each at its first and at a later time."""
    answer = worker.run(_prepare(place, "recorded_versions"))
    assert answer["status"] == 0, answer
    found = choices(answer["points"])
    return found if number is None else seeded("kills of versions").sample(found, number)


def tried(worker: Worker, place: Place, name: str, kill: Kill) -> Verdict:
    """Kills one archive of a new table, lets a user add and take away versions or not, and runs plainly again."""
    table = _prepare(place, name)
    made = Counter((str(key), version) for key in range(1, KEYS + 1) for version in range(1, VERSIONS + 1))
    witness = Witness()
    refuse_survivor(worker.run(table, kill), kill)
    verdict = _check(table, made, witness)
    if seeded(name).random() < 0.5:
        # The one supersedes one more, and without the other three are left of what were four or more.
        table.sql(f"INSERT INTO {table.relation} VALUES (1, {VERSIONS + 1}, '{hours_ago(60)}', 'late')")
        table.sql(f"DELETE FROM {table.relation} WHERE doc_id = 2 AND version = {VERSIONS}")
        made = made + Counter([("1", VERSIONS + 1)]) - Counter([("2", VERSIONS)])
    Run.of(table).settle()
    return verdict + _check(table, made, witness, settled=True)


def _prepare(place: Place, name: str) -> Place:
    forget_archive(place)
    settings = {
        "timestamp_column": "at",
        "keep_versions": KEEP,
        "key_columns": _CONDITION.key_columns,
        "version_column": _CONDITION.version_column,
        "window_hours": MOST_WINDOW_HOURS_OF_VERSIONS,
    }
    table = place.on(name, timestamp_column="at", batch_size=BATCH_SIZE, versions=_CONDITION)
    table.sql(_TABLE.format(table=table.relation, keys=KEYS, versions=VERSIONS, last=hours_ago(72)))
    return replace(table, policy=table.policy.model_copy(update=settings))


def _check(place: Place, made: Counter[tuple[str, int]], witness: Witness, *, settled: bool = False) -> Verdict:
    problems = list(witness.look(place))
    if not place.has_ledger():
        return Verdict(made.total(), problems=tuple(problems))
    ((rows, keys, counted),) = place.sql(_STATE.format(table=place.relation), place.order.table.name)
    left = Counter((key, int(version)) for key, version in rows)
    gone = made - left
    objects = [one for one in checked_objects(place) if one.stem in set(map(stem_of, keys or []))]
    archived = {(row[0], int(row[1])) for one in objects for row in one.rows}
    problems += [problem for one in objects for problem in one.problems]
    if counted != gone.total():
        problems.append(f"{gone.total()} versions went, and the ledger counts {counted}")
    for key in {key for key, _ in made}:
        newest = sorted((version for other, version in made if other == key), reverse=True)[:KEEP]
        there = sorted((version for other, version in left if other == key), reverse=True)
        if there[:KEEP] != newest or (settled and len(there) > len(newest)):
            problems.append(f"of key {key} versions {there} are left, and {newest} are the newest")
    lost = tuple(f"version {version} of key {key} is in no object" for key, version in set(gone) - archived)
    return Verdict(made.total(), lost, tuple(problems))
