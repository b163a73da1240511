"""A stock client of the protocol, node-tfhe from npm, encrypts and proves; our zkproof-worker accepts it.

What either engine then computes and squashes, the crate decrypts, as the key-management network does for
clients: their own library has no code for stored or squashed ciphertexts.
"""

import asyncio
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from integration.worker.real_child import Opened, child, proof

from streams.devnet import install as cache
from streams.devnet.client import TfheDecryptor
from streams.domain.errors import InvalidInput
from streams.domain.operations import BY_NAME, FheType
from streams.fhe.keyset import KeyFiles, cache_root
from streams.fhe.suite import Encrypted, Operand, Plain
from streams.services import zkproof_worker
from streams.services.worker import frames
from streams.services.worker.proof import auxiliary_data

pytestmark = [pytest.mark.fhe, pytest.mark.timeout(900)]

CLIENT = Path(__file__).parents[2] / "clients/node"
PINS = ("package.json", "package-lock.json")
BOOL, U64 = FheType.BOOL, FheType.UINT64


@pytest.fixture(scope="module")
def modules() -> Path:
    """The installed library, once per machine."""

    def install(draft: Path) -> None:
        for name in PINS:
            (draft / name).write_bytes((CLIENT / name).read_bytes())
        npm = cache.tool("npm", "the stock client")
        cache.execute(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "installing node-tfhe", draft
        )

    identity = cache.pin(*((CLIENT / name).read_bytes() for name in PINS))
    return cache.once(cache_root() / "clients" / identity, install)


@pytest.fixture(scope="module")
def raw(modules: Path, files: KeyFiles, crs: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("client") / "list"
    node = cache.tool("node", "the stock client")
    bound = auxiliary_data(proof(b""))
    command = [node, CLIENT / "prove.mjs", modules, files.public, crs, bound.hex(), out]
    subprocess.run(command, check=True)
    return out.read_bytes()


@pytest.fixture(scope="module")
def verdict(files: KeyFiles, crs: Path, raw: bytes) -> frames.Verdict:
    """Of our zkproof-worker."""

    async def asked() -> frames.Verdict:
        async with child(zkproof_worker.KIND, Opened(files, crs)) as pool:
            with pytest.raises(InvalidInput, match="verification failed"):
                await pool.execute(proof(raw, user_address=b"\4" * 20), lambda _: None)
            answer = await pool.execute(proof(raw), lambda _: None)
            assert isinstance(answer, frames.Verdict)
            return answer

    with ThreadPoolExecutor(1) as thread:  # a loop of its own
        return thread.submit(asyncio.run, asked()).result()


def test_the_zkproof_worker_accepts_its_list_for_its_user_and_for_nobody_else(
    verdict: frames.Verdict,
) -> None:
    assert verdict.verified
    assert [item.fhe_type for item in verdict.ciphertexts] == [BOOL, U64, FheType.UINT8]


@pytest.mark.parametrize("engine", [("compute", "squash"), ("wave", "wave_squash")], ids=["tfhe-rs", "wave"])
def test_either_engine_computes_with_its_numbers_and_what_it_squashes_is_decrypted(
    verdict: frames.Verdict,
    decryptor: TfheDecryptor,
    request: pytest.FixtureRequest,
    engine: tuple[str, str],
) -> None:
    compute, squash = map(request.getfixturevalue, engine)
    flag, number, byte = (Encrypted(item.fhe_type, item.ct64) for item in verdict.ciphertexts)

    def computed(name: str, *operands: Operand) -> Encrypted:
        return Encrypted(U64, compute.execute(BY_NAME[name].code, operands, U64))

    wide = computed("Cast", byte, Plain(bytes((U64,))))
    chosen = computed("IfThenElse", flag, computed("Add", number, wide), wide)
    assert decryptor.decrypt(squash.squash(chosen.ct64, U64), U64) == 4242 + 7
