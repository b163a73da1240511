"""Fake time moves only when told, and wakes sleepers in order."""

import asyncio

from streams.adapters.memory.clock import START_MS, FakeClock, settle
from streams.adapters.memory.entropy import SeededEntropy
from streams.adapters.system import SystemClock, SystemEntropy


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock, woken = FakeClock(), list[tuple[str, float]]()

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic_s()))

    tasks = [asyncio.ensure_future(sleeper(name, s)) for name, s in (("late", 3), ("soon", 1), ("tie", 1))]
    await clock.advance(2)
    assert woken == [("soon", 1), ("tie", 1)]
    assert clock.next_wake_s() == 1
    await clock.advance(1)
    assert woken[-1] == ("late", 3)
    await asyncio.gather(*tasks)
    assert clock.now_ms() == START_MS + 3_000


async def test_one_who_sleeps_again_is_woken_within_the_same_advance() -> None:
    clock, ticks = FakeClock(), list[float]()

    async def ticker() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.monotonic_s())

    task = asyncio.ensure_future(ticker())
    await clock.advance(3.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ticks == [1, 2, 3]


async def test_cancelled_sleeper_is_forgotten() -> None:
    clock = FakeClock()
    task = asyncio.ensure_future(clock.sleep(5))
    await settle()
    assert clock.sleepers == 1
    task.cancel()
    await settle()
    assert clock.sleepers == 0
    assert clock.next_wake_s() is None


async def test_sleeping_no_time_does_not_wait() -> None:
    await FakeClock().sleep(0)


def test_seeded_entropy_repeats() -> None:
    one, same, other = SeededEntropy("a"), SeededEntropy(b"a"), SeededEntropy("b")
    first = one.bytes(16)
    assert first == same.bytes(16) != other.bytes(16)
    assert one.bytes(16) != first
    assert len(one.bytes(1_000)) == 1_000


async def test_clock_and_entropy_of_the_machine() -> None:
    clock = SystemClock()
    before = clock.monotonic_s()
    await clock.sleep(0)
    assert clock.monotonic_s() >= before
    assert clock.now_ms() > START_MS
    assert len(SystemEntropy().bytes(32)) == 32
