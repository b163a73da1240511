"""Each class of worker with its real child, on clear numbers."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from worker_bench import Bench

from streams.adapters.ethereum.signer import Signer, recover
from streams.adapters.memory.blobs import MemoryBlobs
from streams.adapters.system import SystemClock
from streams.domain.attestation import (
    METADATA_KEY,
    from_metadata,
    is_genuine,
    object_key_ct64,
    object_key_ct128,
)
from streams.domain.control import CrsAnnouncement, KeySetAnnouncement
from streams.domain.digest import keccak256
from streams.domain.handle import blob_hash, input_handle, stamp
from streams.domain.operations import BY_NAME, FheType
from streams.domain.results import Ciphertext, Computed, Failed, Proven, Squashed
from streams.domain.work import ComputeWork, ProofWork, SquashWork, Step
from streams.fhe.clear import SQUASHED, STORED, decode, encode, encode_list
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.keyset import PURPOSES
from streams.fhe.suite import ClearValue
from streams.services.worker.backlog import Backlog
from streams.services.worker.compute import ComputeExecutor
from streams.services.worker.guard import Guard
from streams.services.worker.keys import Keys
from streams.services.worker.metrics import upload_metrics
from streams.services.worker.pool import Pool
from streams.services.worker.proof import ProofExecutor, auxiliary_data
from streams.services.worker.squash import Parts, SquashExecutor
from streams.services.worker.uploads import Buckets, Uploads

CHAIN = 12345
KEY, CRS = b"k" * 32, b"c" * 32
ACL, CONTRACT, USER = b"\xac" * 20, b"\xc0" * 20, b"\x05" * 20
GUARD = Guard("clear", [CHAIN], [CHAIN])
UINT64, BOOL = FheType.UINT64, FheType.BOOL


def handle(seed: int, fhe_type: int = UINT64, chain: int = CHAIN) -> bytes:
    return stamp(keccak256(bytes((seed,))), 0xFF, chain, fhe_type)


def stored(seed: int, value: int, fhe_type: int = UINT64) -> Ciphertext:
    return Ciphertext(
        handle=handle(seed, fhe_type), fhe_type=fhe_type, ct64=encode(STORED, ClearValue(fhe_type, value))
    )


class KeyFolder:
    """Announced key material that is on this machine already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for purpose in PURPOSES:
            (folder / purpose).write_bytes(CLEAR_MAGIC + bytes(32))

    async def ensure(self, announcement: object) -> Path:
        return self._folder


@asynccontextmanager
async def child(kind: str, bench: Bench, folder: Path) -> AsyncGenerator[tuple[Pool, Keys]]:
    command = (sys.executable, "-m", "streams.services.worker.child", "--kind", kind, "--threads", "2")
    pool = Pool(command, SystemClock(), memory_bytes_max=1_400_000_000)
    keys = Keys(bench.log, KeyFolder(folder), pool, bench.clock, engine="clear", needs_crs=kind == "zkproof")
    running = asyncio.create_task(pool.run())
    try:
        await keys.take(
            KeySetAnnouncement(key_id=KEY, digest=b"d", engine="clear", release="clear 1", urls=())
        )
        await keys.take(CrsAnnouncement(crs_id=CRS, digest=b"d", urls=()))
        yield pool, keys
    finally:
        await pool.stop()
        await running


def step(name: str, *operands: bytes, result: bytes, scalar: bool = False) -> Step:
    return Step(
        operation=BY_NAME[name].code, operands=operands, is_scalar=scalar, result=result, fhe_type=result[30]
    )


def transfer(balance: int, amount: int, item: str = "a") -> ComputeWork:
    fits, moved, kept = handle(3, BOOL), handle(4), handle(5)
    return ComputeWork(
        item=item,
        tenant="t",
        attempt=0,
        timeout_s=60,
        key_id=KEY,
        steps=(
            step("TrivialEncrypt", (0).to_bytes(32, "big"), bytes((UINT64,)), result=handle(2)),
            step("Ge", handle(1), amount.to_bytes(32, "big"), result=fits, scalar=True),
            step("TrivialEncrypt", amount.to_bytes(32, "big"), bytes((UINT64,)), result=handle(6)),
            step("IfThenElse", fits, handle(6), handle(2), result=moved),
            step("Sub", handle(1), moved, result=kept),
        ),
        inputs=(stored(1, balance),),
        outputs=(moved, kept),
    )


async def test_a_transfer_is_computed_and_only_its_outputs_come_back(bench: Bench, tmp_path: Path) -> None:
    async with child("tfhe", bench, tmp_path) as (pool, keys):
        executor = ComputeExecutor(pool, keys, GUARD, "w")
        await bench.send(transfer(100, 30, "a"))
        await bench.send(transfer(100, 130, "b"))
        async with bench.worker(executor):
            await bench.answered(4)
    values = {
        (result.item, ciphertext.handle): decode(STORED, ciphertext.ct64, UINT64)
        for result in bench.results()
        if isinstance(result, Computed)
        for ciphertext in result.ciphertexts
    }
    moved, kept = handle(4), handle(5)
    assert values == {("a", moved): 30, ("a", kept): 70, ("b", moved): 0, ("b", kept): 100}


