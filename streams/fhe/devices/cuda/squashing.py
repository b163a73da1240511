"""Noise squashing on GPUs: the words of the CPU. It was never run on a GPU.

A rotation is three kernels for each step (`squashing.cu`), over as many ciphertexts as the GPU's second level
cache holds, so that what one kernel hands to the next seldom travels to memory.
"""

from typing import Final

import numpy as np

from streams.domain.errors import ConfigurationError
from streams.fhe.devices.cuda import operations, sizes, squash_operations
from streams.fhe.devices.cuda.fleet import Fleet, Seat
from streams.fhe.devices.cuda.keys import FACTORS, SquashKey, SwitchKey, WideKey
from streams.fhe.devices.cuda.squash_operations import HALVES
from streams.fhe.devices.words import Words
from streams.fhe.parameters import SQUASHING

# Ciphertexts together: 35 MB of accumulators and transformed polynomials, in a cache of 40 MB and more.
SQUASHED_MAX: Final = 128


class CudaSquashing:
    """Squashes blocks and packs what was squashed, each batch on the next GPU."""

    def __init__(self, fleet: Fleet, switch: SwitchKey, squash: SquashKey, pack: WideKey) -> None:
        """Raises ConfigurationError if two keys are not of one small key."""
        if switch.words != squash.dimension + 1:
            raise ConfigurationError(
                f"the keyswitch is to n = {switch.words - 1}, squashing from n = {squash.dimension}"
            )
        self._fleet = fleet
        self._switch = switch
        self._squash = squash
        self._pack = pack

    def squash(self, blocks: Words) -> Words:
        """Blocks (count, 2049) below 16, their padding bit empty, to words (count, 4097, 2).

        Raises:
            DeviceExhausted: a GPU has too little memory, or others hold it for long.
        """
        parts = (blocks[first : first + SQUASHED_MAX] for first in range(0, len(blocks), SQUASHED_MAX))
        none = np.empty((0, SQUASHING.dimension + 1, HALVES), np.uint64)
        return np.concatenate([none, *(self._squashed(self._fleet.next(), part) for part in parts)])

    def pack(self, squashed: Words) -> tuple[Words, ...]:
        """Packed ciphertexts of words (count, 4097, 2), each (words, 2) up to its last body.

        Raises:
            ValueError: more of them than a polynomial of the key has coefficients.
            DeviceExhausted: as above.
        """
        most = SQUASHING.packed_most
        parts = (squashed[first : first + most] for first in range(0, len(squashed), most))
        return tuple(self._packed(self._fleet.next(), part) for part in parts)

    def _squashed(self, seat: Seat, blocks: Words) -> Words:
        count, dimension = len(blocks), self._squash.dimension
        due = sizes.squashing_bytes(count, self._switch.words)
        with seat.working(due, self._switch, self._squash, FACTORS):
            small = operations.keyswitch(seat, self._switch, blocks)
            amounts = operations.switch_modulus(seat, small, dimension, count)
            return squash_operations.rotate(seat, self._squash, amounts, count)

    def _packed(self, seat: Seat, squashed: Words) -> Words:
        count, most = len(squashed), self._pack.polynomial_size
        if count > most:
            raise ValueError(f"{count} ciphertexts, {most} fit into a polynomial")
        with seat.working(sizes.wide_packing_bytes(count, self._pack.columns), self._pack):
            return squash_operations.pack(seat, self._pack, squashed)[: SQUASHING.packed_mask + count]
