"""A worker to be killed: finishes some items, reports the lowest that it holds, and hangs."""

import asyncio
import sys

from streams.adapters.held_work import HeldWork
from streams.adapters.kafka.work_source import KafkaWorkSource
from streams.settings import KafkaSettings


async def main(bootstrap: str, prefix: str, topic: str, group: str) -> None:
    source = KafkaWorkSource(KafkaSettings(bootstrap=bootstrap, prefix=prefix), topic, group, 6)
    held: list[HeldWork] = []
    async for work in source.items():
        held.append(work)
        if 1 < len(held) < 6:
            work.done()  # out of order: the first is never finished
        if len(held) == 6:
            first = held[0].record
            sys.stdout.write(f"held {first.partition} {first.offset}\n")
            sys.stdout.flush()


asyncio.run(main(*sys.argv[1:]))