async def test_a_defect_of_a_component_leaves_no_outputs_and_its_neighbour_alone(
    bench: Bench, tmp_path: Path
) -> None:
    good = transfer(100, 30, "good")
    unknown = step("Add", handle(1), handle(99), result=handle(7))
    bad = ComputeWork(
        item="bad", tenant="t", attempt=0, timeout_s=60, key_id=KEY,
        steps=(*good.steps, unknown), inputs=good.inputs, outputs=(*good.outputs, handle(7)),
    )  # fmt: skip
    async with child("tfhe", bench, tmp_path) as (pool, keys):
        await bench.send(bad)
        await bench.send(good)
        async with bench.worker(ComputeExecutor(pool, keys, GUARD, "w")):
            results = await bench.answered(4)
    about_bad = [result for result in results if result.item == "bad"][1:]
    assert [type(result) for result in about_bad] == [Failed]
    assert isinstance(about_bad[0], Failed)
    assert (about_bad[0].category, about_bad[0].error) == ("irrecoverable", "OperationError")
    assert any(isinstance(result, Computed) and result.item == "good" for result in results)


def proof(raw: bytes, user: bytes = USER) -> ProofWork:
    return ProofWork(
        item="p", tenant="t", attempt=0, timeout_s=60, key_id=KEY, crs_id=CRS, zk_proof_id=1, chain_id=CHAIN,
        acl_address=ACL, contract_address=CONTRACT, user_address=user, ciphertext_with_proof=raw,
    )  # fmt: skip


def made(count: int, user: bytes = USER) -> bytes:
    values = [ClearValue(UINT64, value) for value in range(count)]
    return encode_list(values, auxiliary_data(proof(b"", user)), bytes(16))


async def judged(bench: Bench, folder: Path, work: ProofWork, count: int) -> list[Proven]:
    async with child("zkproof", bench, folder) as (pool, keys):
        await bench.send(work)
        async with bench.worker(ProofExecutor(pool, keys, GUARD, "w")):
            results = await bench.answered(1 + count)
    return [result for result in results if isinstance(result, Proven)]


async def test_an_input_is_verified_and_its_values_get_their_handles(bench: Bench, tmp_path: Path) -> None:
    raw = made(3)
    (proven,) = await judged(bench, tmp_path, proof(raw), 1)
    assert proven.verified
    assert proven.handles == tuple(input_handle(blob_hash(raw), i, ACL, CHAIN, UINT64) for i in range(3))
    assert [decode(STORED, c.ct64, UINT64) for c in proven.ciphertexts] == [0, 1, 2]
    assert tuple(ciphertext.handle for ciphertext in proven.ciphertexts) == proven.handles


async def test_an_empty_list_is_valid(bench: Bench, tmp_path: Path) -> None:
    (proven,) = await judged(bench, tmp_path, proof(made(0)), 1)
    assert (proven.verified, proven.handles, proven.ciphertexts) == (True, (), ())


@pytest.mark.parametrize(
    ("raw", "user", "reason"),
    [(made(1), b"\x06" * 20, "verification failed"), (b"noise", USER, "not a list")],
)
async def test_a_bad_input_is_rejected(
    bench: Bench, tmp_path: Path, raw: bytes, user: bytes, reason: str
) -> None:
    (proven,) = await judged(bench, tmp_path, proof(raw, user), 1)
    assert not proven.verified
    assert reason in proven.reason


async def test_a_squashed_ciphertext_is_attested_and_both_objects_are_there_first(
    bench: Bench, tmp_path: Path
) -> None:
    blobs, signer = MemoryBlobs(), Signer(bytes(31) + b"\x01")
    given = stored(1, 77)
    work = SquashWork(item="s", tenant="t", attempt=0, timeout_s=60, key_id=KEY, ciphertext=given)
    async with child("sns", bench, tmp_path) as (pool, keys):
        uploads = Uploads(blobs, Buckets("b64", "b128"), upload_metrics(bench.metrics))
        executor = SquashExecutor(Parts(pool, keys, GUARD, uploads, signer, Backlog()), "w")
        await bench.send(work)
        async with bench.worker(executor):
            results = await bench.answered(2)
    squashed = results[1]
    assert isinstance(squashed, Squashed)
    ct64 = blobs.objects()["b64", object_key_ct64(given.handle)]
    ct128 = blobs.objects()["b128", object_key_ct128(given.handle)]
    assert ct64.body == given.ct64
    assert decode(SQUASHED, ct128.body, UINT64) == 77
    assert (squashed.ct64_digest, squashed.ct128_digest) == (keccak256(ct64.body), keccak256(ct128.body))
    for blob in (ct64, ct128):
        attestation = from_metadata(blob.metadata[METADATA_KEY], given.handle)
        assert is_genuine(attestation, recover)
        assert attestation.signature == squashed.attestation
    assert squashed.signer == signer.address
    assert squashed.format == 11
