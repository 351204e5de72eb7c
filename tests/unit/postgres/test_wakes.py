"""When somebody is woken for jobs: soon, not too often, and again if nobody came. On a clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.postgres.listen import Look, Pace, Wakes

PACE = Pace()
BEGIN = datetime(2026, 6, 10, tzinfo=UTC)


class Watched:
    """Wakes as they come of what happens at each second; the database's clock and ours are one."""

    def __init__(self, due_times: list[float] | None = None, *, served: bool = True) -> None:
        self.due_times = due_times or []
        self.served = served
        self.wakes = Wakes(PACE, 0.0)
        self.woken: list[float] = []
        self.look(0.1)

    def look(self, now: float) -> None:
        """Looks, and wakes if it is time."""
        if self.served and self.woken:
            # Whoever was woken has taken what was due.
            self.due_times = [at for at in self.due_times if at > self.woken[-1]]
        told = self.wakes.told
        due = [at for at in self.due_times if at <= now]
        later = [at - now for at in self.due_times if at > now]
        newly = any(told is not None and BEGIN + timedelta(seconds=at) > told for at in due)
        self.wakes.note_look(Look(BEGIN + timedelta(seconds=now), bool(due), newly, min(later, default=None)), now)
        wake = self.wakes.next_wake()
        if wake is not None and wake <= now:
            self.wakes.note_wake(now)
            self.woken.append(now)
            self.look(now)

    def pass_time(self, now: float, until: float) -> float:
        """Goes on to the next look as the program does."""
        later = min(until, now + self.wakes.wait_seconds(now))
        self.look(later)
        return later

    def run(self, changes: list[float], until: float) -> list[float]:
        now = 0.1
        for change in [*sorted(changes), until]:
            while now < change:
                now = self.pass_time(now, change)
            if change < until:
                self.wakes.note_change()
                self.look(now)
        return self.woken


def test_a_change_wakes_at_once() -> None:
    assert Watched().run([100.0], 1000) == [100.0]


def test_ten_minutes_of_a_change_a_second_are_a_hundred_wakes_and_the_last_change_is_told() -> None:
    woken = Watched().run([float(second) for second in range(10, 610)], 1000)
    assert woken[0] == 10.0
    assert len(woken) <= 101
    assert 609.0 <= woken[-1] <= 609.0 + PACE.between_wakes


def test_what_becomes_due_wakes_when_it_does() -> None:
    assert Watched([200.0]).run([], 1000) == [200.0]


def test_many_that_become_due_one_after_the_other_are_few_wakes() -> None:
    woken = Watched([100 + second / 10 for second in range(600)]).run([], 1000)
    assert len(woken) <= 11
    assert woken[-1] >= 159.9


def test_what_was_due_at_the_beginning_is_left_to_whoever_looks_then() -> None:
    watched = Watched([-5.0])
    watched.run([], PACE.first_reminder - 1)
    assert watched.woken == []


def test_a_first_look_that_comes_late_wakes() -> None:
    wakes = Wakes(PACE, 0.0)
    wakes.note_look(Look(BEGIN), 30.0)
    assert wakes.next_wake() == PACE.between_wakes


def test_what_nobody_takes_is_told_again_ever_less_often() -> None:
    woken = Watched([100.0], served=False).run([], 3000)
    assert woken[:4] == [100.0, 160.0, 280.0, 520.0]
    assert all(later - earlier == PACE.last_reminder for earlier, later in pairwise(woken[3:]))


def test_a_change_makes_reminders_frequent_again() -> None:
    woken = Watched([100.0], served=False).run([1000.0], 1100)
    assert woken[woken.index(1000.0) + 1] == 1000.0 + PACE.first_reminder


def test_what_is_due_after_all_was_taken_is_told_again_soon() -> None:
    wakes = Wakes(PACE, 0.0)
    for now in (0.1, 100.0, 300.0):
        wakes.note_look(Look(BEGIN, due=True), now)
        if now > 1:
            wakes.note_wake(now)
    assert wakes.next_wake() == 300.0 + 4 * PACE.first_reminder
    wakes.note_look(Look(BEGIN), 310.0)
    wakes.note_look(Look(BEGIN, due=True), 320.0)
    assert wakes.next_wake() == 300.0 + PACE.first_reminder


def test_without_any_reason_there_is_a_look_a_minute_and_no_wake() -> None:
    watched = Watched()
    assert watched.wakes.wait_seconds(0.1) == PACE.between_looks
    assert watched.run([], 1000) == []


# The server's times are whole microseconds, and so are no two instants between them.
INSTANTS = st.integers(1_000, 2_000_000).map(lambda milliseconds: milliseconds / 1000)
# Of sums of such times.
ROUNDING = 1e-6


@given(
    changes=st.lists(INSTANTS, max_size=60),
    due_times=st.lists(INSTANTS, max_size=60),
    served=st.booleans(),
)
def test_wakes_are_apart_and_nothing_goes_untold(changes: list[float], due_times: list[float], served: bool) -> None:
    woken = Watched(list(due_times), served=served).run(changes, 4000)
    assert all(later - earlier > PACE.between_wakes - ROUNDING for earlier, later in pairwise([0.0, *woken]))
    for happened in [*changes, *due_times]:
        # The clock may miss the very instant by the shortest of waits.
        assert any(happened - ROUNDING <= wake <= happened + PACE.between_wakes + 0.1 for wake in woken)
