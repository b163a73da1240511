"""How long a call waits before it is tried again."""

import pytest

from streams.adapters.memory.clock import FakeClock
from streams.domain.errors import RpcError
from streams.services.sender.lease import AddressTaken
from streams.services.sender.patience import PAUSES_S, TAKEN_PAUSE_S, Patience


class TimedClock(FakeClock):
    """Time passes as soon as somebody sleeps."""

    async def sleep(self, seconds: float) -> None:
        self._elapsed_s += seconds


@pytest.fixture
def clock() -> TimedClock:
    return TimedClock()


async def pauses(clock: TimedClock, patience: Patience, error: Exception, count: int) -> list[float]:
    found: list[float] = []
    for _ in range(count):
        before_s = clock.monotonic_s()
        await patience.pause(error)
        found.append(round(clock.monotonic_s() - before_s, 3))
    return found


async def test_pauses_grow_to_the_longest_one(clock: TimedClock) -> None:
    longest = len(PAUSES_S)
    found = await pauses(clock, Patience(clock), RpcError(), longest + 2)
    assert found == [*PAUSES_S, PAUSES_S[-1], PAUSES_S[-1]]


async def test_a_try_that_went_well_for_long_begins_anew(clock: TimedClock) -> None:
    patience = Patience(clock)
    await pauses(clock, patience, RpcError(), 5)
    await clock.sleep(60)
    assert await pauses(clock, patience, RpcError(), 2) == list(PAUSES_S[:2])


async def test_an_address_that_somebody_else_has_is_asked_for_often(clock: TimedClock) -> None:
    assert await pauses(clock, Patience(clock), AddressTaken(), 9) == [TAKEN_PAUSE_S] * 9
