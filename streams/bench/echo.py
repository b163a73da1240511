"""Event to dispatch where nothing is decided: about what the broker, its client library and the machine take.

Who reads a block answers at once with as many messages as the graph would send, of their size. Both ends are
in one process, and there is no database.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from streams.adapters.kafka.log import KafkaLog
from streams.bench import processors
from streams.bench.deployment import deployed
from streams.bench.traffic import TENANT
from streams.devnet import kafka
from streams.domain.work import WorkClass
from streams.messages.topics import EVENTS, WORK
from streams.ports import Record
from streams.services.graph.engine import LINGER_MS

# As large as that of a recorded transfer of the engine `clear`, and of bytes that do not compress.
_MESSAGE: Final = hashlib.shake_128(b"echo").digest(2_161)


async def waits(blocks: Iterable[bytes], messages: int, pause_s: float) -> list[float]:
    """Milliseconds from the produce call of each fact to the delivery report of each answer.

    Args:
        blocks: encoded facts.
        messages: answers to each.
        pause_s: before each fact.

    Raises:
        BrokerError: a record was not taken or not given.
    """
    async with deployed((kafka.NAME,)) as deployment, contextlib.AsyncExitStack() as stack:
        listener, graph = KafkaLog(deployment.kafka), KafkaLog(deployment.kafka, LINGER_MS)
        stack.push_async_callback(listener.close)
        stack.push_async_callback(graph.close)
        deployment.keep_to(processors.ends()[1], kafka.NAME)
        found: list[float] = []
        async with contextlib.aclosing(graph.read(EVENTS, 0, 0)) as records:
            for block in blocks:
                await asyncio.sleep(pause_s)
                found += await _exchange(listener, graph, records, block, messages)
        return found


async def _exchange(
    listener: KafkaLog, graph: KafkaLog, records: AsyncGenerator[Record], block: bytes, messages: int
) -> list[float]:
    async def answer(key: bytes) -> float:
        await graph.append(WORK[WorkClass.TFHE], key=key, value=_MESSAGE, partition=0)
        return 1000 * (time.perf_counter() - since_s)

    since_s = time.perf_counter()
    # One after the other: the block and the report of it come within a millisecond.
    await listener.append(EVENTS, key=TENANT.encode(), value=block)
    await anext(records)
    return await asyncio.gather(*(answer(str(number).encode()) for number in range(messages)))
