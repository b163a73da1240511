"""Event to dispatch where nothing is decided: what the broker, its client library and the machine take of it.

Who reads a block answers at once with as many messages as the graph would send. There are no services and
there is no database.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from streams.adapters.kafka.log import KafkaLog
from streams.bench.deployment import deployed
from streams.bench.traffic import TENANT
from streams.devnet import kafka
from streams.domain.work import WorkClass
from streams.messages.topics import EVENTS, WORK
from streams.ports import Record
from streams.services.graph.engine import LINGER_MS

_MESSAGE: Final = bytes(2_161)  # as large as that of a recorded transfer of the engine `clear`


async def waits(blocks: Iterable[bytes], messages: int, pause_s: float) -> list[float]:
    """Milliseconds from the produce call of each fact to the delivery report of the last answer.

    Args:
        blocks: facts.
        messages: answers to each.
        pause_s: before each fact.

    Raises:
        BrokerError: a record was not taken or not given.
    """
    async with deployed((kafka.NAME,)) as deployment, contextlib.AsyncExitStack() as stack:
        listener, graph = KafkaLog(deployment.kafka), KafkaLog(deployment.kafka, LINGER_MS)
        stack.push_async_callback(listener.close)
        stack.push_async_callback(graph.close)
        found: list[float] = []
        async with contextlib.aclosing(graph.read(EVENTS, 0, 0)) as records:
            for block in blocks:
                await asyncio.sleep(pause_s)
                found.append(await _exchange(listener, graph, records, block, messages))
        return found


async def _exchange(
    listener: KafkaLog, graph: KafkaLog, records: AsyncGenerator[Record], block: bytes, messages: int
) -> float:
    since_s = time.perf_counter()
    # The report of the block comes a little before the block itself: nothing waits for it.
    await asyncio.gather(listener.append(EVENTS, key=TENANT.encode(), value=block), anext(records))
    topic, keys = WORK[WorkClass.TFHE], (str(number).encode() for number in range(messages))
    await asyncio.gather(*(graph.append(topic, key=key, value=_MESSAGE, partition=0) for key in keys))
    return 1000 * (time.perf_counter() - since_s)
