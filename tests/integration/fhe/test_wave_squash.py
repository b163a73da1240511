"""Noise squashing by the engine `wave` on activated keys: who reads it, its noise, its bits."""

import hashlib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cipherstream_kernel as kernel
import numpy as np
import pytest

from streams.devnet import client
from streams.domain.errors import KeyMaterialError, KeyMissing, OperationError
from streams.domain.operations import FheType
from streams.fhe.devices.cpu_squashing import paired
from streams.fhe.devices.words import Words
from streams.fhe.formats.ciphertext_list import read_number
from streams.fhe.keyset import KeyFiles, KeyStore
from streams.fhe.known_answers import KnownAnswers
from streams.fhe.noise import packing_variance, squashing_variance
from streams.fhe.parameters import PINNED, SQUASHING, WIDE_BITS
from streams.fhe.suite import ClearValue
from streams.fhe.wave import key_files, squash_files
from streams.fhe.wave.squash import WaveSquash
from streams.fhe.wave.squash_unit import SquashExam, SquashUnit, Unsquashed

pytestmark = pytest.mark.fhe

PATIENCE_S = 300.0

VALUES = {
    FheType.BOOL: 1,
    FheType.UINT4: 0xB,
    FheType.UINT8: 0xA7,
    FheType.UINT16: 0xBEEF,
    FheType.UINT32: 0xDEADBEEF,
    FheType.UINT64: 2**64 - 3,
    FheType.UINT128: 2**127 + 5,
    FheType.UINT160: 0x1234 << 100,
    FheType.UINT256: 2**256 - 2**130 - 1,
}
WIDE = FheType.UINT256
# of the squashed list of the known answers' a2
BYTE_DIGEST = "6db517c76f525406882719a94d8806f67efb5e7f0e0c0df2f4edbc7c55273917"
UNIT_LOG2 = 123  # of a value in a squashed ciphertext


@pytest.fixture(scope="module")
def squash(wave_squash: WaveSquash) -> WaveSquash:
    return wave_squash


@pytest.fixture(scope="module")
def folders(generated: client.Generated, files: KeyFiles) -> tuple[Path, Path]:
    assert files.folder.exists()
    keyset = KeyStore().keyset(generated.keyset_digest)
    return squash_files.derived(keyset), key_files.derived(keyset)


@pytest.fixture(scope="module")
def stored(generated: client.Generated, files: KeyFiles) -> dict[FheType, bytes]:
    samples = client.TfheSamples(generated.client_key.read_bytes(), files)
    return {kind: samples.encrypt(ClearValue(kind, value)) for kind, value in VALUES.items()}


FORMS = [(kind, True) for kind in VALUES] + [(FheType.BOOL, False), (FheType.UINT8, False)]


@pytest.mark.parametrize(("kind", "compressed"), FORMS, ids=lambda each: getattr(each, "name", str(each)))
def test_the_crate_decrypts_each_type(
    kind: FheType,
    compressed: bool,
    squash: WaveSquash,
    stored: dict[FheType, bytes],
    decryptor: client.TfheDecryptor,
) -> None:
    ct128 = squash.squash(stored[kind], kind, compressed=compressed)
    assert decryptor.decrypt(ct128, kind, compressed=compressed) == VALUES[kind]


class Held:
    """A unit that takes down how many numbers a call has, and does not begin before it is let go."""

    def __init__(self, unit: SquashUnit) -> None:
        self.unit = unit
        self.calls = list[int]()
        self.has_begun, self.is_free = threading.Event(), threading.Event()

    @property
    def reading(self) -> tuple[int, int]:
        return self.unit.reading

    def squashed(self, numbers: Sequence[Unsquashed]) -> list[tuple[Words, ...]]:
        self.calls.append(len(numbers))
        self.has_begun.set()
        assert self.is_free.wait(PATIENCE_S)
        return self.unit.squashed(numbers)


def test_bytes_are_the_same_alone_and_in_company(
    folders: tuple[Path, Path], squash: WaveSquash, stored: dict[FheType, bytes]
) -> None:
    held = Held(on_cpu(folders, kernel.instruction_sets()[0]))
    together = WaveSquash(key_files.opened(folders[1]).device, held, size_max=64)
    asked = [(kind, form) for kind in (FheType.BOOL, FheType.UINT8, FheType.UINT64) for form in (True, False)]
    with ThreadPoolExecutor(1 + len(asked)) as threads:
        first = threads.submit(together.squash, stored[FheType.UINT4], FheType.UINT4)
        assert held.has_begun.wait(PATIENCE_S)
        others = [
            threads.submit(together.squash, stored[kind], kind, compressed=form) for kind, form in asked
        ]
        until = time.monotonic() + PATIENCE_S
        while len(together._gathering._line) < len(asked):
            assert time.monotonic() < until
            time.sleep(0.001)
        held.is_free.set()
        assert first.result(PATIENCE_S) == squash.squash(stored[FheType.UINT4], FheType.UINT4)
        for (kind, form), found in zip(asked, others, strict=True):
            assert found.result(PATIENCE_S) == squash.squash(stored[kind], kind, compressed=form)
    assert held.calls == [1, len(asked)]


def test_a_number_that_is_refused_costs_its_neighbours_nothing(
    folders: tuple[Path, Path], squash: WaveSquash, stored: dict[FheType, bytes]
) -> None:
    held = Held(on_cpu(folders, kernel.instruction_sets()[0]))
    together = WaveSquash(key_files.opened(folders[1]).device, held)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(together.squash, stored[FheType.UINT4], FheType.UINT4)
        assert held.has_begun.wait(PATIENCE_S)
        # It never comes into the line.
        refused = threads.submit(together.squash, stored[FheType.UINT8], FheType.UINT64)
        assert isinstance(refused.exception(PATIENCE_S), OperationError)
        held.is_free.set()
        assert first.result(PATIENCE_S) == squash.squash(stored[FheType.UINT4], FheType.UINT4)
    assert held.calls == [1]


