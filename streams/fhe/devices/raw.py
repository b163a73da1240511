"""Keys and ciphertexts of random words: nothing decrypts, but bits and time are those of real ones."""

from dataclasses import dataclass
from typing import Final

import cipherstream_kernel as kernel
import numpy as np

from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.randomness import Source
from streams.fhe.devices.words import flat
from streams.fhe.parameters import Parameters

TABLES: Final = 3
_HALF: Final = np.uint64(32)  # test polynomials are multiples of 2^32


@dataclass(frozen=True, eq=False)
class RawKeys:
    """The kernel's prepared keys."""

    parameters: Parameters
    switch: memoryview
    rotate: memoryview


def raw_keys(source: Source, parameters: Parameters) -> RawKeys:
    """A keyswitch and a bootstrap key of a set of the kernel's shape."""
    small, big = parameters.lwe_dimension, parameters.big_dimension
    rows = flat(source.uniform((big * parameters.ks.level * (small + 1),)))
    switch = kernel.KeyswitchKey.prepare(rows, small, parameters.ks.level)
    rotate = kernel.BootstrapKey.prepare(flat(source.uniform((small * 4 * big,))), small)
    return RawKeys(parameters, memoryview(switch.to_bytes()), memoryview(rotate.to_bytes()))


def raw_batch(source: Source, parameters: Parameters, count: int) -> Bootstraps:
    """Ciphertexts under the big key, each with its own number of results."""
    ciphertexts = source.uniform((count, parameters.big_dimension + 1))
    tables = source.uniform((TABLES, parameters.polynomial_size)) >> _HALF << _HALF
    boxes = [((3,), (0, 5, 15), (1, 2, 3, 4))[index % 3] for index in range(count)]
    return Bootstraps(ciphertexts, tables, [index * 2 % TABLES for index in range(count)], boxes)
