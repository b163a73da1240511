"""Only a broker that answers nothing for a while is away."""

import asyncio

from streams.adapters.memory.clock import FakeClock, settle
from streams.adapters.memory.log import MemoryLog
from streams.domain.errors import BrokerError
from streams.services.worker.silence import SILENT_S, until_silent


class Silent(MemoryLog):
    is_away = False

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        if self.is_away:
            raise BrokerError("away")
        return await super().bounds(topic, partition)


async def test_a_broker_is_away_when_it_answered_nothing_for_a_while() -> None:
    log, clock = Silent(), FakeClock()
    waiting = asyncio.create_task(until_silent(log, clock))
    await settle()
    await clock.advance(60)
    log.is_away = True
    await clock.advance(SILENT_S - 1)
    log.is_away = False
    await clock.advance(1)
    log.is_away = True
    await clock.advance(SILENT_S - 1)
    assert not waiting.done()
    await clock.advance(2)
    assert waiting.done()
