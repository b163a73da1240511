"""A worker on memory adapters: topics of one partition, a clock that does not wait."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from streams.adapters.memory.log import MemoryLog
from streams.adapters.memory.work_source import MemoryWorkSource
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.control import Announcement
from streams.domain.results import Result, decode_result
from streams.domain.work import Work, encode_work
from streams.ports import Clock, Headers, Record
from streams.services.worker.loop import Emit, Executor, OpenBody, WorkerLoop
from streams.services.worker.metrics import worker_metrics
from streams.services.worker.results import Results

TOPIC = "work.tfhe.v1"
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class HurriedClock:
    """Sleeps take no time, but let the others run; one of a minute, an item's limit, never ends."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return 1

    def monotonic_s(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        if seconds >= 60:
            await asyncio.get_running_loop().create_future()
        self.slept.append(seconds)
        await asyncio.sleep(0)


class NoStore:
    async def ensure(self, announcement: Announcement) -> Path:
        return Path("/nowhere")


class NoChild:
    async def open_keys(self, key_id: bytes, directory: Path, *, at_once: bool) -> None: ...

    async def open_crs(self, crs_id: bytes, file: Path, *, at_once: bool) -> None: ...


class Called(Executor):
    """An executor made of a function."""

    def __init__(self, function: Callable[[Work, Emit], Awaitable[None]]) -> None:
        self._function = function

    async def execute(self, work: Work, emit: Emit) -> None:
        await self._function(work, emit)


class Bench:
    """A worker loop with everything around it in memory."""

    def __init__(self) -> None:
        self.log = MemoryLog({TOPIC: 1, "results.v1": 1, "dlq.v1": 1, "control.v1": 1, "keysets.v1": 1})
        self.clock: Clock = HurriedClock()
        self.metrics = Metrics()
        self.committed: dict[int, int] = {}

    async def send(self, value: Work | bytes, headers: Headers = (("traceparent", TRACE),)) -> None:
        body = value if isinstance(value, bytes) else encode_work(value)
        await self.log.append(TOPIC, key=b"t", value=body, headers=headers)

    async def body(self, record: Record) -> bytes:
        return record.value or b""

    @asynccontextmanager
    async def worker(
        self,
        executor: Executor,
        slots: int = 4,
        open_body: Callable[[Record], Awaitable[bytes]] | None = None,
    ) -> AsyncGenerator[MemoryWorkSource]:
        source = self.source(slots)
        running = asyncio.create_task(self.loop(source, executor, open_body or self.body).run())
        try:
            yield source
            await source.stop()
        except BaseException:
            running.cancel()
            raise
        await running

    def source(self, slots: int = 4) -> MemoryWorkSource:
        return MemoryWorkSource(self.log, TOPIC, slots, [0], self.committed)

    def loop(self, source: MemoryWorkSource, executor: Executor, open_body: OpenBody) -> WorkerLoop:
        results = Results(self.log, self.clock, "w")
        metrics = worker_metrics(self.metrics, "tfhe")
        return WorkerLoop(source, open_body, executor, results, self.clock, metrics, "w")

    async def answered(self, count: int) -> tuple[Result, ...]:
        """The results once there are that many."""
        while len(self.log.records("results.v1")) < count:
            await self.log.grown()
        return self.results()

    def results(self) -> tuple[Result, ...]:
        return tuple(decode_result(record.value or b"") for record in self.log.records("results.v1"))
