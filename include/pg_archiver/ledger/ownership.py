"""Which database acts for an archive: never a copy beside its original.

A snapshot, a restore to a point in time, a clone or a copy of the files has the same ledger as its original, and by
most marks it is the same database. What tells them apart is what they did after they parted. So each run that may
delete notes a number and a random token, first in the ledger and then as an object in S3, below the client's prefix.
Whoever finds a number in S3 that its ledger does not know, or another token, is not alone: it refuses until a person
says which database is to act.

S3 is always asked before the ledger. Each number stands in the ledger before its object is written, so what this
database's own runs do meanwhile is never taken for somebody else's work.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import KeyTaken, OwnedElsewhere, Refused, SettingError, Superseded
from pg_archiver.ledger.ownership_rules import Claim, Identity, Marker, find_hindrances, numbers_to_read
from pg_archiver.objects.object_keys import number_of_owner, owner_folder, owner_key
from pg_archiver.postgres.session import Row, Session
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)

# How old S3's last answer may be between two delete batches.
FRESH = timedelta(seconds=30)
# A marker is some two hundred bytes; what is longer than this is none.
_LONGEST_MARKER = 1 << 16
_SECOND_LOOK_SECONDS = 0.5
_FIX = (
    "Fix: if this database is the one that acts for this archive from now on, start the run with the parameter adopt "
    "and a reason. If it is a copy, give it another 'prefix' or take it out of the policy file"
)


class OwnerNote(BaseModel):
    """What a marker in S3 says: in this run, this client's database of that time claimed this number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    client: str
    number: int
    token: str
    run_id: str
    noted_at: datetime


@dataclass(frozen=True)
class _State:
    """What ledger and S3 said when they were asked last."""

    identity: Identity
    own: bool
    anchor: Claim | None
    next_number: int
    hindrances: tuple[str, ...]

    def may_adopt(self, reason: str | None) -> bool:
        """Return whether a reason still counts: a run that is cleared must not take back what was adopted since."""
        return reason is not None and not (self.own and self.anchor and self.anchor.adopted)


