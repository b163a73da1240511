"""A worker's child with real keys, as its service starts it, and an input for it."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.adapters.system import SystemClock
from streams.domain.work import ProofWork
from streams.fhe.keyset import KeyFiles
from streams.services.worker import frames
from streams.services.worker.pool import Pool
from streams.services.worker.service import Kind

KEY, CRS = b"k" * 32, b"c" * 32


@dataclass(frozen=True)
class Opened:
    """What a child opens."""

    files: KeyFiles
    crs: Path


@asynccontextmanager
async def child(
    kind: Kind,
    opened: Opened,
    flags: tuple[str, ...] = (),
    on_counts: Callable[[frames.Counts], None] = lambda _: None,
    engine: str = "tfhe-rs",
) -> AsyncGenerator[Pool]:
    command = (
        *(sys.executable, "-m", "streams.services.worker.child", "--kind", kind.name),
        *("--engine", engine, "--threads", "2", "--memory-bytes", str(kind.memory_bytes_max)),
        *flags,
    )
    pool = Pool(command, SystemClock(), memory_bytes_max=kind.memory_bytes_max, on_counts=on_counts)
    running = asyncio.create_task(pool.run())
    try:
        await pool.open_keys(KEY, opened.files.folder)
        if kind.needs_crs:
            await pool.open_crs(CRS, opened.crs)
        yield pool
    finally:
        await pool.stop()
        await running


def proof(raw: bytes, user_address: bytes = b"\3" * 20) -> ProofWork:
    """Work on an input list of that user."""
    return ProofWork(
        item="p", tenant="t", attempt=0, timeout_s=300, key_id=KEY, crs_id=CRS, zk_proof_id=1, chain_id=12345,
        acl_address=b"\1" * 20, contract_address=b"\2" * 20, user_address=user_address,
        ciphertext_with_proof=raw,
    )  # fmt: skip
