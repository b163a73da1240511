"""Bytes that an operation takes on the GPU beside the keys, from which it is reserved."""

from typing import Final

from streams.fhe.parameters import PINNED

SHARE: Final = 32  # ciphertexts of a warp in a keyswitch: its digits are padded to them
UNIT: Final = 512  # the allocator rounds up to it
WORD: Final = 8
BIG_LWE_BYTES: Final = WORD * (PINNED.big_dimension + 1)
DIGIT_BYTES: Final = 4 * PINNED.big_dimension  # of a ciphertext: four digits of a byte for each word
TABLE_BYTES: Final = 4 * PINNED.polynomial_size


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


def packing_bytes(count: int, words: int) -> int:
    """A keyswitch to `words` words and their sum."""
    return keyswitch_bytes(count, words) + _sum(words * WORD)


def _sum(*sizes: int) -> int:
    return sum(-(-size // UNIT) * UNIT for size in sizes)
