"""Each class of worker's child with real keys: what it computes, and how much memory it takes."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from real_child import KEY, Opened, child, proof

from streams.adapters.system import SystemEntropy
from streams.adapters.telemetry.metrics import Metrics
from streams.devnet import client
from streams.domain.attestation import Format
from streams.domain.digest import keccak256
from streams.domain.handle import stamp
from streams.domain.operations import BY_NAME, FheType
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, SquashWork, Step
from streams.fhe.keyset import KeyFiles, KeyStore
from streams.fhe.suite import ClearValue
from streams.services import sns_worker, tfhe_worker, zkproof_worker
from streams.services.worker import frames
from streams.services.worker.metrics import worker_metrics
from streams.services.worker.pool import Pool
from streams.services.worker.proof import auxiliary_data
from streams.settings import SnsSettings

pytestmark = pytest.mark.fhe

SEED = b"\x07" * 32
UINT64 = FheType.UINT64
# The aim for a worker with all keys. The bound of its kind is above it, for more threads and key sets.
SQUASHING_BYTES_MAX = 3_000_000_000


class Keys:
    def __init__(self) -> None:
        store = KeyStore()
        self.generated = client.generate_seeded("tfhe-rs", SEED)
        self.files: KeyFiles = store.derive(self.generated.keyset_digest)
        self.opened = Opened(self.files, store.crs(self.generated.crs_digest))


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


def peak_bytes(pool: Pool) -> int:
    lines = Path(f"/proc/{pool.pid}/status").read_text().splitlines()
    (peak,) = [line for line in lines if line.startswith("VmHWM")]
    return int(peak.split()[1]) * 1024


def handle(name: str) -> bytes:
    return stamp(keccak256(name.encode()), 0xFF, 12345, UINT64)


def constant(number: int, result: bytes) -> Step:
    return Step(
        operation=BY_NAME["TrivialEncrypt"].code,
        operands=(number.to_bytes(32, "big"), bytes((UINT64,))),
        is_scalar=True,
        result=result,
        fhe_type=UINT64,
    )


def addition() -> ComputeWork:
    add = Step(
        operation=BY_NAME["Add"].code, operands=(handle("a"), handle("b")), is_scalar=False,
        result=handle("sum"), fhe_type=UINT64,
    )  # fmt: skip
    return ComputeWork(
        item="a", tenant="t", attempt=0, timeout_s=300, key_id=KEY, inputs=(), outputs=(handle("sum"),),
        steps=(constant(5, handle("a")), constant(7, handle("b")), add),
    )  # fmt: skip


async def computed(pool: Pool) -> Ciphertext:
    outputs: list[Ciphertext] = []
    await pool.execute(addition(), outputs.append)
    (output,) = outputs
    return output


async def test_a_sum_is_squashed_and_decrypts(keys: Keys) -> None:
    counted = worker_metrics(metrics := Metrics(), "tfhe")
    async with child(tfhe_worker.KIND, keys.opened, on_counts=counted.count) as pool:
        total, *others = await asyncio.gather(*(computed(pool) for _ in range(3)))
        assert peak_bytes(pool) <= tfhe_worker.KIND.memory_bytes_max
    assert others == [total, total]
    hits, misses = (
        metrics.value(f"cipherstream_worker_cache_{name}", {"cache": "ciphertexts"})
        for name in ("hits", "misses")
    )
    assert hits is not None
    assert misses is not None
    assert hits + misses == 6  # two operands, three times
    assert hits >= 1  # two threads may decompress the same at the same time
    work = SquashWork(item="s", tenant="t", attempt=0, timeout_s=300, key_id=KEY, ciphertext=total)
    kind = sns_worker.kind_of(SnsSettings(enable_compression=False))
    async with child(kind, keys.opened, (*kind.child_flags, "--slots", str(kind.slots))) as pool:
        # Several at a time stay within the bound too.
        answer, *_ = await asyncio.gather(*(pool.execute(work, lambda _: None) for _ in range(kind.slots)))
        assert peak_bytes(pool) <= SQUASHING_BYTES_MAX < kind.memory_bytes_max
    assert isinstance(answer, frames.Squashing)
    assert answer.format == Format.UNCOMPRESSED_ON_CPU
    decryptor = client.open_decryptor("tfhe-rs", keys.generated.client_key)
    assert decryptor.decrypt(answer.ct128, UINT64, compressed=False) == 12


async def test_an_input_with_its_proof_is_verified(keys: Keys) -> None:
    encryptor = client.open_encryptor("tfhe-rs", keys.files, keys.opened.crs, SystemEntropy())
    raw = await asyncio.to_thread(encryptor.prove, [ClearValue(UINT64, 42)], auxiliary_data(proof(b"")))
    async with child(zkproof_worker.KIND, keys.opened) as pool:
        verdict = await pool.execute(proof(raw), lambda _: None)
        assert peak_bytes(pool) <= zkproof_worker.KIND.memory_bytes_max
    assert isinstance(verdict, frames.Verdict)
    assert verdict.verified
    assert [ciphertext.fhe_type for ciphertext in verdict.ciphertexts] == [UINT64]


async def test_the_wave_engine_computes_a_component_in_a_worker_s_child(keys: Keys) -> None:
    samples = client.TfheSamples(keys.generated.client_key.read_bytes(), keys.files)
    numbers = {handle("a"): 40, handle("b"): 2}
    given = tuple(
        Ciphertext(handle=name, fhe_type=UINT64, ct64=samples.encrypt(ClearValue(UINT64, number)))
        for name, number in numbers.items()
    )
    work = msgspec.structs.replace(addition(), steps=addition().steps[-1:], inputs=given)
    async with child(tfhe_worker.KIND, keys.opened, engine="wave") as pool:
        outputs: list[Ciphertext] = []
        await pool.execute(work, outputs.append)
        assert [samples.decrypt(each.ct64) for each in outputs] == [ClearValue(UINT64, 42)]
        # The keys are mapped files: a fraction of what the other engine loads.
        assert peak_bytes(pool) < tfhe_worker.KIND.memory_bytes_max // 2


async def test_the_wave_engine_squashes_in_a_worker_s_child(keys: Keys) -> None:
    samples = client.TfheSamples(keys.generated.client_key.read_bytes(), keys.files)
    given = Ciphertext(handle=handle("a"), fhe_type=UINT64, ct64=samples.encrypt(ClearValue(UINT64, 43)))
    work = SquashWork(item="s", tenant="t", attempt=0, timeout_s=300, key_id=KEY, ciphertext=given)
    kind = sns_worker.kind_of(SnsSettings())
    async with child(
        kind, keys.opened, (*kind.child_flags, "--slots", str(kind.slots)), engine="wave"
    ) as pool:
        first, second = await asyncio.gather(*(pool.execute(work, lambda _: None) for _ in range(2)))
        assert peak_bytes(pool) <= SQUASHING_BYTES_MAX < kind.memory_bytes_max
    assert isinstance(first, frames.Squashing)
    assert first.format == Format.COMPRESSED_ON_CPU
    decryptor = client.open_decryptor("tfhe-rs", keys.generated.client_key)
    assert decryptor.decrypt(first.ct128, UINT64) == 43
    assert isinstance(second, frames.Squashing)
    assert second.ct128 == first.ct128
