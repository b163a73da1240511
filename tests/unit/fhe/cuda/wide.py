"""Keys of random words that squash, on the CPU and on emulated GPUs."""

from dataclasses import dataclass
from functools import cache

import cipherstream_kernel as kernel
import numpy as np

from streams.fhe.devices.cpu_squashing import CpuSquashing
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.gpu import Gpu
from streams.fhe.devices.cuda.keys import SquashKey, SwitchKey, WideKey, switch_key
from streams.fhe.devices.cuda.squashing import CudaSquashing
from streams.fhe.devices.words import Words, flat
from streams.fhe.parameters import PINNED, SQUASHING
from tests.unit.fhe.cuda.raw import BIG, words

STEP_WORDS = 27 * SQUASHING.polynomial_size  # nine rows of three polynomials
INPUTS = 1024  # of a chunk of the packing key
PACKED = (2, 64)  # mask polynomials and their coefficients, where squashed ciphertexts are packed
UNIT = np.uint64(1 << 52)  # of a rotation amount


@dataclass(frozen=True, eq=False)
class WidePair:
    """The same keys for both devices."""

    cpu: CpuSquashing
    switch: SwitchKey
    squash: SquashKey
    pack: WideKey

    def on(self, *gpus: Gpu) -> CudaSquashing:
        return CudaSquashing(Fleet.of(gpus), self.switch, self.squash, self.pack)


@cache
def wide_keys(dimension: int) -> WidePair:
    """All words are random."""
    return _pair(words(BIG, PINNED.ks.level, dimension + 1))


def keys_with_amounts(amounts: Words) -> WidePair:
    """Keys under which ciphertext `place` of `placed` is rotated by amounts (count, n + 1)[place]."""
    rows = np.zeros((BIG, PINNED.ks.level, amounts.shape[1]), np.uint64)
    rows[: len(amounts)] = (np.uint64(0) - amounts * UNIT)[:, None]  # a digit of 1 takes the row away
    return _pair(rows)


def placed(count: int) -> Words:
    """Ciphertexts, each with a digit of 1 in its own place and else nothing."""
    found = np.zeros((count, BIG + 1), np.uint64)
    np.fill_diagonal(found, np.uint64(1 << 60))
    return found


def _pair(rows: Words) -> WidePair:
    dimension = rows.shape[-1] - 1
    switch = kernel.KeyswitchKey.prepare(flat(rows), dimension, PINNED.ks.level)
    steps = kernel.SquashingKey.transform(flat(words(dimension * STEP_WORDS, 2)))
    prepared = memoryview(kernel.SquashingKey.header(dimension) + steps)
    cpu = CpuSquashing(switch, kernel.SquashingKey.attach(prepared), kernel.WidePackingKey.attach(_packing()))
    return WidePair(cpu, switch_key(memoryview(switch.to_bytes())), SquashKey(prepared), WideKey(_packing()))


@cache
def _packing() -> memoryview:
    columns, chunks = (PACKED[0] + 1) * PACKED[1], SQUASHING.dimension // INPUTS
    standard = words(chunks, INPUTS * columns, 2)
    ordered = (kernel.WidePackingKey.transform(flat(chunk), *PACKED) for chunk in standard)
    return memoryview(kernel.WidePackingKey.header(*PACKED) + b"".join(ordered))
