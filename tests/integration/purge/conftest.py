"""A table of each kind of which rows are deleted in another way."""

from __future__ import annotations

import pytest

from tests.support.place import Place
from tests.support.purges import WAYS, Purges


@pytest.fixture(params=WAYS)
def purges(place: Place, request: pytest.FixtureRequest) -> Purges:
    return WAYS[request.param](place)
