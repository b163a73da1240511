"""A stock client of the protocol, node-tfhe from npm, encrypts and proves; our verifier accepts it."""

import subprocess
from pathlib import Path

import pytest

from streams.devnet import install as cache
from streams.devnet.client import TfheDecryptor
from streams.domain.errors import InvalidInput
from streams.domain.handle import blob_hash
from streams.domain.operations import FheType
from streams.fhe.keyset import KeyFiles, cache_root
from streams.fhe.tfhe_rs import TfheProof, TfheSquash

pytestmark = [pytest.mark.fhe, pytest.mark.timeout(900)]

CLIENT = Path(__file__).parents[2] / "clients/node"
PINS = ("package.json", "package-lock.json")
AUX = bytes(range(92))


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
    command = [node, CLIENT / "prove.mjs", modules, files.public, crs, AUX.hex(), out]
    subprocess.run(command, check=True)
    return out.read_bytes()


def test_its_list_is_accepted(
    proofs: TfheProof, squash: TfheSquash, decryptor: TfheDecryptor, raw: bytes
) -> None:
    expanded = proofs.verify(raw, AUX, blob_hash(raw))
    assert [item.fhe_type for item in expanded] == [FheType.BOOL, FheType.UINT64, FheType.UINT8]
    opened = [decryptor.decrypt(squash.squash(item.ct64, item.fhe_type), item.fhe_type) for item in expanded]
    assert opened == [1, 4242, 7]


def test_its_list_is_bound_to_its_user(proofs: TfheProof, raw: bytes) -> None:
    with pytest.raises(InvalidInput, match="verification failed"):
        proofs.verify(raw, AUX[::-1], blob_hash(raw))
