"""An object store that lets a test do something at the very moment an object is about to be written.

Everything still goes to the real server; only the moment is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from include.archiver.storage import ObjectStore, Upload
from tests.integration.place import Place


@dataclass(frozen=True)
class HookedStore(ObjectStore):
    """Calls `before_upload` with the key before an upload is begun."""

    before_upload: Callable[[str], None] = lambda _key: None

    @contextmanager
    def upload(self, key: str) -> Generator[Upload]:
        self.before_upload(key)
        with super().upload(key) as upload:
            yield upload


def hooked(place: Place, before_upload: Callable[[str], None]) -> HookedStore:
    return HookedStore(place.client, place.bucket, before_upload=before_upload)


def between_rows_and_keys(place: Place, action: Callable[[], object]) -> HookedStore:
    """Does it after the rows were exported and before their identities are."""

    def act(key: str) -> None:
        if key.rsplit("/", 1)[1].startswith("_"):
            action()

    return hooked(place, act)
