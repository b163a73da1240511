"""Storing ciphertexts: many LWE ciphertexts in one GLWE ciphertext with short words, and back.

Compression: each LWE ciphertext under the big key is switched into one coefficient of a GLWE ciphertext of
another key (`native/kernel`: packing keyswitch), whose words are rounded to 12 bits, exactly 2 N of the
blind rotation. Decompression: coefficient i is extracted as an LWE ciphertext modulo 2 N, which a blind
rotation turns into a fresh ciphertext under the big key: the rounding's noise disappears with it (TFHE-rs:
`shortint/list_compression`).

A block of two bits is packed at four times its scale: the carry bits are empty, so that the rounding has
four bits more room.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.fhe.devices.encoding import encode
from streams.fhe.devices.glwe import sample_extract_first
from streams.fhe.devices.lookup_table import boxed
from streams.fhe.devices.words import Word, Words
from streams.fhe.parameters import COMPRESSION, WORD_BITS, Parameters

Rounded = NDArray[np.uint16]  # words modulo 2 N = 4096

# The two fours are not the same number: one counts values, the other is the factor that lifts two message
# bits to the top of the four-bit space. The crate does both (`COMPRESSION` has its parameters).
DIGITS: Final = 4  # values of a stored block
SCALE: Final = 4  # by which a block is multiplied before it is packed
_SHIFT: Final = WORD_BITS - COMPRESSION.storage_log2


def scaled(blocks: Words) -> Words:
    """What is packed: LWE ciphertexts (count, k N + 1) of values below 4, at their stored scale."""
    # Delta = 2^59 becomes 2^61: values 0 to 3 lie a quarter of half a turn apart, the padding bit stays 0.
    # The noise is four times as large too, but the rounding to 2^52, which comes after, is not.
    return blocks * Word(SCALE)


def rounded(packed: Words, count: int) -> Rounded:
    """The words of a packed GLWE ciphertext (k + 1, N) that are stored for `count` blocks, rounded."""
    # All k N mask words are needed for each block; of the body only the coefficients that hold one. That is
    # what makes a Bool nearly as large as a number.
    kept = packed.reshape(-1)[: COMPRESSION.dimension + count]
    return ((kept + Word(1 << (_SHIFT - 1))) >> Word(_SHIFT)).astype(np.uint16)


def blocks_in(stored: Rounded) -> int:
    """How many blocks lie in the stored words of a packed ciphertext."""
    return len(stored) - COMPRESSION.dimension


def exponents(stored: Rounded) -> Rounded:
    """Stored words as exponents of blind rotations: one row (k N + 1,) for each block."""
    bodies = blocks_in(stored)
    size = COMPRESSION.polynomial_size
    glwe = np.zeros((COMPRESSION.glwe_dimension + 1) * size, np.uint16)
    # Bodies that were not stored are zeros: no block lies there and none is extracted.
    glwe[: len(stored)] = stored
    # What is negated there modulo 2^16 is so modulo 2N, which divides it.
    return sample_extract_first(glwe.reshape(-1, size), bodies) % np.uint16(1 << COMPRESSION.storage_log2)


def compressed(blocks: Words, pack: Callable[[Words], Words]) -> tuple[Rounded, ...]:
    """The stored words of a number's blocks.

    Args:
        blocks: (count, k N + 1), below 4 and of any noise in budget.
        pack: a device's packing keyswitch, of scaled blocks to a GLWE ciphertext (k' + 1, N').
    """
    # A packed ciphertext holds N' = 256 blocks. The widest type of the protocol has 128 (Uint256), so
    # contracts' numbers take one; the library's Uint2048 takes four.
    size = COMPRESSION.polynomial_size
    parts = [blocks[first : first + size] for first in range(0, len(blocks), size)]
    # coefficient i of the packed body is block i
    return tuple(rounded(pack(scaled(part)), len(part)) for part in parts)


def decompressed(glwes: Sequence[Rounded], rotate: Callable[[Rounded], Words]) -> list[Words]:
    """Fresh ciphertexts (blocks of it, k N + 1) of each packed ciphertext, all in one batch.

    Args:
        glwes: stored words.
        rotate: a device's bootstrap, of exponents (count, k' N' + 1) to ciphertexts (count, k N + 1).
    """
    # A packed ciphertext is taken apart without a key, only the rotation after it needs one.
    rows = [exponents(glwe) for glwe in glwes]
    return np.split(rotate(np.concatenate(rows)), list(accumulate(map(len, rows)))[:-1])


def digit_polynomial(parameters: Parameters) -> Words:
    """The test polynomial (1, N) that maps a stored digit to itself at the scale of blocks."""
    # Boxes are N / 4 coefficients here, four times as wide as a look-up's: the rounding's noise needs the
    # room. The results come at the scale of blocks, Delta.
    digits = np.arange(DIGITS, dtype=np.int64)
    return boxed(encode(parameters, digits[None]), parameters.polynomial_size)
