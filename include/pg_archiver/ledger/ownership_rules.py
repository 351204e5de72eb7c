"""Whether a database may act for an archive, decided from what its ledger and S3 know. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """How a database is reached and what it says it is; `system_identifier` is None where the role may not ask."""

    host: str
    port: str
    system_identifier: str | None
    database_oid: int


@dataclass(frozen=True)
class Claim:
    """A number that this database's ledger knows; `adopted` is a person's reason, if it took one."""

    number: int
    token: str
    run_id: str
    identity: Identity
    adopted: str | None = None


@dataclass(frozen=True)
class Marker:
    """An object that was read in S3; `token` is None where it is unknown.

    `story` says, human-readable, who wrote it, or why it cannot be read.
    """

    token: str | None
    story: str = ""


def find_hindrances(
    anchor: Claim | None,
    claims: Sequence[Claim],
    numbers: Collection[int],
    markers: Mapping[int, Marker],
    identity: Identity,
) -> list[str]:
    """Return why this database may not act for the archive; empty if it may.

    Of all that S3 has only two objects have to be read. The newest stands for those between: whoever wrote it had
    found the one before it to be his own.

    Args:
        anchor: the claim that has to be in S3; None if the ledger knows none that was read back.
        claims: the ledger's, from the anchor on, else all, by number.
        numbers: S3's, from the anchor's on, else all.
        markers: what was read of those, at least for `numbers_to_read`.
        identity: how the database is reached now, and what it says it is.
    """
    found = _changes(claims[-1].identity, identity) if claims else []
    if anchor and anchor.number not in numbers:
        found.append(
            f"marker {anchor.number} is not in S3, though it was: the bucket lost objects, or it is another bucket of "
            f"the same name"
        )
    known = {claim.number: claim.token for claim in claims}
    if strangers := sorted(set(numbers) - known.keys()):
        newest = strangers[-1]
        last = max(known, default=None)
        knows = "knows of none" if last is None else f"ends at {last}"
        found.append(
            f"S3 has marker {newest}, which is not in the ledger of this database ({knows}){_told(markers, newest)}"
        )
    for number in numbers_to_read(anchor, numbers):
        if number not in known:
            continue
        if markers[number].token is None:
            found.append(f"marker {number} is unknown: {markers[number].story}")
        elif markers[number].token != known[number]:
            found.append(f"marker {number} in S3 has the token of another database{_told(markers, number)}")
    return found


def numbers_to_read(anchor: Claim | None, numbers: Collection[int]) -> list[int]:
    """Return which of S3's markers have to be read to tell whose the archive is: the anchor's and the newest."""
    wanted = {anchor.number} & set(numbers) if anchor else set()
    return sorted(wanted | ({max(numbers)} if numbers else set()))


def _told(markers: Mapping[int, Marker], number: int) -> str:
    marker = markers.get(number)
    return f"; {marker.story}" if marker and marker.story else ""


def _changes(then: Identity, now: Identity) -> list[str]:
    facts = [
        ("host of the connection", then.host, now.host),
        ("port of the connection", then.port, now.port),
        ("oid of the database", then.database_oid, now.database_oid),
    ]
    if then.system_identifier and now.system_identifier:
        facts.append(("system identifier of the server", then.system_identifier, now.system_identifier))
    found = [f"the {what} was {before!r} and is {after!r} now" for what, before, after in facts if before != after]
    if then.system_identifier and not now.system_identifier:
        found.append(
            f"the system identifier of the server was {then.system_identifier!r}, and this role may no longer ask for "
            "it (grant it EXECUTE on function pg_catalog.pg_control_system())"
        )
    return found
