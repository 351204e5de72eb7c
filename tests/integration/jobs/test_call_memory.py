"""A procedure may print as much as it likes, in many notices or in one: it costs this program little memory."""

from __future__ import annotations

import pytest

from tests.support.memory_of_calls import call_apart
from tests.support.place import Place
from tests.support.procedures import Procedures

pytestmark = pytest.mark.more


@pytest.fixture
def procedures(place: Place) -> Procedures:
    return Procedures.made(place)


def test_a_gigabyte_of_notices_costs_nothing(procedures: Procedures) -> None:
    found = call_apart(procedures, "FOR i IN 1..20000 LOOP RAISE NOTICE '%', repeat('x', 50000); END LOOP;")
    assert (found["error"], found["left"]) == (None, False)
    assert 8000 < found["output"] <= 8192
    assert found["grown"] < 16


@pytest.mark.parametrize(
    "body",
    [
        "RAISE NOTICE '%', repeat('x', 900000000);",
        pytest.param("RAISE EXCEPTION '%', repeat('x', 900000000);", marks=pytest.mark.rare),
        pytest.param("RAISE EXCEPTION 'x' USING DETAIL = repeat('x', 900000000);", marks=pytest.mark.rare),
    ],
)
def test_a_message_of_almost_a_gigabyte_is_not_taken_in(procedures: Procedures, body: str) -> None:
    found = call_apart(procedures, body)
    assert (found["error"], found["left"]) == ("54000", True)
    assert found["grown"] < 450
