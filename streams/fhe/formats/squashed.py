"""Squashed ciphertexts as TFHE-rs 1.6.3 writes them: a list of one compressed element, or the bare element.

Compression does not round: a packed ciphertext keeps whole words of 128 bits, so that the noise stays as it
was squashed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.fhe.devices.words import Words
from streams.fhe.formats.ciphertext_list import written_kind
from streams.fhe.formats.written import empty_tag, header, marks, native_modulus, u64, wrapped
from streams.fhe.parameters import SQUASHING, WIDE_BITS

_LIST: Final = "high_level_api::CompressedSquashedNoiseCiphertextList"
_NUMBER: Final = "high_level_api::SquashedNoiseFheUint"
_FLAG: Final = "high_level_api::SquashedNoiseFheBool"
_MODULUS: Final = 4  # of a message, and of a carry
_DEGREE_MAX: Final = 15  # of two blocks in one


@dataclass(frozen=True)
class Squashed:
    """A squashed number: what it was, and its words as pairs of u64, the low one first."""

    is_bool: bool
    blocks: int  # of two bits, before two were put into one
    rows: tuple[Words, ...]  # each of shape (words, 2): packed ciphertexts for a list, else LWE ciphertexts


def write_list(number: Squashed) -> bytes:
    """The list of one element; its rows are packed ciphertexts, cut behind their last body."""
    return b"".join((
        header(_LIST), marks(0, 0, 0), u64(len(number.rows)), *map(_packed, number.rows),
        b"\1", marks(0), wrapped(_MODULUS), wrapped(_MODULUS), wrapped(SQUASHING.packed_most),
        u64(1), written_kind(number.is_bool, number.blocks),
        empty_tag(),
    ))  # fmt: skip


def write_bare(number: Squashed) -> bytes:
    """The element itself; its rows are LWE ciphertexts."""
    if number.is_bool:
        return b"".join((header(_FLAG), marks(1, 0, 0), _block(number.rows[0], 1), _ending()))
    body = _blocks(number.rows) + u64(number.blocks)
    return b"".join((header(_NUMBER), marks(1, 0, 0), body, _ending()))


def _packed(words: Words) -> bytes:
    bodies = len(words) - SQUASHING.packed_dimension * SQUASHING.packed_size
    return b"".join((
        marks(0, 0), u64(len(words)), words.tobytes(), wrapped(WIDE_BITS), u64(len(words)),
        wrapped(SQUASHING.packed_dimension), wrapped(SQUASHING.packed_size), wrapped(bodies),
        native_modulus(WIDE_BITS),
    ))  # fmt: skip


def _blocks(rows: Sequence[Words]) -> bytes:
    return u64(len(rows)) + b"".join(_block(words, _DEGREE_MAX) for words in rows)


def _block(words: Words, degree: int) -> bytes:
    return b"".join((
        marks(0, 0), u64(len(words)), words.tobytes(), native_modulus(WIDE_BITS),
        wrapped(degree), wrapped(_MODULUS), wrapped(_MODULUS),
    ))  # fmt: skip


def _ending() -> bytes:
    # as computed, not taken from a list; a tag that names no key
    return marks(0, 0) + empty_tag()
