"""The engine `wave` on the device `concrete` with activated keys: what it stores, everybody reads."""

from pathlib import Path

import pytest

from streams.devnet import client
from streams.domain.errors import KeyMissing
from streams.domain.operations import BY_NAME, FheType
from streams.fhe import clear, engines
from streams.fhe.device_choice import DeviceName
from streams.fhe.devices.concrete import ConcreteDevice
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.keyset import KeyFiles, KeyStore
from streams.fhe.parameters import PINNED
from streams.fhe.suite import ClearValue, ComputeSuite, Encrypted, Plain
from streams.fhe.wave import key_files
from streams.fhe.wave.on_device import derived_for, opened_on

pytestmark = pytest.mark.fhe

BOOL, U8 = FheType.BOOL, FheType.UINT8
DEVICES: tuple[DeviceName, DeviceName] = ("concrete", "cpu")


@pytest.fixture(scope="module")
def keyset(generated: client.Generated, files: KeyFiles) -> Path:
    assert files.folder.exists()
    return KeyStore().keyset(generated.keyset_digest)


@pytest.fixture(scope="module")
def concrete(files: KeyFiles) -> ComputeSuite:
    return engines.open_compute("wave", files, threads=2, device="concrete")


@pytest.fixture(scope="module")
def samples(generated: client.Generated, files: KeyFiles) -> client.TfheSamples:
    return client.TfheSamples(generated.client_key.read_bytes(), files)


OPERATIONS = (
    ("Add", ((U8, 200), (U8, 100)), U8),
    ("Ge", ((U8, 9), (U8, 9)), BOOL),
    ("IfThenElse", ((BOOL, 1), (U8, 77), (U8, 13)), U8),
)


@pytest.mark.parametrize(("name", "numbers", "out_type"), OPERATIONS, ids=[each[0] for each in OPERATIONS])
def test_operations_give_what_the_clear_engine_gives(
    name: str,
    numbers: tuple[tuple[FheType, int], ...],
    out_type: FheType,
    concrete: ComputeSuite,
    samples: client.TfheSamples,
) -> None:
    values = [ClearValue(fhe_type, number) for fhe_type, number in numbers]
    code = BY_NAME[name].code
    stored = [Encrypted(each.fhe_type, clear.encode(clear.STORED, each)) for each in values]
    due = clear.ClearCompute().execute(code, stored, out_type)
    given = [Encrypted(each.fhe_type, samples.encrypt(each)) for each in values]
    found = concrete.execute(code, given, out_type)
    assert samples.decrypt(found) == ClearValue(out_type, clear.decode(clear.STORED, due, out_type))


def test_random_numbers_are_those_of_the_processor(
    concrete: ComputeSuite, files: KeyFiles, samples: client.TfheSamples
) -> None:
    """The same seed, the same value, although the words differ."""
    operands = [Plain((7).to_bytes(32, "big")), Plain(bytes([U8]))]
    on_cpu = engines.open_compute("wave", files)
    drawn = [suite.execute(BY_NAME["Rand"].code, operands, U8) for suite in (concrete, on_cpu)]
    assert drawn[0] != drawn[1]
    assert samples.decrypt(drawn[0]) == samples.decrypt(drawn[1])


def test_blocks_are_packed_to_the_words_of_the_processor(keyset: Path) -> None:
    ours, others = (opened_on(name, derived_for(name, keyset)) for name in DEVICES)
    assert isinstance(ours.device, ConcreteDevice)
    # packing is exact: any words do
    blocks = SeededSource(b"blocks").uniform((5, PINNED.big_dimension + 1))
    (found,), (expected,) = ours.storage.compress(blocks), others.storage.compress(blocks)
    assert found.tolist() == expected.tolist()


def test_the_files_are_made_once_and_apart_from_those_of_the_kernel(keyset: Path) -> None:
    first = derived_for("concrete", keyset)
    made = (first / "manifest.json").stat().st_mtime_ns
    assert (derived_for("concrete", keyset) / "manifest.json").stat().st_mtime_ns == made
    assert derived_for("cpu", keyset) == key_files.derived(keyset) != first


def test_without_the_key_set_there_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing):
        derived_for("concrete", tmp_path / "keyset")
