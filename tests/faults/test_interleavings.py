"""Whatever order the steps of two runs and the deeds of users come in: no row is lost, and none is invented."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.faults.interleavings import MOST_DEEDS, STEPS, USERS, Deed, played
from tests.faults.place import Place

pytestmark = pytest.mark.more

DEEDS = st.lists(st.builds(Deed, st.sampled_from(STEPS + USERS), st.integers(0, 20)), max_size=MOST_DEEDS)
_numbers = itertools.count(1)

WHOLE = [Deed(step, 0) for step in ("plan", "export", "check")]


@given(before=DEEDS.filter(lambda deeds: len(deeds) < MOST_DEEDS // 3), after=DEEDS, keyed=st.booleans())
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@example(before=[], after=[Deed("readd", 0), Deed("delete", 0)], keyed=True)
@example(before=[], after=[Deed("remove", 0), Deed("vacuum", 0), Deed("insert", 0), Deed("delete", 0)], keyed=False)
@example(before=[], after=[Deed("delete one batch", 0), Deed("empty and fill", 0), Deed("delete", 0)], keyed=False)
def test_no_row_is_lost_in_whatever_order_things_happen(
    place: Place, before: list[Deed], after: list[Deed], keyed: bool
) -> None:
    deeds = [*before, *WHOLE, *after]
    verdict = played(place, f"played_{next(_numbers)}", deeds, keyed=keyed, restores=False)
    assert verdict.good, f"{verdict}: {', '.join(map(str, deeds))}"
