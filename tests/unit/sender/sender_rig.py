"""A gateway and a table that outlive the senders of a test, on a clock that the test moves."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, Final

from fake_gateway import FakeGateway

from streams.adapters.ethereum.signer import Signer
from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.sender_store import MemorySenderStore, SenderTable
from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.results import Result, Sent
from streams.domain.transactions import CallState
from streams.domain.work import AddMaterial, RejectResponse, SendWork
from streams.services.sender.alarms import Alarms
from streams.services.sender.encode import Encoder
from streams.services.sender.metrics import SenderMetrics
from streams.services.sender.steps import Sender
from streams.settings import GatewaySettings, SenderSettings, Settings

KEY: Final = Signer(bytes(31) + b"\1")
VOTES: Final = Signer(bytes(31) + b"\2")


def commit_of(number: int) -> SendWork:
    call = AddMaterial(
        handle=number.to_bytes(32, "big"), key_id=bytes(32), ct64_digest=b"\4" * 32, ct128_digest=b"\5" * 32
    )
    return SendWork(item=f"item{number}", tenant="ours", attempt=1, timeout_s=60.0, call=call)


def rejection_of(number: int) -> SendWork:
    call = RejectResponse(zk_proof_id=number, extra_data=b"\0")
    return SendWork(item=f"vote{number}", tenant="ours", attempt=1, timeout_s=60.0, call=call)


@contextlib.asynccontextmanager
async def looking(sender: Sender) -> AsyncGenerator[asyncio.Task[None]]:
    """While the context lasts, the sender looks after what it has made."""
    task = asyncio.create_task(sender.look_after())
    try:
        yield task
    finally:
        task.cancel()


class Rig:
    """What outlives a sender, and the making of senders."""

    def __init__(self, confirmations: int = 0, sender: SenderSettings | None = None) -> None:
        self.table = SenderTable()
        self.node = FakeGateway(self.table)
        self.clock = FakeClock()
        self.results: list[Result] = []
        gateway = GatewaySettings(
            confirmations=confirmations,
            input_verification_address="0x" + "aa" * 20,
            ciphertext_commits_address="0x" + "bb" * 20,
        )
        self.settings = Settings(gateway=gateway, sender=sender or SenderSettings())
        self.encoder = Encoder(gateway, VOTES)
        self.health, self.metrics = Health(), Metrics()
        self.alarms = Alarms(self.health, self.metrics)
        self.store = MemorySenderStore(self.table)

    def sender(self, store: MemorySenderStore | None = None) -> Sender:
        return Sender(
            store or self.store,
            self.node,
            KEY,
            self.encoder,
            self.settings,
            self.clock,
            SenderMetrics(self.metrics, self.clock),
            self.alarms,
            "w",
        )

    async def restart(self) -> Sender:
        await self.store.close()
        self.store = MemorySenderStore(self.table)
        return self.sender()

    async def finish(self, *work: Coroutine[Any, Any, None]) -> list[None]:
        """Run to the end while time passes."""
        tasks = asyncio.gather(*work)
        while not tasks.done():
            await self.clock.advance(0.1)
        return await tasks

    async def send(self, sender: Sender, *works: SendWork) -> list[Sent]:
        before = len(self.results)
        await self.finish(*(sender.execute(work, self.emit) for work in works))
        return [result for result in self.results[before:] if isinstance(result, Sent)]

    @contextlib.asynccontextmanager
    async def sending(self, *works: SendWork) -> AsyncGenerator[asyncio.Task[list[Sent]]]:
        """A sender at work; whatever the test finds, it ends with the block."""
        task = asyncio.create_task(self.send(self.sender(), *works))
        try:
            yield task
        finally:
            task.cancel()

    async def emit(self, result: Result) -> None:
        self.results.append(result)

    def data(self, work: SendWork) -> bytes:
        return self.encoder.target(work.call).data

    def states(self) -> list[tuple[int, CallState]]:
        return [(nonce, row.state) for (_, nonce), row in sorted(self.table.rows.items())]
