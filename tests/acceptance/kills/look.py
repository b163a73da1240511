"""What tests ask of a round while it runs: its tables, its log, its workers."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from harness import Round

from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres import pool
from streams.domain import facts
from streams.domain.control import Control, WorkerHeartbeat
from streams.domain.work import WorkClass
from streams.messages.topics import CONTROL, EVENTS
from streams.services.listener.host import tenant_of


class Look:
    """What a test asks of a round's tables and log."""

    def __init__(self, played: Round) -> None:
        self._round = played
        self._log = KafkaLog(played.settings.kafka)
        self._tenant = tenant_of(played.settings.host_chain[0])

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator["Look"]:
        self._connections = await pool.open_pool(self._round.settings.postgres, 1)
        try:
            yield self
        finally:
            await self._connections.close()
            await self._log.close()

    async def is_reached(self) -> bool:
        return not self._round.missed()

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with pool.acquired(self._connections) as connection:
            return [tuple(row) for row in await connection.fetch(query)]

    async def value(self, query: str, *arguments: object) -> Any:
        async with pool.acquired(self._connections) as connection:
            return await connection.fetchval(query, *arguments)

    async def has_block(self, number: int) -> bool:
        return any(block.number == number for block in await self._blocks())

    async def has_hash(self, block_hash: bytes) -> bool:
        return any(block.hash == block_hash for block in await self._blocks())

    async def computing(self) -> dict[str, WorkerHeartbeat]:
        """The last beat of every tfhe-worker that has partitions."""
        beats: dict[str, WorkerHeartbeat] = {}
        first, end = await self._log.bounds(CONTROL, 0)
        async for record in self._log.read(CONTROL, 0, first, end):
            if record.value is not None:
                beat = msgspec.json.decode(record.value, type=Control)
                if isinstance(beat, WorkerHeartbeat) and beat.work_class == WorkClass.TFHE:
                    beats[beat.worker] = beat
        return {worker: beat for worker, beat in beats.items() if beat.partitions}

    async def _blocks(self) -> list[facts.HostBlock]:
        await self._log.partitions(EVENTS)
        place = self._log.partition_of(EVENTS, self._tenant.encode())
        first, end = await self._log.bounds(EVENTS, place)
        read = [facts.decode_fact(r.value or b"") async for r in self._log.read(EVENTS, place, first, end)]
        return [fact for fact in read if isinstance(fact, facts.HostBlock)]