def test_what_is_no_stored_number_of_that_type_is_refused(
    squash: WaveSquash, stored: dict[FheType, bytes]
) -> None:
    with pytest.raises(OperationError, match="does not decode"):
        squash.squash(stored[WIDE][:-1], WIDE)
    with pytest.raises(OperationError, match="expected is UINT8"):
        squash.squash(stored[WIDE], FheType.UINT8)


def test_bits_do_not_depend_on_path_or_threads(
    folders: tuple[Path, Path], squash: WaveSquash, known: KnownAnswers
) -> None:
    ct64 = bytes.fromhex(known.inputs["a2"].ct64)
    due = squash.squash(ct64, FheType.UINT8)
    assert hashlib.sha256(due).hexdigest() == BYTE_DIGEST
    for path in kernel.instruction_sets()[:2]:  # the portable one takes seconds for a block
        unit = on_cpu(folders, path)
        other = WaveSquash(key_files.opened(folders[1]).device, unit)
        assert other.squash(ct64, FheType.UINT8) == due, path


def test_the_question_has_one_answer_on_every_path(folders: tuple[Path, Path]) -> None:
    """With real keys and at its full size, as a GPU is asked it."""
    first, *others = kernel.instruction_sets()[:2]
    exam = SquashExam.set_by(on_cpu(folders, first))
    assert (exam.squashed.shape, len(exam.packed)) == ((16, SQUASHING.dimension + 1, 2), 1)
    assert all(exam.is_passed(on_cpu(folders, path)) for path in others)


def on_cpu(folders: tuple[Path, Path], path: str) -> SquashUnit:
    storage = key_files.opened(folders[1], path=path).storage
    return SquashUnit(path, storage, squash_files.opened(*folders, threads=1, path=path))


def test_the_noise_is_that_of_the_model(
    generated: client.Generated, folders: tuple[Path, Path], known: KnownAnswers
) -> None:
    # Ciphertexts that are always the same: so is their noise, and the bounds hold forever or never.
    secret = generated.client_key.read_bytes()
    compute = key_files.opened(folders[1], threads=2)
    squashing = squash_files.opened(*folders, threads=2)
    given = [known.inputs[name] for name in ("a5", "b5", "c5")]
    glwes = [glwe for each in given for glwe in read_number(bytes.fromhex(each.ct64)).glwes]
    squashed = squashing.squash(paired(np.concatenate(compute.storage.decompress(glwes))))
    digits = [int(each.clear) >> 4 * place & 15 for each in given for place in range(16)]
    key = secret_bits(secret, SQUASHING.dimension)
    found = [deviation(lwe_phase(row, key), digit) for row, digit in zip(squashed, digits, strict=True)]
    expected = squashing_variance(PINNED, SQUASHING)
    assert 0.6 < np.mean(np.square(found)) / expected < 1.5
    (packed,) = squashing.pack(squashed)
    packed_key = secret_bits(secret, SQUASHING.packed_dimension * SQUASHING.packed_size)
    found = [deviation(packed_phase(packed, packed_key, place), digit) for place, digit in enumerate(digits)]
    expected += packing_variance(SQUASHING, len(digits))
    assert 0.6 < np.mean(np.square(found)) / expected < 1.5


def test_damaged_and_missing_files_are_told(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "squash").symlink_to(folders[0] / "squash")
    with pytest.raises(KeyMaterialError, match="do not open"):
        squash_files.opened(tmp_path, folders[1])
    with (folders[0] / "pack").open("rb") as file:
        (tmp_path / "pack").write_bytes(file.read(1 << 20))
    with pytest.raises(KeyMaterialError, match="cut or has a tail"):
        squash_files.opened(tmp_path, folders[1])


def test_without_the_key_set_there_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing):
        WaveSquash.open(KeyFiles(tmp_path / "derived"))


def secret_bits(secret: bytes, count: int) -> list[int]:
    """The one array of that many 128-bit words in a client key that are all zero or one."""
    place = -1
    while (place := secret.find(count.to_bytes(8, "little"), place + 1)) >= 0:
        words = np.frombuffer(secret[place + 8 : place + 8 + 16 * count], np.uint64)
        if len(words) == 2 * count and words.max() == 1 and not words[1::2].any():
            return words[::2].tolist()
    raise AssertionError(f"no key of {count} bits")


def integers(words: Words) -> list[int]:
    return [low | high << 64 for low, high in words.tolist()]


def lwe_phase(words: Words, key: list[int]) -> int:
    *mask, body = integers(words)
    return body - sum(word for word, bit in zip(mask, key, strict=True) if bit)


def packed_phase(words: Words, key: list[int], place: int) -> int:
    """The phase's coefficient at that place."""
    numbers, size = integers(words), SQUASHING.packed_size
    phase = numbers[len(key) + place]
    for at in (at for at, bit in enumerate(key) if bit):
        first, power = at - at % size, at % size
        # X^power times a mask polynomial: what leaves at the top comes back negated
        phase -= numbers[first + place - power] if power <= place else -numbers[first + size + place - power]
    return phase


def deviation(phase: int, digit: int) -> float:
    """Relative to 2^128."""
    half = 1 << (WIDE_BITS - 1)
    return ((phase - (digit << UNIT_LOG2) + half) % (1 << WIDE_BITS) - half) / 2.0**WIDE_BITS
