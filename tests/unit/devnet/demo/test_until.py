"""The demo waits as long as work ends, however slow the machine is, and no longer."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from streams.adapters.postgres.progress import Queue
from streams.devnet.demo import stages
from streams.domain.errors import Fatal, RpcError


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "STEP_TIMEOUT_S", 0.05)


def world(done: Iterator[int], *, kills: bool = False, is_alive: bool = True) -> stages.World:
    """One whose services have done that much whenever somebody looks."""

    async def queues() -> tuple[Queue, ...]:
        return (Queue("sns", 3, 4, next(done), 1), Queue("tfhe", 0, 0, 7, 0))

    def require_alive() -> None:
        if not is_alive:
            raise Fatal("the service graph ended")

    fleet, plan = SimpleNamespace(require_alive=require_alive), SimpleNamespace(kills=kills)
    looked = SimpleNamespace(progress=SimpleNamespace(queues=queues), fleet=fleet, plan=plan)
    return cast("stages.World", looked)


async def never() -> bool:
    return False


async def test_it_ends_with_the_check() -> None:
    async def at_once() -> bool:
        return True

    await stages.until(world(iter([0])), at_once)


async def test_it_waits_beyond_the_time_while_work_ends() -> None:
    done = 0

    async def at_last() -> bool:
        return done == 5

    def more() -> Iterator[int]:
        nonlocal done
        while True:
            yield done
            done += 1

    await stages.until(world(more()), at_last)
    assert done == 5


async def test_it_gives_up_when_no_work_ended_and_says_what_is_left() -> None:
    told = r"no work ended for 0\.05 s; what is left: sns 3\+4, tfhe 0\+0"
    with pytest.raises(Fatal, match=told):
        await stages.until(world(iter([4, 5, 5, 5])), never)


async def test_a_service_that_died_ends_it_unless_it_was_to_be_killed() -> None:
    with pytest.raises(Fatal, match="graph ended"):
        await stages.until(world(iter([0]), is_alive=False), never)
    with pytest.raises(Fatal, match="no work ended"):
        await stages.until(world(iter([0, 0, 0]), kills=True, is_alive=False), never)


async def test_what_the_check_meets_is_told_as_it_is() -> None:
    async def refused() -> bool:
        raise RpcError("connection refused")

    with pytest.raises(RpcError, match="refused"):
        await stages.until(world(iter([0])), refused)
