"""Noise squashing on the device `cpu`.

Two blocks of two bits go into one of four (TFHE-rs: `pack_block_chunk`), which a bootstrap to words modulo
2^128 turns into an LWE ciphertext of another key: value v stands there at v 2^123, with noise of 2^64.
For storage those are packed into GLWE ciphertexts of a third key, exactly, without rounding.
"""

from typing import Final

import cipherstream_kernel as kernel
import numpy as np

from streams.fhe.devices.words import Word, Words, flat
from streams.fhe.parameters import PINNED, SQUASHING

_HALVES: Final = 2  # a word of 128 bits is a pair of words, the low one first


class CpuSquashing:
    """Squashes blocks and packs what was squashed, `threads` threads to a call."""

    def __init__(
        self,
        switch: kernel.KeyswitchKey,
        squash: kernel.SquashingKey,
        pack: kernel.WidePackingKey,
        threads: int = 1,
        path: str | None = None,
    ) -> None:
        self._switch = switch
        self._squash = squash
        self._pack = pack
        self._threads = threads
        self._path = path

    def squash(self, blocks: Words) -> Words:
        """Blocks (count, 2049) below 16, their padding bit empty, to words (count, 4097, 2)."""
        words = self._squash.squash(flat(blocks), self._switch, self._threads, self._path)
        return np.frombuffer(words, np.uint64).reshape(len(blocks), SQUASHING.dimension + 1, _HALVES)

    def pack(self, squashed: Words) -> tuple[Words, ...]:
        """Packed ciphertexts of words (count, 4097, 2), each (words, 2) up to its last body."""
        most = SQUASHING.packed_most
        return tuple(self._packed(squashed[first : first + most]) for first in range(0, len(squashed), most))

    def _packed(self, squashed: Words) -> Words:
        words = self._pack.pack(flat(squashed), self._threads, self._path)
        return np.frombuffer(words, np.uint64).reshape(-1, _HALVES)[: SQUASHING.packed_mask + len(squashed)]


def paired(blocks: Words) -> Words:
    """Fresh blocks (count, 2049) below 4 in twos, the first the lower one; a last one alone stays alone."""
    low, high = blocks[::2], blocks[1::2]
    pairs = low.copy()
    pairs[: len(high)] += high * Word(1 << PINNED.message_bits)
    return pairs
