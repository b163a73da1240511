"""One pair of raw keys on the CPU and on emulated GPUs; batches with corner cases of the digit rule."""

from dataclasses import dataclass, replace
from functools import cache

import cipherstream_kernel as kernel
import numpy as np

from streams.fhe.devices import raw
from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.devices.cuda.device import CudaDevice
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.gpu import Gpu
from streams.fhe.devices.cuda.keys import RotationKey, SwitchKey, switch_key
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED, Parameters

BIG = PINNED.big_dimension
# Half a digit in each place, the largest value, and ties of the rounding.
CORNERS = (0x8000 << 48, 0x7FFF8 << 44, 0x88 << 56, (1 << 64) - 1, 1 << 47, 0, 0x0888 << 48, 0x7FFF << 48)


@dataclass(frozen=True, eq=False)
class Pair:
    """The same keys for both devices."""

    parameters: Parameters
    cpu: CpuDevice
    switch: SwitchKey
    rotate: RotationKey

    def on(self, *gpus: Gpu) -> CudaDevice:
        return CudaDevice(self.parameters, Fleet.of(gpus), self.switch, self.rotate)


@cache
def raw_keys(dimension: int) -> Pair:
    keys = raw.raw_keys(SeededSource(b"keys"), replace(PINNED, lwe_dimension=dimension))
    switch, rotate = kernel.KeyswitchKey.attach(keys.switch), kernel.BootstrapKey.attach(keys.rotate)
    cpu = CpuDevice(keys.parameters, switch, rotate, threads=2)
    return Pair(keys.parameters, cpu, switch_key(keys.switch), RotationKey(keys.rotate))


def raw_batch(count: int) -> Bootstraps:
    """Random ciphertexts; the last one is all corner values, the first one has some among others."""
    batch = raw.raw_batch(SeededSource(b"batch"), PINNED, count)
    corners = np.resize(np.array(CORNERS, np.uint64), BIG)
    batch.ciphertexts[-1, :-1] = corners
    batch.ciphertexts[0, :-1:3] = corners[::3]
    return batch


def words(*shape: int) -> Words:
    return SeededSource(b"words").uniform(shape)


def small_batch(count: int, dimension: int) -> Bootstraps:
    """Random ciphertexts under a small key."""
    return replace(raw_batch(count), ciphertexts=words(count, dimension + 1))


def differing(found: list[Words], expected: list[Words]) -> int:
    """How many words differ."""
    return sum(int((one != other).sum()) for one, other in zip(found, expected, strict=True))
