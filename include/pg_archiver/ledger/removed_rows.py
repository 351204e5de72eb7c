"""Which rows of an object left the table, and which are only in the object besides: noted beside the object too.

The ledger knows it first. The note in S3 is for the day when the ledger is lost, and is written only where there is
something to say. At the end of a delete it comes before the ledger's last word, so that it cannot be forgotten. When
a delete is abandoned it comes after it: a note left by a process that died in between would be wrong as soon as
another one went on deleting.

A database that was brought back to an earlier moment writes its own notes beside those that were written before;
`pasts` tells which of them counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from pydantic import ValidationError

from pg_archiver.domain.row_numbers import NONE, Positions
from pg_archiver.domain.wording import say_count
from pg_archiver.errors import CheckFailed, KeyTaken, Refused
from pg_archiver.ledger.notes_of_stayed_rows import KeptNote, contradict, format_for, judge
from pg_archiver.ledger.window_generation import Generation
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_keys import data_keys, kept_folder, kept_key
from pg_archiver.objects.rows_in_sub_ranges import find_rows
from pg_archiver.s3.bucket import Bucket

# As many keys as S3 tells in one answer.
_PAGE_KEYS = 1000
# An object's key ends with the folders of its day and its hour, and its name.
_FOLDERS_OF_HOUR = 3
# How many notes that say the same may lie there, all of them damaged but the last.
_MOST_TRIES = 9


@dataclass(frozen=True)
class RemovedRows:
    """Which rows of an object left the table: those up to number `upto`, but the `kept` ones.

    `known` is false where no ledger says so at first hand: it was lost, or made again from the manifests. Then notes
    beside the object may contradict each other: whether the `disputed` rows left cannot be told, and with `doubtful`
    it is not known of any. `notes` are human-readable sentences.
    """

    known: bool
    upto: int
    kept: Positions
    disputed: Positions = NONE
    notes: tuple[str, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True)
class Noted:
    """The notes that lie beside one object; of those that cannot be used, sentences that say why."""

    notes: tuple[KeptNote, ...]
    unusable: tuple[str, ...]


class NoteKeys:
    """The keys of notes, listed a page at a time: one request for many objects, if these come in the order of S3.

    What is listed may be older than what the caller knows from elsewhere.
    """

    def __init__(self) -> None:
        """List nothing yet."""
        self._bucket = self._after = self._last = ""
        self._keys: list[str] = []

    def list_of(self, bucket: Bucket, data_key: str) -> list[str]:
        """Return those of the notes on this object."""
        begin = kept_folder(data_key)
        if not (bucket.name == self._bucket and self._after <= begin and self._reaches_beyond(begin)):
            folder = data_key.rsplit("/", _FOLDERS_OF_HOUR)[0] + "/"
            page = list(islice(bucket.list_keys(folder, begin), _PAGE_KEYS))
            self._bucket, self._after = bucket.name, begin
            self._last = page[-1] if len(page) == _PAGE_KEYS else ""
            self._keys = [key for key in page if ".kept." in key]
        if not self._reaches_beyond(begin):
            return list(bucket.list_keys(begin))
        return [key for key in self._keys if key.startswith(begin)]

    def _reaches_beyond(self, begin: str) -> bool:
        return not self._last or (self._last > begin and not self._last.startswith(begin))


def note_kept(ledger: WindowLedger, bucket: Bucket, row: Generation) -> None:
    """Write the note of a generation whose delete ends here, if some of its rows stayed.

    If none did, it is written where notes of another past say so of some. That may be only where the server is not
    known to be the one of the export, on the same timeline; whether there are others is not asked each time.

    Raises:
        CheckFailed: what was written came back as something else each time.
    """
    if needs_note(ledger, row):
        repair_note(ledger, bucket.elsewhere(row.bucket), row)


def needs_note(ledger: WindowLedger, row: Generation) -> bool:
    """Return whether it is to be noted beside the object which rows of a generation stayed, if its delete ends so."""
    return has_seen_object(row) and (has_kept(row) or not _is_past_of_export(ledger, row))


def repair_note(ledger: WindowLedger, bucket: Bucket, row: Generation, listed: NoteKeys | None = None) -> bool:
    """Write the note of a generation whose delete has ended, if one is needed and none says the same.

    The same progress gives the same key, so a second try finds its own note and leaves it. Before anything is written
    because of what was `listed` a while ago, it is asked for again.

    Raises:
        CheckFailed: what was written came back as something else each time, or the ledger tells ranges of time alone
            and the object is not what was sent.
    """
    manifest = Manifest.parse(row.manifest, f"the ledger's entry for {row.object_key}")
    row = number_rows(bucket, row, manifest)
    found = read_notes(bucket, manifest, listed.list_of(bucket, manifest.data.key) if listed else None)
    if not found.notes and not found.unusable and not has_kept(row):
        return False
    past = ledger.read_past()
    note = KeptNote(
        format=format_for(row.kept),
        data_key=row.object_key,
        data_sha256=manifest.data.sha256,
        deleted_upto=row.deleted_upto,
        kept=row.kept,
        system_identifier=past.system_identifier,
        timeline=past.timeline,
        written_at=ledger.read_clock(),
    )
    alike = [one for one in found.notes if one.rows == note.rows]
    if alike and (any(past.is_told and one.past == past for one in alike) or _is_last_word(found, note)):
        return False
    if listed:
        return repair_note(ledger, bucket, row)
    # If a crash brought rows back of which a note speaks, nothing would tell it from the note of their second delete.
    ledger.flush()
    content = note.model_dump_json().encode()
    for number in range(1, _MOST_TRIES + 1):
        key = kept_key(row.object_key, note.deleted_upto, note.digest, number)
        # Taken by a damaged one, by a past in which the same rows stayed, or by this write, whose answer was lost.
        with suppress(KeyTaken):
            bucket.create(key, content)
        if _has_come_back(bucket, key, content):
            return True
    if alike:
        return False
    raise CheckFailed(
        f"the note on s3://{bucket.name}/{row.object_key} that tells which rows stayed came back as something else "
        f"than was sent, {_MOST_TRIES} times. Nothing more was deleted. Fix: check what stands between here and S3, "
        "then run this again"
    )


def read_notes(bucket: Bucket, manifest: Manifest, keys: Iterable[str] | None = None) -> Noted:
    """Return all notes on this object; what cannot be read, or is none, ends nothing.

    Their `keys` are asked for, if the caller does not know them.
    """
    notes, unusable = [], []
    for key in bucket.list_keys(kept_folder(manifest.data.key)) if keys is None else keys:
        where = f"s3://{bucket.name}/{key}"
        try:
            with bucket.open(key) as answer:
                note = KeptNote.model_validate_json(answer.body.read())
        except ValidationError:
            unusable.append(f"{where} is not a note that this version can read")
            continue
        except Refused as refusal:
            unusable.append(f"{where} cannot be read: {refusal}")
            continue
        if (note.data_key, note.data_sha256) == (manifest.data.key, manifest.data.sha256):
            if note.deleted_upto > manifest.rows or (note.format > 1 and f".{note.digest}." not in key):
                unusable.append(f"{where} is damaged: it is not what was written there")
            else:
                notes.append(note)
        elif note.data_key == manifest.data.key or note.data_key not in data_keys(key):
            # An object of the same window under another compression has its notes here too.
            unusable.append(f"{where} speaks of another object")
    return Noted(tuple(notes), tuple(unusable))


def find_removed_rows(ledger: WindowLedger, bucket: Bucket, manifest: Manifest, *, noted: bool = True) -> RemovedRows:
    """Return which rows of the object left the table, from the ledger, else from the notes beside it.

    With neither, all of them are taken to have left. A ledger's row that only took the object's key, without
    having written it, knows nothing of it.
    """
    row = ledger.find_by_object(bucket.name, manifest.data.key)
    if row is not None and has_written_object(row, manifest):
        return read_removed_rows(bucket, row, manifest)
    if row is not None and has_seen_object(row):
        written = Manifest.parse(row.manifest, f"the ledger's entry for {manifest.data.key}")
        if written.data == manifest.data:
            return read_removed_rows(bucket, row, manifest)
    return weigh_notes(manifest, read_notes(bucket, manifest, None if noted else ()))


def read_removed_rows(bucket: Bucket, row: Generation, manifest: Manifest) -> RemovedRows:
    """Return which rows of the object left the table, by the ledger's row, which knows it at first hand.

    Raises:
        CheckFailed, ObjectMissing: as of `number_rows`.
    """
    numbered = number_rows(bucket, row, manifest)
    return RemovedRows(known=True, upto=numbered.deleted_upto, kept=numbered.kept)


def number_rows(bucket: Bucket, row: Generation, manifest: Manifest) -> Generation:
    """Return the row with the numbers of the rows that stayed, if it tells only which sub-ranges left.

    They are read from the object, in the bucket where it is; where all left, or none, nothing is read.

    Raises:
        CheckFailed: the object is not what was sent, or has not as many rows in these sub-ranges as left.
        ObjectMissing: it is not there.
    """
    if row.deleted_upto or not row.sub_ranges_gone:
        return row
    gone = find_rows(bucket, manifest, row.sub_ranges_gone)
    if len(gone) != row.deleted_rows:
        raise CheckFailed(
            f"by the ledger {row.deleted_rows} rows of {manifest.data.key} left the table, and the parts of its window "
            f"that left hold {len(gone)}. Which of its rows left is not known"
        )
    return replace(row, deleted_upto=manifest.rows, kept=Positions.span(1, manifest.rows) - gone)


def weigh_notes(manifest: Manifest, found: Noted) -> RemovedRows:
    """Return which rows of the object left the table, where nothing tells of it but the notes beside it."""
    if not found.notes:
        doubt = (
            (f"which rows of {manifest.data.key} stayed in the table is not known: no note on it can be read",)
            if found.unusable
            else ()
        )
        return RemovedRows(False, manifest.rows, NONE, notes=(*found.unusable, *doubt), doubtful=bool(found.unusable))
    judged = judge(found.notes)
    sentences = list(found.unusable)
    if judged.disputed or judged.doubtful:
        rows = say_count(len(judged.disputed), "row") if judged.disputed else "many rows"
        sentences.append(
            f"notes on {manifest.data.key} contradict each other about {rows}, and which of them is the last is not "
            "known"
        )
    elif past := _of_another_past(found, judged.lasting[0]):
        sentences.append(f"{say_count(past, 'note')} on {manifest.data.key} of another past of the database left aside")
    return RemovedRows(False, judged.upto, judged.kept, judged.disputed, tuple(sentences), judged.doubtful)


def has_kept(row: Generation) -> bool:
    """Return whether rows of this generation stayed, or were never processed."""
    return bool(row.kept) or row.deleted_upto != row.rows


def has_seen_object(row: Generation) -> bool:
    """Return whether the ledger speaks of an object that it saw written, at first hand."""
    return not row.rebuilt and row.manifest is not None


def has_written_object(row: Generation, manifest: Manifest) -> bool:
    """Return whether this row of the ledger is the very one that wrote the object, whatever else it has lost since.

    A server that lost its last commits lost those of the delete as well. So what the row says of its rows holds.
    """
    return not row.rebuilt and row.token is not None and row.token == manifest.token


def tell_contradictions(row: Generation, found: Noted) -> str | None:
    """Return a sentence on notes that contradict what the ledger knows at first hand; None if there are none."""
    others = sum(note.rows != (row.deleted_upto, row.kept) for note in found.notes)
    if not others:
        return None
    return (
        f"{say_count(others, 'note')} on {row.object_key} of another past of the database: the ledger says that "
        f"{row.deleted_rows:,} of its {row.rows:,} rows left, and counts"
    )


def has_note(row: Generation, found: Noted) -> bool:
    """Return whether one of the notes says of the rows what the ledger says."""
    return any(note.rows == (row.deleted_upto, row.kept) for note in found.notes)


def _is_past_of_export(ledger: WindowLedger, row: Generation) -> bool:
    server = Manifest.parse(row.manifest, f"the ledger's entry for {row.object_key}").server
    past = ledger.read_past()
    return past.is_told and (server.system_identifier, server.timeline) == (past.system_identifier, past.timeline)


def _is_last_word(found: Noted, note: KeptNote) -> bool:
    """Return whether a reader who has only the notes comes to what this one says."""
    judged = judge(found.notes)
    return not judged.doubtful and {one.rows for one in judged.lasting} == {note.rows}


def _of_another_past(found: Noted, last: KeptNote) -> int:
    return sum(contradict(note, last) for note in found.notes)


def _has_come_back(bucket: Bucket, key: str, content: bytes) -> bool:
    try:
        with bucket.open(key) as answer:
            return answer.body.read() == content
    except CheckFailed:
        return False
