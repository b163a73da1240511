"""Whatever ends first ends the others."""

import asyncio

import pytest

from streams.adapters.memory.clock import settle as let_run
from streams.services.first import first_of


class Waiting:
    """Waits until it is told, and takes its time to end."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.has_ended = False

    async def wait(self, gives: int) -> int:
        try:
            await self.told.wait()
            return gives
        finally:
            await let_run()
            self.has_ended = True


async def failing(kind: type[Exception] = ValueError) -> int:
    raise kind("theirs")


async def giving(value: int) -> int:
    return value


async def test_it_gives_what_the_first_gives_and_the_others_have_ended() -> None:
    one, two = Waiting(), Waiting()
    first = asyncio.create_task(first_of(one.wait(1), two.wait(2)))
    await let_run()
    assert not first.done()
    two.told.set()
    assert await first == 2
    assert one.has_ended
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_error_of_the_first_is_raised_and_the_others_have_ended() -> None:
    other = Waiting()
    first = asyncio.create_task(first_of(other.wait(1), failing()))
    with pytest.raises(ValueError, match="theirs"):
        await first
    assert other.told.is_set() is False
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_of_those_that_end_at_once_the_first_in_order_counts() -> None:
    assert await first_of(giving(1), giving(2)) == 1


async def test_an_error_counts_before_any_result() -> None:
    with pytest.raises(ValueError, match="theirs"):
        await first_of(giving(1), failing())


async def test_who_waits_and_is_cancelled_cancels_all_and_stays_until_they_have_ended() -> None:
    one, two = Waiting(), Waiting()
    first = asyncio.create_task(first_of(one.wait(1), two.wait(2)))
    await let_run()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (one.has_ended, two.has_ended) == (True, True)


async def test_an_error_of_one_that_is_cancelled_is_dropped() -> None:
    async def failing_at_its_end() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("late")

    assert await first_of(failing_at_its_end(), giving(1)) == 1
