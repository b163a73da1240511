"""Keys and ciphertexts of random words: bits are compared, so nothing has to decrypt, and real sizes cost little."""

from dataclasses import dataclass, replace
from functools import cache

import cipherstream_kernel as kernel
import numpy as np

from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.devices.cuda.device import CudaDevice
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.keys import RotationKey, SwitchKey, switch_key
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED, Parameters
from tests.unit.fhe.cuda.emulated import EmulatedGpu

BIG = PINNED.big_dimension
# Where the digit rule of a keyswitch decides: half a digit in each place, the largest value, and ties of the rounding.
CORNERS = (0x8000 << 48, 0x7FFF8 << 44, 0x88 << 56, (1 << 64) - 1, 1 << 47, 0, 0x0888 << 48, 0x7FFF << 48)


@dataclass(frozen=True, eq=False)
class RawKeys:
    """One key pair for both devices."""

    parameters: Parameters
    cpu: CpuDevice
    switch: SwitchKey
    rotate: RotationKey
    packed: bytes = b""

    def on(self, *gpus: EmulatedGpu) -> CudaDevice:
        return CudaDevice(self.parameters, Fleet.of(gpus), self.switch, self.rotate)


def words(seed: int, *shape: int) -> Words:
    return np.random.default_rng(seed).integers(0, 1 << 64, shape, dtype=np.uint64)


@cache
def raw_keys(dimension: int) -> RawKeys:
    parameters = replace(PINNED, lwe_dimension=dimension)
    switch = kernel.KeyswitchKey.prepare(words(1, BIG * 4 * (dimension + 1)).data, dimension)
    rotate = kernel.BootstrapKey.prepare(words(2, dimension * 4 * BIG).data, dimension)
    prepared = (memoryview(switch.to_bytes()), memoryview(rotate.to_bytes()))
    cpu = CpuDevice(parameters, switch, rotate, threads=2)
    return RawKeys(parameters, cpu, switch_key(prepared[0]), RotationKey(prepared[1]))


def raw_batch(count: int, seed: int = 3, width: int = BIG + 1) -> Bootstraps:
    """Random ciphertexts, the last one of corner values; one to four results of each, by different tables."""
    ciphertexts = words(seed, count, width)
    ciphertexts[-1, :-1] = np.resize(np.array(CORNERS, np.uint64), width - 1)
    # Every other corner word in its random neighbour, so that not all inputs of a ciphertext are special.
    ciphertexts[0, ::3] = np.resize(np.array(CORNERS, np.uint64), len(ciphertexts[0, ::3]))
    tables = words(seed + 1, 3, BIG) >> np.uint64(32) << np.uint64(32)
    boxes = [((3,), (0, 5, 15), (1, 2, 3, 4))[index % 3] for index in range(count)]
    return Bootstraps(ciphertexts, tables, [index * 2 % 3 for index in range(count)], boxes)


def differing(found: list[Words], expected: list[Words]) -> int:
    """How many words differ."""
    return sum(int((one != other).sum()) for one, other in zip(found, expected, strict=True))
