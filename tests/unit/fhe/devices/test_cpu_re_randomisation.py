"""The kernel's keyswitch of re-randomisation gives the words of NumPy's, on every instruction set."""

import cipherstream_kernel as kernel
import numpy as np
import pytest

from streams.fhe.devices.cpu_re_randomisation import KernelSwitch
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.re_randomisation import GADGET, LimbSwitch, PublicKey, ReRandomiser
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED

SIZE = PINNED.big_dimension
SOURCE = SeededSource(b"keys")
ROWS = SOURCE.uniform((SIZE, SIZE + 1))
ROWS.flags.writeable = False
PUBLIC = PublicKey(SOURCE.uniform((SIZE,)), SOURCE.uniform((SIZE,)))
EXACT = LimbSwitch(ROWS)


def ties() -> Words:
    """Ciphertexts (3, 2049) of words around halves of a digit's unit, that of the range in the middle."""
    unit = 1 << 64 - GADGET.kept_bits
    places = [digit * unit + unit // 2 for digit in range(GADGET.base // 2 - 342, GADGET.base // 2 + 341)]
    near = [place + step for place in places for step in (-1, 0, 1)]
    word = np.array([*near, *near, *near], np.uint64)[: 3 * SIZE].reshape(3, SIZE)
    return np.concatenate([word, SOURCE.uniform((3, 1))], axis=-1)


@pytest.mark.parametrize("path", kernel.instruction_sets())
@pytest.mark.parametrize("count", [0, 1, 3, 32, 100])
def test_words_are_those_without_native_code(path: str, count: int) -> None:
    given = SOURCE.uniform((count, SIZE + 1))
    assert np.array_equal(KernelSwitch(ROWS, path=path)(given), EXACT(given))
    assert np.array_equal(KernelSwitch(ROWS, 2, path)(given), EXACT(given))


@pytest.mark.parametrize("path", kernel.instruction_sets())
def test_digits_go_the_same_way_where_they_tie(path: str) -> None:
    given = ties()
    assert np.array_equal(KernelSwitch(ROWS, path=path)(given), EXACT(given))


def test_numbers_are_re_randomised_alike() -> None:
    numbers = [(SOURCE.uniform((count, SIZE + 1)), bytes([count]) * 32) for count in (1, 32, 4)]
    switches = (KernelSwitch(ROWS), EXACT)
    native, plain = (ReRandomiser(PUBLIC, switch)(numbers) for switch in switches)
    assert all(np.array_equal(*pair) for pair in zip(native, plain, strict=True))
