"""A child that crashes, hangs or takes all memory: its item fails with a class, the others do not notice."""

import asyncio
import sys
from typing import cast

import pytest
from worker_bench import Bench

from streams.adapters.ethereum.signer import Signer
from streams.adapters.memory.blobs import MemoryBlobs
from streams.adapters.system import SystemClock
from streams.domain.digest import keccak256
from streams.domain.handle import stamp
from streams.domain.results import Ciphertext, Failed, Squashed
from streams.domain.work import SquashWork
from streams.services.worker.backlog import Backlog
from streams.services.worker.guard import Guard
from streams.services.worker.keys import Keys
from streams.services.worker.metrics import upload_metrics
from streams.services.worker.pool import Pool
from streams.services.worker.squash import Parts, SquashExecutor
from streams.services.worker.uploads import Buckets, Uploads

CHAIN = 12345
BOUND_BYTES = 120 << 20
COMMAND = (
    *(sys.executable, "-m", "tests.unit.worker.odd_child", "--kind", "odd", "--threads", "4"),
    *("--memory-bytes", str(BOUND_BYTES)),
)


class AllKeys:
    async def wait(self, identity: bytes) -> None: ...


def squash(verb: str, timeout_s: float = 60.0) -> SquashWork:
    handle = stamp(keccak256(verb.encode()), 0xFF, CHAIN, 5)
    return SquashWork(
        item=verb, tenant="t", attempt=0, timeout_s=timeout_s, key_id=b"k" * 32,
        ciphertext=Ciphertext(handle=handle, fhe_type=5, ct64=verb.encode()),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "timeout_s", "reason", "is_replaced"),
    [
        ("crash", 60, "signal 6", True),
        ("hang", 1, "no answer within 1 s", True),
        ("eat 400", 60, "120 are allowed", True),
        ("gulp 3000", 60, "MemoryError", False),
        ("panic", 60, "index out of bounds", False),
    ],
)
async def test_one_item_fails_the_others_are_published_and_the_child_is_replaced(
    bench: Bench, verb: str, timeout_s: float, reason: str, is_replaced: bool
) -> None:
    deaths: list[str] = []

    def hear(is_ok: bool, detail: str) -> None:
        if not is_ok:
            deaths.append(detail)

    pool = Pool(COMMAND, SystemClock(), memory_bytes_max=BOUND_BYTES, on_state=hear)
    uploads = Uploads(MemoryBlobs(), Buckets("a", "b"), upload_metrics(bench.metrics))
    keys, guard = cast(Keys, AllKeys()), Guard("tfhe-rs", [CHAIN], [])
    signer = Signer(bytes(31) + b"\x01")
    running = asyncio.create_task(pool.run())
    others = ["echo a", "echo b", "echo c", "echo d"]
    try:
        for item in (squash(others[0]), squash(verb, timeout_s), *map(squash, others[1:])):
            await bench.send(item)
        async with bench.worker(SquashExecutor(Parts(pool, keys, guard, uploads, signer, Backlog()), "w")):
            results = await bench.answered(10)
    finally:
        await pool.stop()
        await running
    (failed,) = [result for result in results if isinstance(result, Failed)]
    assert (failed.item, failed.category, failed.error) == (verb, "recoverable", "WorkerCrashed")
    assert reason in failed.message
    published = {result.item: result.ct128_digest for result in results if isinstance(result, Squashed)}
    assert published == {other: keccak256(other.removeprefix("echo ").encode()) for other in others}
    assert bool(deaths) is is_replaced
    assert bench.committed == {0: 5}
