"""Compression and decompression on the device `cuda`."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from streams.fhe.devices import packing
from streams.fhe.devices.cuda import operations, sizes
from streams.fhe.devices.cuda.device import PART
from streams.fhe.devices.cuda.fleet import Fleet, Seat
from streams.fhe.devices.cuda.keys import RotationKey, SwitchKey
from streams.fhe.devices.cuda.operations import Reads
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.words import Words
from streams.fhe.parameters import COMPRESSION, Parameters


class CudaStorage:
    """Blocks of stored numbers, each call on the next GPU."""

    def __init__(self, parameters: Parameters, fleet: Fleet, pack: SwitchKey, unpack: RotationKey) -> None:
        self._fleet = fleet
        self._pack = pack
        self._unpack = unpack
        self._table = packing.digit_polynomial(parameters)

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        """The stored words of a number's blocks (count, k N + 1), all fresh and below 4."""
        size = COMPRESSION.polynomial_size
        return tuple(self._packed(blocks[first : first + size]) for first in range(0, len(blocks), size))

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        """Fresh ciphertexts (blocks of it, k N + 1) of each packed ciphertext, all in one batch."""
        rows = [packing.exponents(glwe) for glwe in glwes]
        amounts = np.concatenate(rows)
        parts = [amounts[first : first + PART] for first in range(0, len(amounts), PART)]
        words = np.concatenate([self._unpacked(self._fleet.next(), part) for part in parts])
        return np.split(words, list(accumulate(map(len, rows)))[:-1])

    def _packed(self, blocks: Words) -> Rounded:
        seat = self._fleet.next()
        with seat.memory.reserved(sizes.packing_bytes(len(blocks), self._pack.words)):
            packed = operations.pack(seat, self._pack, packing.scaled(blocks))
        return packing.rounded(packed, len(blocks))

    def _unpacked(self, seat: Seat, amounts: Rounded) -> Words:
        count = len(amounts)
        reads = Reads(self._table, [0] * count, [(0,)] * count)  # the constant term of each
        with seat.memory.reserved(sizes.rotation_bytes(count, self._unpack.dimension, 1, count)):
            return operations.rotate(seat, self._unpack, seat.gpu.upload(amounts), reads)
