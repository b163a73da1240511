"""The breaker opens after failures in a row, probes, and closes again."""

import asyncio

import pytest

from streams.adapters.breaker import OPEN_S_MAX, Breaker, BreakerState
from streams.adapters.memory.clock import FakeClock
from streams.domain.errors import BlobError, InvalidInput, RpcError


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker("node", clock, RpcError, failures_max=3, open_s=2)


async def answer() -> str:
    return "answer"


async def fail() -> str:
    raise BlobError


async def refuse() -> str:
    raise InvalidInput


async def fail_times(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(BlobError):
            await breaker.call(fail)


async def test_closed_breaker_passes_results(breaker: Breaker) -> None:
    assert await breaker.call(answer) == "answer"
    assert breaker.state is BreakerState.CLOSED


async def test_failures_in_a_row_open_it(breaker: Breaker) -> None:
    await fail_times(breaker, 2)
    assert breaker.state is BreakerState.CLOSED
    await fail_times(breaker, 1)
    assert breaker.state is BreakerState.OPEN
    with pytest.raises(RpcError, match="node failed 3 times"):
        await breaker.call(answer)


async def test_an_answer_starts_the_count_again(breaker: Breaker) -> None:
    for action, error in ((answer, None), (refuse, InvalidInput)):
        await fail_times(breaker, 2)
        if error is None:
            await breaker.call(action)
        else:
            with pytest.raises(error):
                await breaker.call(action)
    await fail_times(breaker, 2)
    assert breaker.state is BreakerState.CLOSED


async def test_probe_closes_it(breaker: Breaker, clock: FakeClock) -> None:
    await fail_times(breaker, 3)
    await clock.advance(2)
    assert breaker.state is BreakerState.HALF_OPEN
    assert await breaker.call(answer) == "answer"
    assert breaker.state is BreakerState.CLOSED
    await fail_times(breaker, 2)
    assert breaker.state is BreakerState.CLOSED


async def test_failed_probe_opens_it_for_twice_as_long(breaker: Breaker, clock: FakeClock) -> None:
    await fail_times(breaker, 3)
    await clock.advance(2)
    await fail_times(breaker, 1)
    await clock.advance(3.9)
    assert breaker.state is BreakerState.OPEN
    await clock.advance(0.1)
    assert breaker.state is BreakerState.HALF_OPEN


async def test_calls_that_were_under_way_when_it_opened_are_no_probes(
    breaker: Breaker, clock: FakeClock
) -> None:
    release = asyncio.Event()

    async def fail_later() -> str:
        await release.wait()
        raise BlobError

    late = [asyncio.create_task(breaker.call(fail_later)) for _ in range(8)]
    await asyncio.sleep(0)
    await fail_times(breaker, 3)
    await clock.advance(1.5)
    release.set()
    await asyncio.gather(*late, return_exceptions=True)
    assert breaker.state is BreakerState.OPEN
    await clock.advance(0.6)
    assert breaker.state is BreakerState.HALF_OPEN
    assert await breaker.call(answer) == "answer"


async def test_the_end_of_an_older_call_lets_no_second_probe_in(breaker: Breaker, clock: FakeClock) -> None:
    releases = [asyncio.Event(), asyncio.Event()]

    async def fail_later(number: int) -> str:
        await releases[number].wait()
        raise BlobError

    older = asyncio.create_task(breaker.call(lambda: fail_later(0)))
    await asyncio.sleep(0)
    await fail_times(breaker, 3)
    await clock.advance(2.1)
    probe = asyncio.create_task(breaker.call(lambda: fail_later(1)))
    await asyncio.sleep(0)
    releases[0].set()
    await asyncio.gather(older, return_exceptions=True)
    with pytest.raises(RpcError):
        await breaker.call(answer)
    releases[1].set()
    await asyncio.gather(probe, return_exceptions=True)


async def test_it_is_never_open_for_long(breaker: Breaker, clock: FakeClock) -> None:
    await fail_times(breaker, 3)
    for _ in range(20):
        await clock.advance(OPEN_S_MAX)
        await fail_times(breaker, 1)
    await clock.advance(OPEN_S_MAX)
    assert breaker.state is BreakerState.HALF_OPEN


async def test_only_one_probes_at_a_time(breaker: Breaker, clock: FakeClock) -> None:
    await fail_times(breaker, 3)
    await clock.advance(2)
    gate = asyncio.Event()
    probe = asyncio.ensure_future(breaker.call(gate.wait))
    await asyncio.sleep(0)
    with pytest.raises(RpcError):
        await breaker.call(answer)
    gate.set()
    assert await probe
    assert await breaker.call(answer) == "answer"


async def test_cancelled_probe_lets_the_next_one_try(breaker: Breaker, clock: FakeClock) -> None:
    await fail_times(breaker, 3)
    await clock.advance(2)
    probe = asyncio.ensure_future(breaker.call(asyncio.Event().wait))
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert await breaker.call(answer) == "answer"


async def test_class_of_failures_may_be_narrower(clock: FakeClock) -> None:
    breaker = Breaker("store", clock, BlobError, failure=RpcError, failures_max=1)
    await fail_times(breaker, 5)
    assert breaker.state is BreakerState.CLOSED
