"""Bytes that an operation takes on the GPU beside the keys, from which it is reserved."""

from typing import Final

from streams.fhe.parameters import PINNED, SQUASHING

SHARE: Final = 32  # ciphertexts of a warp in a keyswitch: its digits are padded to them
UNIT: Final = 512  # the allocator rounds up to it
WORD: Final = 8
BIG_LWE_BYTES: Final = WORD * (PINNED.big_dimension + 1)
DIGIT_BYTES: Final = 4 * PINNED.big_dimension  # of a ciphertext: four digits of a byte for each word
TABLE_BYTES: Final = 4 * PINNED.polynomial_size

# Of a ciphertext that is squashed: words of 84 bits in two parts, transformed limbs, 128 bits for a result.
COLUMNS: Final = SQUASHING.glwe_dimension + 1
HIGH_BYTES: Final = 8 * COLUMNS * SQUASHING.polynomial_size
LOW_BYTES: Final = 4 * COLUMNS * SQUASHING.polynomial_size
LIMBS: Final = 4  # of a key word (`native/kernel/src/squash/limbs.rs`)
AREA_BYTES: Final = LIMBS * COLUMNS * 16 * (SQUASHING.polynomial_size // 2)
WIDE_WORD: Final = 16
SQUASHED_BYTES: Final = WIDE_WORD * (SQUASHING.dimension + 1)
WIDE_SHARE: Final = 8  # ciphertexts of a thread in the packing of squashed ones: digits are padded to them
WIDE_DIGITS_BYTES: Final = WORD * SQUASHING.dimension * WIDE_SHARE  # of a share


def keyswitch_bytes(batch: int, words: int) -> int:
    """Ciphertexts in, digits, ciphertexts of `words` words out."""
    shares = -(-batch // SHARE)
    return _sum(batch * BIG_LWE_BYTES, shares * SHARE * DIGIT_BYTES, batch * words * WORD)


def rotation_bytes(batch: int, dimension: int, tables: int, reads: int) -> int:
    """Amounts, tables, the choice of tables, reads, ciphertexts out."""
    amounts = 2 * batch * (dimension + 1)
    choices = (4 * batch, 4 * (batch + 1), 4 * reads)
    return _sum(amounts, tables * TABLE_BYTES, *choices, reads * BIG_LWE_BYTES)


def switch_bytes(batch: int, dimension: int) -> int:
    """Small ciphertexts in; their amounts belong to the rotation."""
    return _sum(batch * (dimension + 1) * WORD)


def squashing_bytes(batch: int, words: int) -> int:
    """A keyswitch to `words` words, amounts, accumulators, transformed polynomials, ciphertexts out."""
    accumulators = (batch * HIGH_BYTES, batch * LOW_BYTES)
    rotation = _sum(2 * batch * words, *accumulators, batch * AREA_BYTES, batch * SQUASHED_BYTES)
    return keyswitch_bytes(batch, words) + rotation


def packing_bytes(count: int, words: int) -> int:
    """A keyswitch to `words` words and their sum."""
    return keyswitch_bytes(count, words) + _sum(words * WORD)


def wide_packing_bytes(count: int, columns: int) -> int:
    """Squashed ciphertexts in, digits, switched ciphertexts of `columns` words, their sum."""
    shares = -(-count // WIDE_SHARE)
    words = (count * columns * WIDE_WORD, columns * WIDE_WORD)
    return _sum(count * SQUASHED_BYTES, shares * WIDE_DIGITS_BYTES, *words)


def _sum(*sizes: int) -> int:
    return sum(-(-size // UNIT) * UNIT for size in sizes)
