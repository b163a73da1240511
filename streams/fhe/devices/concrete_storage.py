"""Compression and decompression on the device `concrete`."""

from collections.abc import Sequence

import numpy as np

from streams.fhe.devices import packing
from streams.fhe.devices.concrete_rotation import Rotation
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.packing_key_switch import PackingKey
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters


class ConcreteStorage:
    """Blocks of stored numbers: unpacked by the library, packed by NumPy, for it has no such keyswitch."""

    def __init__(self, parameters: Parameters, pack: PackingKey, unpack: Rotation) -> None:
        self._pack = pack
        self._unpack = unpack
        (self._table,) = packing.digit_polynomial(parameters)

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        """The stored words of a number's blocks (count, k N + 1), below 4 and of any noise in budget."""
        return packing.compressed(blocks, self._pack.pack)

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        """Fresh ciphertexts (blocks of it, k N + 1) of each packed ciphertext, all in one batch."""
        return packing.decompressed(glwes, self._unpacked)

    def _unpacked(self, amounts: Rounded) -> Words:
        # Stored words are exponents already: nothing is switched before the rotation.
        rows = amounts.astype(np.int64)
        return np.concatenate([self._unpack.boxes(row, self._table, (0,)) for row in rows])
