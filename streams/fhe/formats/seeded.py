"""Seeded keys: rows of which a file has only the bodies."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.domain.errors import KeyMaterialError
from streams.fhe.devices.words import Words
from streams.fhe.formats.cursor import Cursor
from streams.fhe.formats.mask_stream import BLOCK_BYTES, MaskStart
from streams.fhe.parameters import Gadget

_HALVES: Final = 2  # a word of 128 bits is a pair of words, the low one first, and one block of the cipher


@dataclass(frozen=True)
class SeededRows:
    """Rows of `mask` words, drawn from `start` in order, each followed by its `bodies`."""

    mask: int  # words of a row's mask
    bodies: Words  # (rows, words of a body)
    start: MaskStart

    def expanded(self) -> Words:
        """The rows, shape (rows, mask + body)."""
        # Row by row, mask then body: key generation drew the masks in the order of rows, with nothing
        # between.
        count = len(self.bodies)
        masks = self.start.words(count * self.mask).reshape(count, self.mask)
        return np.concatenate([masks, self.bodies], axis=-1)


@dataclass(frozen=True)
class WideRows:
    """Rows of 128-bit words: too many to be expanded at once."""

    mask: int  # words of a row's mask
    bodies: Words  # (rows, words of a body, 2)
    start: MaskStart

    def expanded(self, first: int, count: int) -> Words:
        """Some rows, shape (count, mask + body, 2)."""
        masks = self.start.after(first * self.mask).words(count * self.mask * _HALVES)
        bodies = self.bodies[first : first + count]
        return np.concatenate([masks.reshape(len(bodies), self.mask, _HALVES), bodies], axis=1)


def read_keyswitch(cursor: Cursor, inputs: int, gadget: Gadget, dimension: int) -> SeededRows:
    """A key from `inputs` bits to an LWE key; rows by input, then level, the least significant first."""
    # An LWE body is one word: (inputs * level, 1)
    bodies = cursor.words(inputs * gadget.level)
    _gadget(cursor, gadget)
    # the crate states sizes, which count the body: n + 1
    cursor.wrapped(dimension + 1)
    return SeededRows(dimension, bodies.reshape(-1, 1), _start(cursor))


def read_bootstrap(cursor: Cursor, inputs: int, gadget: Gadget, glwe: tuple[int, int]) -> SeededRows:
    """GGSW ciphertexts of `inputs` bits under a GLWE key (k, N); rows in the order (bit, level, k + 1)."""
    dimension, size = glwe
    # a row of a GGSW ciphertext is a GLWE ciphertext, of which the file has the body polynomial (N,)
    bodies = cursor.words(inputs * gadget.level * (dimension + 1) * size)
    cursor.wrapped(dimension + 1)
    cursor.wrapped(size)
    _gadget(cursor, gadget)
    return SeededRows(dimension * size, bodies.reshape(-1, size), _start(cursor))


def read_packing(cursor: Cursor, inputs: int, gadget: Gadget, glwe: tuple[int, int]) -> SeededRows:
    """A key from `inputs` bits to a GLWE key (k, N); rows in the order (input, level)."""
    dimension, size = glwe
    # as a keyswitch, but each row is a GLWE ciphertext: the input lands in the constant coefficient
    bodies = cursor.words(inputs * gadget.level * size)
    _gadget(cursor, gadget)
    cursor.wrapped(dimension + 1)
    cursor.wrapped(size)
    return SeededRows(dimension * size, bodies.reshape(-1, size), _start(cursor))


def read_public(cursor: Cursor, dimension: int) -> SeededRows:
    """A compact public key: one GLWE encryption of zero with one mask polynomial."""
    bodies = cursor.words(dimension)
    # a GLWE ciphertext of one mask polynomial and a body
    cursor.wrapped(2)
    return SeededRows(dimension, bodies.reshape(1, -1), _start(cursor))


def read_wide_bootstrap(cursor: Cursor, inputs: int, gadget: Gadget, glwe: tuple[int, int]) -> WideRows:
    """A bootstrap key of 128-bit words; rows in the order (bit, level, k + 1)."""
    dimension, size = glwe
    bodies = cursor.wide_words(inputs * gadget.level * (dimension + 1) * size)
    cursor.wrapped(dimension + 1)
    cursor.wrapped(size)
    _gadget(cursor, gadget)
    return WideRows(dimension * size, bodies.reshape(-1, size, _HALVES), _start(cursor, bits=128))


def read_wide_packing(cursor: Cursor, inputs: int, gadget: Gadget, glwe: tuple[int, int]) -> WideRows:
    """A packing key of 128-bit words; rows in the order (input, level)."""
    dimension, size = glwe
    bodies = cursor.wide_words(inputs * gadget.level * size)
    _gadget(cursor, gadget)
    cursor.wrapped(dimension + 1)
    cursor.wrapped(size)
    return WideRows(dimension * size, bodies.reshape(-1, size, _HALVES), _start(cursor, bits=128))


def native_modulus(cursor: Cursor, bits: int = 64) -> None:
    """The modulus 2^bits, which is written as 0 of that width."""
    cursor.marks(0)
    place = cursor.at
    if (cursor.u128(), cursor.u64()) != (0, bits):
        raise KeyMaterialError(f"the key set has another modulus than 2^{bits} at byte {place}")


def _gadget(cursor: Cursor, gadget: Gadget) -> None:
    cursor.wrapped(gadget.base_log)
    cursor.wrapped(gadget.level)


def _start(cursor: Cursor, bits: int = 64) -> MaskStart:
    cursor.marks(1, 0, 0)  # CompressionSeed, parameters of the cipher, kind of seed
    is_key = not cursor.choice(2)  # the cipher's key (0), or extensible (1)
    cursor.marks(0)
    seed = bytes(cursor.taken(BLOCK_BYTES) if is_key else cursor.raw())
    cursor.marks(0, 0)  # TableIndex, AesIndex
    block = cursor.u128()
    byte = cursor.wrapped()
    native_modulus(cursor, bits)
    return MaskStart(seed, block, byte, is_key)