class Ownership:
    """Whether one client's database is the one that acts for the client's archive in one bucket, below one prefix."""

    def __init__(self, session: Session, bucket: Bucket, order: WorkOrder, fresh: timedelta = FRESH) -> None:
        """Take this client, bucket, prefix and run; `fresh` is how old S3's answer may be for `reconfirm`."""
        self._session = session
        self._bucket = bucket
        self._order = order
        self._archive = {"client": order.client, "bucket": order.bucket, "prefix": order.prefix}
        self._fresh = fresh.total_seconds()
        self._confirmed_at: float | None = None

    def claim(self, adopt: str | None = None) -> None:
        """Note that this run's database acts for the archive; do nothing if this run has done so already.

        To be called after `WindowLedger.migrate`, outside of a transaction.

        Args:
            adopt: why this database acts from now on whatever was found, in a person's words; it counts once a run.

        Raises:
            OwnedElsewhere: another database may act for this archive; nothing was noted.
            SettingError: `adopt` is empty.
            Superseded: another claim noted the same number; this one may be tried again.
        """
        reason = _reason(adopt)
        name = json.dumps(["archiver owner", self._order.client])
        with self._session.advisory_lock(name, f"the archive of client {self._order.client}"):
            state = self._look()
            if state.may_adopt(reason):
                for hindrance in state.hindrances:
                    log.warning("adopting anyway: %s", hindrance)
                self._note(state, reason)
                return
            if state.hindrances:
                raise OwnedElsewhere(self._refusal(state, "nothing was archived or deleted"))
            if not state.own:
                self._note(state, None)

    def confirm(self) -> None:
        """Make sure, before anything is deleted, that no other database has come to act for the archive.

        Raises:
            OwnedElsewhere: another one may have; or this run has never claimed the archive.
        """
        asked_at = time.monotonic()
        state = self._look()
        if not state.own:
            raise OwnedElsewhere(
                f"client {self._order.client}: run {self._order.run_id} has not noted in the ledger that it acts for "
                "this archive, so it deletes nothing. Fix: clear its task plan, or start another run"
            )
        if state.hindrances:
            raise OwnedElsewhere(self._refusal(state, "nothing more was deleted"))
        self._confirmed_at = asked_at

    def reconfirm(self) -> None:
        """Confirm between two delete batches: ask again only if the last answer is no longer fresh.

        Raises:
            OwnedElsewhere: as `confirm`.
        """
        if self._confirmed_at is None or time.monotonic() - self._confirmed_at >= self._fresh:
            self.confirm()

    def find_hindrance(self, adopt: str | None = None) -> str | None:
        """Return why `claim` would refuse, None if it would not; for dry runs, since it writes nothing anywhere.

        Raises:
            SettingError: `adopt` is empty.
        """
        reason = _reason(adopt)
        state = self._look()
        if not state.hindrances or state.may_adopt(reason):
            return None
        return self._refusal(state, "a run that is no dry run would archive and delete nothing")

    def _look(self) -> _State:
        identity, since = self._identity(), self._since()
        numbers = self._numbers(since)
        claims = self._claims(since)
        anchor = next((claim for claim in claims if claim.number == since), None)
        markers = {number: self._read(number) for number in numbers_to_read(anchor, numbers)}
        return _State(
            identity=identity,
            own=anchor is not None and anchor.run_id == self._order.run_id,
            anchor=anchor,
            next_number=max([*numbers, *(claim.number for claim in claims)], default=0) + 1,
            hindrances=tuple(find_hindrances(anchor, claims, numbers, markers, identity)),
        )

    def _note(self, state: _State, reason: str | None) -> None:
        """Note the next number: in the ledger first, then in S3, then read it back."""
        number, token, identity = state.next_number, secrets.token_hex(16), state.identity
        rows = self._session.fetch_all(
            "ledger/owners/note",
            **self._archive,
            number=number,
            token=token,
            run_id=self._order.run_id,
            host=identity.host,
            port=identity.port,
            system_identifier=identity.system_identifier,
            database_oid=identity.database_oid,
            adopted=reason,
        )
        if not rows:
            raise Superseded(
                f"client {self._order.client}: another claim noted number {number} at the same moment. This run "
                "archived and deleted nothing"
            )
        note = OwnerNote(
            client=self._order.client, number=number, token=token, run_id=self._order.run_id, noted_at=rows[0].noted_at
        )
        # Taken is also what a write finds that was sent again because its answer was lost.
        with suppress(KeyTaken):
            self._bucket.create(self._key(number), note.model_dump_json(indent=1).encode())
        marker = self._read(number)
        if marker.token != token:
            raise OwnedElsewhere(
                f"client {self._order.client}: s3://{self._bucket.name}/{self._key(number)} does not hold the token "
                f"that this run has just written; {marker.story}. Another database acts for this archive. Nothing was "
                f"archived or deleted. {_FIX}"
            )
        self._session.execute("ledger/owners/confirm", **self._archive, number=number, token=token)
        log.info("client %s: this database acts for the archive, number %d", self._order.client, number)

    def _identity(self) -> Identity:
        database = self._session.fetch_one("ledger/owners/database")
        identifier = (
            self._session.fetch_one("archive/export/system_identifier").identifier if database.may_identify else None
        )
        host, port = self._session.endpoint
        return Identity(host, port, identifier, database.oid)

    def _since(self) -> int | None:
        if not self._has_owners():
            return None
        rows = self._session.fetch_all("ledger/owners/anchor", **self._archive, run_id=self._order.run_id)
        return int(rows[0].number) if rows else None

    def _claims(self, since: int | None) -> list[Claim]:
        if not self._has_owners():
            return []
        return [
            _claim(row) for row in self._session.fetch_all("ledger/owners/since", **self._archive, number=since or 0)
        ]

    def _has_owners(self) -> bool:
        return bool(self._session.fetch_one("ledger/schema/schema_exists").owners)

    def _numbers(self, since: int | None) -> list[int]:
        """Return the numbers of the markers in S3, from this one on.

        Raises:
            OwnedElsewhere: something lies among them that is none.
        """
        folder = owner_folder(self._order.prefix, self._order.client)
        numbers = []
        for key in self._bucket.list_keys(folder, after=self._key(since - 1) if since else None):
            number = number_of_owner(key)
            if number is None and key != folder:
                raise OwnedElsewhere(
                    f"s3://{self._bucket.name}/{key} lies where the markers of this archive's owners are, and is not "
                    "a marker that this version knows. Nothing was archived or deleted. Fix: find out who wrote it, "
                    "and move it elsewhere"
                )
            if number is not None and number >= (since or 0):
                numbers.append(number)
        return numbers

    def _read(self, number: int) -> Marker:
        """Return a marker as S3 has it; what cannot be read or understood is unknown, never missing.

        Some servers show an object while they still take it in, so what cannot be read is looked at once more.
        """
        marker = self._read_once(number)
        if marker.token is None:
            time.sleep(_SECOND_LOOK_SECONDS)
            marker = self._read_once(number)
        return marker

    def _read_once(self, number: int) -> Marker:
        key = self._key(number)
        try:
            with self._bucket.open(key) as answer:
                content = answer.body.read(_LONGEST_MARKER)
            note = OwnerNote.model_validate_json(content)
        except Refused as error:
            return Marker(None, str(error))
        except ValidationError:
            return Marker(None, f"s3://{self._bucket.name}/{key} is not a marker that this version can read")
        where = f"s3://{self._bucket.name}/{key} was written by run {note.run_id} at {note.noted_at:%Y-%m-%d %H:%M} UTC"
        if (note.client, note.number) != (self._order.client, number):
            return Marker(None, f"{where} for client {note.client} and number {note.number}")
        return Marker(note.token, where)

    def _key(self, number: int) -> str:
        return owner_key(self._order.prefix, self._order.client, number)

    def _refusal(self, state: _State, done: str) -> str:
        fix = _FIX
        if state.own and state.anchor and state.anchor.adopted:
            fix = (
                f"This run adopted the archive before, as number {state.anchor.number}, and cannot do so twice. {_FIX}"
            )
        return (
            f"client {self._order.client}: another database may act for its archive below "
            f"s3://{self._bucket.name}/{owner_folder(self._order.prefix, self._order.client)}: "
            f"{'; '.join(state.hindrances)}. So {done}. {fix}"
        )


def _claim(row: Row) -> Claim:
    identity = Identity(row.host, row.port, row.system_identifier, row.database_oid)
    return Claim(row.number, row.token, row.run_id, identity, row.adopted)


def _reason(adopt: str | None) -> str | None:
    if adopt is None:
        return None
    if not adopt.strip():
        raise SettingError(
            "the run's parameter adopt is empty. Nothing was archived or deleted. Fix: write why this database acts "
            "for the archive from now on, or leave it unset"
        )
    return adopt.strip()
