"""verify: reads the whole archive of one table back and compares it with its manifests and with the ledger.

Changes nothing. What the ledger vouches for is looked for where the ledger says that it lies, and read by the ledger's
own copy of the manifest; then whatever else lies where the policy points now. The ledger's lines are looked at as well,
since triggers of the table can write to it: whether they fit together, and whether rows that left by them are in the
table after all. The ledger is read first, so that what a run adds in between is not a finding. In memory stay a few
bytes for each object, and what was found.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from itertools import groupby

from pg_archiver.domain.sizes import format_bytes
from pg_archiver.domain.tables import RowIdentity, TableShape
from pg_archiver.domain.wording import say_count
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import CheckFailed, ObjectMissing, Refused, StorageRefused
from pg_archiver.ledger.removed_rows import (
    NoteKeys,
    has_kept,
    has_note,
    has_seen_object,
    has_written_object,
    number_rows,
    read_notes,
    tell_contradictions,
    weigh_notes,
)
from pg_archiver.ledger.window_generation import Generation, State
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.manifest_files import read_manifest
from pg_archiver.objects.object_keys import data_keys, manifest_key, table_folder
from pg_archiver.objects.object_reader import open_all
from pg_archiver.postgres.catalog import describe_table, find_table
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket, Listed
from pg_archiver.verify.ledger_contradictions import count_still_there, find_contradictions
from pg_archiver.verify.result import Verified

log = logging.getLogger(__name__)

# Of what runs left behind, some keys are enough to find it.
_MOST_LOOSE = 5
_MANIFEST = ".manifest.json"


def verify(session: Session, bucket: Bucket, order: WorkOrder) -> Verified:
    """Read every manifest, object and sidecar of the table to its last byte.

    Raises:
        StorageInterrupted, DatabaseInterrupted: it could not be read to the end; nothing is known of the rest.
    """
    work = _Verification(session, bucket, order)
    work.check_ledger()
    work.check_listing()
    work.settle()
    for line in work.result.lines():
        log.info("%s", line)
    return work.result


class _Verification:
    """The verification of one table's archive, in progress."""

    def __init__(self, session: Session, bucket: Bucket, order: WorkOrder) -> None:
        self.result = Verified()
        self._session = session
        self._bucket = bucket
        self._order = order
        self._shape: TableShape | None = None
        self._folder = table_folder(order.prefix, order.client, order.table)
        ledger = WindowLedger(session, order)
        self._ledger = ledger if ledger.exists() else None
        # Digests of the data objects in this bucket and folder that the ledger vouches for.
        self._seen: set[bytes] = set()
        self._note_keys = NoteKeys()
        self._places: Counter[str] = Counter()
        # What S3 refused: how often, and the first object.
        self._refused: dict[str, tuple[int, str]] = {}
        self._unknown = 0
        # Whether rows left that could not be looked for in the table, and why not; it is empty where there is no table.
        self._left_unseen, self._why_not = False, ""

    def check_ledger(self) -> None:
        """Check that what the ledger vouches for is where it says, and is the same."""
        if self._ledger:
            self._shape = self._describe()
        for row in self._ledger.list_vouched_for() if self._ledger else ():
            self._check_row(row)

    def check_listing(self) -> None:
        """Check what else lies where the policy points: unknown to the ledger, abandoned, or left over."""
        loose: list[Listed] = []
        count = size = 0
        try:
            for _, found in groupby(self._bucket.list_objects(self._folder), self._hour_of):
                for one in self._check_folder(list(found)):
                    count, size = count + 1, size + one.size
                    loose += [one] if count <= _MOST_LOOSE else []
        except StorageRefused as refusal:
            self._note_refusal(refusal, f"s3://{self._bucket.name}/{self._folder}")
        if count:
            named = ", ".join(f"{one.key} ({format_bytes(one.size)})" for one in loose)
            self.result.notes.append(
                f"{count:,} object(s) without a manifest, left by runs that broke off, {format_bytes(size)} in all"
                f"{', first' if count > len(loose) else ''}: {named}"
            )

    def settle(self) -> None:
        """Tell what is known only at the end."""
        for refusal, (count, where) in self._refused.items():
            self.result.note_problem(f"{refusal}. So {say_count(count, 'object')} could not be read, first {where}")
        if self._left_unseen and self._why_not:
            self.result.notes.append(
                f"whether rows that left by the ledger are still in the table was not checked: {self._why_not}"
            )
        if self._unknown:
            self.result.notes.append(
                f"the ledger has no line for {say_count(self._unknown, 'object')} with a manifest: it was brought "
                "back to an earlier moment, or lines were removed from it. Fix: verify with rebuild_ledger, which "
                "adds them"
            )
        self.result.elsewhere = self._places.total()
        for place, count in sorted(self._places.items()):
            self.result.notes.append(
                f"{say_count(count, 'object')} of the ledger's elsewhere: below {place}, where the policy pointed "
                f"before its bucket or prefix was changed"
            )

    def _check_row(self, row: Generation) -> None:
        """Check a generation that the ledger vouches for; it counts as one problem, however much is wrong with it."""
        if row.bucket == self._bucket.name and row.object_key.startswith(self._folder):
            self._seen.add(_digest(row.object_key))
        else:
            table = table_folder("", self._order.client, self._order.table)
            self._places[f"s3://{row.bucket}/{row.object_key.partition(table)[0]}"] += 1
        bucket = self._bucket.elsewhere(row.bucket)
        try:
            written = Manifest.parse(row.manifest, f"the ledger's entry for {row.object_key}")
            faults = _compare_manifest(bucket, row, written)
            damages = self._read_back(bucket, written)
            if faults and not damages:
                faults.append("its object is whole by the ledger's own copy of the manifest")
            faults += damages
            faults += find_contradictions(row, written, bucket)
            if not damages:
                faults += self._compare_table(bucket, row, written)
            faults += self._compare_notes(bucket, row, written)
        except CheckFailed as failure:
            faults = [str(failure)]
        except StorageRefused as refusal:
            self._note_refusal(refusal, f"s3://{row.bucket}/{row.object_key}")
            return
        if faults:
            self.result.note_problem("; ".join(faults))

    def _describe(self) -> TableShape | None:
        """Return the table, if its rows can be looked up by their time; None if it is gone, or why they cannot be."""
        if find_table(self._session, self._order.table) is None:
            return None
        self._why_not = f"no index begins with {self._order.timestamp_column}"
        try:
            shape = describe_table(self._session, self._order.table, self._order.timestamp_column, to_delete=False)
        except Refused as refusal:
            self._why_not = str(refusal)
            return None
        return shape if shape.timestamp_index else None

    def _compare_table(self, bucket: Bucket, row: Generation, written: Manifest) -> list[str]:
        """Compare with the table: a row that left is not in it, since ledger line and delete commit together."""
        if self._shape is None:
            self._left_unseen |= row.deleted_rows > 0
            return []
        count = count_still_there(self._session, bucket, self._shape, row, written)
        if not count:
            return []
        return [
            f"by the ledger {row.deleted_rows} of the {row.rows} rows of s3://{row.bucket}/{row.object_key} left the "
            f"table, and {count} of those are in it as they were: the ledger was written to by somebody else, as by a "
            "trigger of the table. Fix: set that line's state to 'void', and the next run archives the window anew"
        ]

    def _check_folder(self, found: list[Listed]) -> list[Listed]:
        """Check manifests of a folder that the ledger did not lead to; return what belongs to no manifest and run."""
        known: set[str] = set()
        for key in (one.key for one in found):
            if key.endswith(_MANIFEST) and not any(_digest(one) in self._seen for one in data_keys(key)):
                known.update(self._check_manifest(key))
        loose = [
            one
            for one in found
            if not one.key.endswith(_MANIFEST)
            and not any(key in known or _digest(key) in self._seen for key in data_keys(one.key))
        ]
        return [one for one in loose if not self._is_under_way(one.key)]

    def _is_under_way(self, key: str) -> bool:
        """Return whether the ledger knows of a run that is working on this object, or has just ended with it."""
        row = self._find_row(data_keys(key))
        return row is not None and row.state is not State.VOID

    def _check_manifest(self, key: str) -> tuple[str, ...]:
        """Check a manifest that the ledger did not vouch for, and its objects; return the keys it may speak of."""
        manifest, candidates = None, data_keys(key)
        try:
            try:
                manifest = read_manifest(self._bucket, self._order, key)
                candidates = (manifest.data.key,)
                row = self._find_row(candidates)
                if row is not None and row.state in {State.STORED, State.DELETED}:
                    # It was stored since the ledger was read.
                    self._check_row(row)
                    return candidates
                self._unknown += row is None and self._ledger is not None
                faults = self._read_back(self._bucket, manifest)
                faults += self._weigh_notes(manifest, row)
            except CheckFailed as failure:
                faults = [str(failure)]
        except StorageRefused as refusal:
            self._note_refusal(refusal, f"s3://{self._bucket.name}/{key}")
            return candidates
        if faults:
            row = self._find_row(candidates)
            if row is not None and row.state is State.VOID and has_seen_object(row):
                self.result.notes.append(
                    f"{'; '.join(faults)}. The ledger abandoned that generation, and none of its rows left"
                )
            else:
                self.result.note_problem("; ".join(faults))
        return candidates

    def _find_row(self, keys: tuple[str, ...]) -> Generation | None:
        if self._ledger is None:
            return None
        rows = [self._ledger.find_by_object(self._bucket.name, key) for key in keys]
        return next((row for row in rows if row is not None), None)

    def _read_back(self, bucket: Bucket, manifest: Manifest) -> list[str]:
        faults: list[str] = []
        for part in open_all(bucket, manifest):
            try:
                part.check()
            except CheckFailed as failure:
                faults.append(str(failure))
        if not faults:
            self.result.objects += 1
            self.result.rows += manifest.rows
            self.result.object_bytes += manifest.data.bytes
        return faults

    def _compare_notes(self, bucket: Bucket, row: Generation, manifest: Manifest) -> list[str]:
        """Compare the notes beside an object that the ledger vouches for, for the day when the ledger is lost."""
        if row.rebuilt:
            return self._weigh_notes(manifest, row, bucket)
        found = read_notes(bucket, manifest, self._note_keys.list_of(bucket, manifest.data.key))
        if row.state is State.DELETED:
            # One whose object could not be read at its end tells which sub-ranges left.
            row = number_rows(bucket, row, manifest)
        if row.state is State.DELETED and has_kept(row) and not has_note(row, found):
            # It may have come since its hour was listed.
            found = read_notes(bucket, manifest)
        if row.state is State.STORED and found.notes and self._ledger:
            # Its delete may have gone on, and ended, since the ledger was read.
            row = self._ledger.find_by_object(row.bucket, row.object_key) or row
        self.result.notes += found.unusable
        if told := tell_contradictions(row, found):
            self.result.notes.append(told)
        if row.state is State.DELETED and has_kept(row) and not has_note(row, found):
            return [
                f"no note beside s3://{row.bucket}/{row.object_key} tells, as the ledger does, which of its "
                f"{row.rows} rows stayed in the table. Fix: verify with rebuild_ledger, which writes it"
            ]
        return []

    def _weigh_notes(self, manifest: Manifest, row: Generation | None, bucket: Bucket | None = None) -> list[str]:
        """Weigh the notes beside an object of which the ledger knows nothing at first hand."""
        if row is not None and (has_seen_object(row) or has_written_object(row, manifest)):
            return []
        if row is not None and row.state is State.VOID and manifest.identity is RowIdentity.PLACE:
            self.result.notes.append(
                f"whether the rows of {manifest.data.key} left the table is not known: the ledger lost what it knew "
                "of the object, and the table has no key by which its rows could be distinguished. A restore puts "
                "them into a new table only"
            )
        bucket = bucket or self._bucket
        gone = weigh_notes(manifest, read_notes(bucket, manifest, self._note_keys.list_of(bucket, manifest.data.key)))
        if gone.doubtful:
            return ["; ".join(gone.notes)]
        self.result.notes += gone.notes
        return []

    def _hour_of(self, found: Listed) -> list[str]:
        """Return the folder of the hour, however deep below it something lies."""
        return found.key[len(self._folder) :].split("/")[:2]

    def _note_refusal(self, refusal: StorageRefused, where: str) -> None:
        count, first = self._refused.get(str(refusal), (0, where))
        self._refused[str(refusal)] = (count + 1, first)


def _compare_manifest(bucket: Bucket, row: Generation, written: Manifest) -> list[str]:
    """Return what is wrong with the manifest in S3, by the ledger's copy."""
    where = f"s3://{row.bucket}/{manifest_key(row.object_key)}"
    try:
        with bucket.open(manifest_key(row.object_key)) as answer:
            found = Manifest.parse(answer.body.read(), where)
    except ObjectMissing:
        return [
            f"{where} is missing or unusable, but by the ledger {row.deleted_rows} of its {row.rows} rows were deleted "
            f"from the table"
        ]
    except CheckFailed as failure:
        return [str(failure)]
    return [] if found == written else [f"{where} differs from the ledger"]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()[:16]
