"""tfhe-worker as an operator runs it: a process, a real broker, a child with the clear engine."""

import signal
from collections import Counter
from collections.abc import AsyncGenerator

import httpx
import psutil
import pytest
from worker_process import CHAIN, KEY, Deployment, port_of, worker

from streams.domain.control import WorkerHeartbeat
from streams.domain.digest import keccak256
from streams.domain.handle import stamp
from streams.domain.operations import BY_NAME, FheType
from streams.domain.results import Computed, Failed, Started
from streams.domain.work import ComputeWork, Step, WorkClass
from streams.fhe.clear import STORED, decode
from streams.messages.topics import GROUPS

pytestmark = pytest.mark.stack

SERVICE = "tfhe_worker"


def constant(number: int, operation: int = BY_NAME["TrivialEncrypt"].code) -> ComputeWork:
    handle = stamp(keccak256(number.to_bytes(4, "big")), 0xFF, CHAIN, FheType.UINT64)
    operands = (number.to_bytes(32, "big"), bytes((FheType.UINT64,)))
    step = Step(
        operation=operation, operands=operands, is_scalar=True, result=handle, fhe_type=FheType.UINT64
    )
    return ComputeWork(
        item=f"item-{number}", tenant="t", attempt=0, timeout_s=60, key_id=KEY,
        steps=(step,), inputs=(), outputs=(handle,),
    )  # fmt: skip


async def test_items_are_computed_and_a_stopped_worker_says_goodbye(deployment: Deployment) -> None:
    await deployment.send("work.tfhe.v1", [constant(number) for number in range(6)])
    settings, state = deployment.settings(), deployment.folder
    async with worker(SERVICE, settings, "w1", state) as process:
        results = await deployment.results("t", 12)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port_of(state, 'w1')}") as http:
            health = await http.get("/healthz")
            metrics = await http.get("/metrics")
        async for _, beat in _until_farewell(deployment):
            if beat is not None and beat.partitions:  # it is told with the look after the rebalance
                break
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    values = {
        result.item: decode(STORED, result.ciphertexts[0].ct64, FheType.UINT64)
        for result in results
        if isinstance(result, Computed)
    }
    assert values == {f"item-{number}": number for number in range(6)}
    assert Counter(type(result) for result in results) == {Started: 6, Computed: 6}
    assert health.status_code == 200
    assert set(health.json()["dependencies"]) == {"engine", "kafka", "keys"}
    assert "coprocessor_work_items_processed 6.0" in metrics.text
    beats = [beat async for key, beat in _until_farewell(deployment) if key == "worker/w1"]
    assert beats[-1] is None
    # With SIGTERM it may have told that it takes nothing more.
    last = [beat for beat in beats if beat is not None and beat.slots][-1]
    assert (last.work_class, last.slots, last.engine, last.key_ids) == ("tfhe", 2, "clear", (KEY,))
    assert len(last.partitions) == 48


async def _until_farewell(deployment: Deployment) -> AsyncGenerator[tuple[str, WorkerHeartbeat | None]]:
    async for key, beat in deployment.heartbeats():
        yield key, beat
        if beat is None:
            return


async def test_a_killed_worker_is_replaced_and_nothing_is_lost(deployment: Deployment) -> None:
    settings, state = deployment.settings(), deployment.folder
    await deployment.send("work.tfhe.v1", [constant(number) for number in range(8)])
    async with worker(SERVICE, settings, "w1", state) as process:
        await deployment.results("t", 5)
        (child,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGKILL)
        await process.wait()
        child.wait(timeout=30)  # it dies with its parent
    await deployment.send("work.tfhe.v1", [constant(99)])
    async with worker(SERVICE, settings, "w2", state):
        seen: set[str] = set()
        count = 5
        while len(seen) < 9:
            count += 1
            results = await deployment.results("t", count)
            seen = {result.item for result in results if isinstance(result, Computed)}
    outputs = {(r.item, r.ciphertexts[0].ct64) for r in results if isinstance(r, Computed)}
    assert len(outputs) == 9
    assert await deployment.has_group(GROUPS[WorkClass.TFHE])


async def test_a_defect_is_reported_and_the_worker_goes_on(deployment: Deployment) -> None:
    await deployment.send("work.tfhe.v1", [constant(1, operation=200), constant(2)])
    async with worker(SERVICE, deployment.settings(), "w1", deployment.folder):
        results = await deployment.results("t", 4)
    (failed,) = [result for result in results if isinstance(result, Failed)]
    assert (failed.item, failed.category, failed.error) == ("item-1", "irrecoverable", "OperationError")
    assert any(isinstance(result, Computed) and result.item == "item-2" for result in results)


async def test_a_key_set_of_another_engine_stops_the_worker_before_it_joined(deployment: Deployment) -> None:
    async with worker(SERVICE, deployment.settings("tfhe-rs"), "w1", deployment.folder) as process:
        assert await process.wait() == 1
    assert not await deployment.has_group(GROUPS[WorkClass.TFHE])
