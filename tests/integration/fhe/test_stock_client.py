"""A stock client of the protocol, node-tfhe from npm, encrypts and proves; our zkproof-worker accepts it."""

import subprocess
from pathlib import Path

import pytest
from integration.worker.real_child import Opened, child, proof

from streams.devnet import install as cache
from streams.devnet.client import TfheDecryptor
from streams.domain.errors import InvalidInput
from streams.domain.operations import FheType
from streams.fhe.keyset import KeyFiles, cache_root
from streams.fhe.tfhe_rs import TfheSquash
from streams.services import zkproof_worker
from streams.services.worker import frames
from streams.services.worker.proof import auxiliary_data

pytestmark = [pytest.mark.fhe, pytest.mark.timeout(900)]

CLIENT = Path(__file__).parents[2] / "clients/node"
PINS = ("package.json", "package-lock.json")


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


async def test_the_zkproof_worker_accepts_its_list_for_its_user_and_for_nobody_else(
    files: KeyFiles, crs: Path, squash: TfheSquash, decryptor: TfheDecryptor, raw: bytes
) -> None:
    async with child(zkproof_worker.KIND, Opened(files, crs)) as pool:
        verdict = await pool.execute(proof(raw), lambda _: None)
        with pytest.raises(InvalidInput, match="verification failed"):
            await pool.execute(proof(raw, user_address=b"\4" * 20), lambda _: None)
    assert isinstance(verdict, frames.Verdict)
    assert verdict.verified
    found = [(item.fhe_type, item.ct64) for item in verdict.ciphertexts]
    assert [fhe_type for fhe_type, _ in found] == [FheType.BOOL, FheType.UINT64, FheType.UINT8]
    opened = [decryptor.decrypt(squash.squash(ct64, fhe_type), fhe_type) for fhe_type, ct64 in found]
    assert opened == [1, 4242, 7]
