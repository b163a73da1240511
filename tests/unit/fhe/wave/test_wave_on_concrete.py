"""The engine `wave` on the device `concrete`: operations, key files, and no native code of ours."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.errors import ConfigurationError, KeyMaterialError
from streams.domain.operations import BY_NAME, FheType
from streams.fhe import clear
from streams.fhe.devices.concrete import ConcreteDevice
from streams.fhe.devices.concrete_runtime import FourierKey, Runtime, runtime
from streams.fhe.devices.concrete_storage import ConcreteStorage
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED, Gadget
from streams.fhe.suite import ClearValue, Encrypted
from streams.fhe.wave.on_concrete import check
from streams.fhe.wave.on_device import opened_on
from streams.fhe.wave.word_files import SHAPES
from streams.services import tfhe_worker
from streams.services.worker.service import child_command
from streams.settings import EngineSettings
from tests.unit.fhe.devices.sets import keys_of
from tests.unit.fhe.wave.windows import BOOL, U8, DeviceSide, component, handle, settled, step, values

U16 = FheType.UINT16
# The pinned set but for a short small key: 51 times fewer steps, the same polynomials.
CLIENT, SERVER = keys_of(replace(PINNED, lwe_dimension=18))
DEVICE = ConcreteDevice.prepare(SERVER)
CASES = [("Add", U8, U8), ("Add", U16, U16), ("Sub", U8, U8), ("Ge", U8, BOOL), ("Ge", U16, BOOL)]


def due(name: str, numbers: Sequence[tuple[FheType, int]], out_type: FheType) -> int:
    """What the engine `clear` gives."""
    operands = [
        Encrypted(fhe_type, clear.encode(clear.STORED, ClearValue(fhe_type, number)))
        for fhe_type, number in numbers
    ]
    found = clear.ClearCompute().execute(BY_NAME[name].code, operands, out_type)
    return clear.decode(clear.STORED, found, out_type)


def computed(name: str, numbers: Sequence[tuple[FheType, int]], out_type: FheType) -> int:
    """What the executor makes of encrypted numbers, decrypted."""
    side = DeviceSide(CLIENT, DEVICE)
    names = [handle(f"{place}", fhe_type) for place, (fhe_type, _) in enumerate(numbers)]
    inputs = {each: side.value(*number) for each, number in zip(names, numbers, strict=True)}
    one = component("one", step(name, *names, result=handle("r", out_type)), inputs=inputs)
    (value,) = values(settled(side, one)).values()
    return side.number(value)


@given(case=st.sampled_from(CASES), x=st.integers(0, 2**16 - 1), y=st.integers(0, 2**16 - 1))
@settings(max_examples=15, deadline=None)
def test_operations_give_what_the_clear_engine_gives(
    case: tuple[str, FheType, FheType], x: int, y: int
) -> None:
    name, fhe_type, out_type = case
    numbers = [(fhe_type, number % (1 << fhe_type.bits)) for number in (x, y)]
    assert computed(name, numbers, out_type) == due(name, numbers, out_type)


@pytest.mark.parametrize("flag", [0, 1])
@pytest.mark.parametrize("fhe_type", [U8, U16])
def test_a_selection_gives_what_the_clear_engine_gives(flag: int, fhe_type: FheType) -> None:
    numbers = [(BOOL, flag), (fhe_type, 200), (fhe_type, 77)]
    assert computed("IfThenElse", numbers, fhe_type) == due("IfThenElse", numbers, fhe_type)


WITHOUT = """
import sys
from pathlib import Path
for name in ("cipherstream_kernel", "cipherstream_tfhe", "cipherstream_client", "torch", "concrete"):
    sys.modules[name] = None
import numpy as np
from streams.domain.operations import BY_NAME, FheType
from streams.fhe.formats.ciphertext_list import read_number
from streams.fhe.suite import Encrypted, Plain
from streams.fhe.wave.on_device import opened_on
from streams.fhe.wave.suite import WaveCompute
keys, byte = opened_on("concrete", Path(sys.argv[1])), FheType.UINT8
suite = WaveCompute(keys)
made = [
    suite.execute(BY_NAME["TrivialEncrypt"].code, [Plain(bytes([number])), Plain(bytes([byte]))], byte)
    for number in (20, 22)
]
total = suite.execute(BY_NAME["Add"].code, [Encrypted(byte, each) for each in made], byte)
(blocks,) = keys.storage.decompress(read_number(total).glwes)
digits = (blocks[:, -1] >> np.uint64(59)).tolist()
print(sum(digit << 2 * place for place, digit in enumerate(digits)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of zeros: such keys encrypt nothing, and turn and switch trivial ciphertexts as they should."""
    made = tmp_path_factory.mktemp("words")
    size = PINNED.big_dimension
    lengths = {name: np.prod(shape) for name, shape in SHAPES.items()} | {"public": size * (size + 3)}
    for name, length in lengths.items():
        with (made / name).open("wb") as file:
            file.truncate(8 * int(length))
    return made


def test_keys_are_attached_and_numbers_are_stored_and_read(folder: Path) -> None:
    keys = opened_on("concrete", folder, threads=3)
    assert isinstance(keys.device, ConcreteDevice)
    assert isinstance(keys.storage, ConcreteStorage)
    assert keys.drivers == 3
    blocks = np.zeros((5, PINNED.big_dimension + 1), np.uint64)
    blocks[:, -1] = np.array([3, 0, 1, 2, 3], np.uint64) << np.uint64(PINNED.delta_log2)
    (again,) = keys.storage.decompress(keys.storage.compress(blocks))
    assert np.array_equal(again, blocks)


def test_a_file_of_another_length_is_told(folder: Path, tmp_path: Path) -> None:
    for name in SHAPES:
        (tmp_path / name).symlink_to(folder / name)
    with pytest.raises(KeyMaterialError, match=r"public does not open"):
        opened_on("concrete", tmp_path)
    (tmp_path / "pack").unlink()
    (tmp_path / "pack").write_bytes(bytes(20))
    with pytest.raises(KeyMaterialError, match=r"pack has 2.5 words, 7864320 are due"):
        opened_on("concrete", tmp_path)


def test_the_whole_engine_needs_no_native_code_of_ours(folder: Path) -> None:
    """In a process without the kernel, the crate and torch: from stored bytes to stored bytes."""
    shown = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(folder)], capture_output=True, text=True, check=False
    )
    assert shown.stdout.strip() == "42", shown.stderr


class Wrong(Runtime):
    """Computes, and returns something else."""

    def __init__(self, found: Runtime, *, is_switch: bool) -> None:
        self.__dict__.update(found.__dict__)
        self._is_switch = is_switch

    def key_switch(self, rows: Words, gadget: Gadget, ciphertext: Words) -> Words:
        return super().key_switch(rows, gadget, ciphertext) + np.uint64(self._is_switch)

    def bootstrap(self, key: FourierKey, ciphertext: Words, table: Words) -> tuple[Words, Words]:
        return super().bootstrap(key, ciphertext, table * np.uint64(1 + (not self._is_switch)))


def test_a_runtime_that_computes_something_else_gets_no_keys() -> None:
    check(runtime())
    with pytest.raises(ConfigurationError, match="keyswitch gives other words"):
        check(Wrong(runtime(), is_switch=True))
    with pytest.raises(ConfigurationError, match="bootstrap gives other values"):
        check(Wrong(runtime(), is_switch=False))


def test_a_worker_is_told_the_device() -> None:
    engine = EngineSettings(name="wave", device="concrete")
    command = child_command(tfhe_worker.KIND, engine, 1)
    assert command[command.index("--device") + 1] == "concrete"
