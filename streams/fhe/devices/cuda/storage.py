"""Compression and decompression on the device `cuda`."""

from collections.abc import Sequence

import numpy as np

from streams.fhe.devices import packing
from streams.fhe.devices.cuda import operations, sizes
from streams.fhe.devices.cuda.device import SENT_MAX, parts_of
from streams.fhe.devices.cuda.fleet import Fleet, Seat
from streams.fhe.devices.cuda.keys import FACTORS, RotationKey, SwitchKey
from streams.fhe.devices.cuda.operations import Reads
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters


class CudaStorage:
    """Blocks of stored numbers, each call on the next GPU."""

    def __init__(
        self, parameters: Parameters, fleet: Fleet, pack: SwitchKey, unpack: RotationKey, part: int = SENT_MAX
    ) -> None:
        """Of a large batch, `part` ciphertexts are decompressed at a time."""
        self._fleet = fleet
        self._pack = pack
        self._unpack = unpack
        self._part = part
        self._table = packing.digit_polynomial(parameters)

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        """The stored words of a number's blocks (count, k N + 1), below 4 and of any noise in budget."""
        return packing.compressed(blocks, self._packed)

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        """Fresh ciphertexts (blocks of it, k N + 1) of each packed ciphertext, all in one batch."""
        return packing.decompressed(glwes, self._unpacked)

    def _packed(self, scaled: Words) -> Words:
        seat = self._fleet.next()
        with seat.working(sizes.packing_bytes(len(scaled), self._pack.words), self._pack):
            return operations.pack(seat, self._pack, scaled)

    def _unpacked(self, amounts: Rounded) -> Words:
        parts = [amounts[part] for part in parts_of(len(amounts), self._part)]
        return np.concatenate([self._unpacked_on(self._fleet.next(), part) for part in parts])

    def _unpacked_on(self, seat: Seat, amounts: Rounded) -> Words:
        count = len(amounts)
        reads = Reads(self._table, [0] * count, [(0,)] * count)  # the constant term of each
        due = sizes.rotation_bytes(count, self._unpack.dimension, 1, count)
        with seat.working(due, self._unpack, FACTORS):
            return operations.rotate(seat, self._unpack, seat.gpu.upload(amounts), reads)
