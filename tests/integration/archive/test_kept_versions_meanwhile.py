"""Whatever writers do while versions are archived, the newest of each key stay, and what goes is in an object."""

from __future__ import annotations

import pytest

from tests.support.archived_versions import archive_beside_writers
from tests.support.place import Place


@pytest.mark.parametrize("operations", [1_200, pytest.param(5_000, marks=pytest.mark.more)])
def test_writers_of_every_kind_never_lose_one_of_the_newest(place: Place, operations: int) -> None:
    assert archive_beside_writers(place, operations) > operations // 3
