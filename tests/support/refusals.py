"""A refusal: one clear error, and nothing written anywhere."""

from __future__ import annotations

import pytest

from pg_archiver.errors import Refused
from tests.support.place import Place


def refused(place: Place, kind: type[Refused], *words: str) -> None:
    """Plans, and expects a refusal of this kind that holds these words; database and bucket stay as they were."""
    keys = place.keys()
    with pytest.raises(kind) as caught:
        place.plan()
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"
    assert "\n" not in str(caught.value)
    assert place.server.password not in str(caught.value)
    assert not place.has_ledger()
    assert place.keys() == keys
