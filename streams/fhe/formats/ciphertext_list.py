"""Stored ciphertexts: TFHE-rs's `CompressedCiphertextList` of one element, as its release 1.6.3 writes it.

The blocks of a number are packed, up to 256 of them, into the coefficients of one GLWE ciphertext, whose
words are rounded to 12 bits and written one after another without gaps (`devices/packing`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.domain.errors import KeyMaterialError, OperationError
from streams.domain.operations import FheType
from streams.fhe.devices.packing import Rounded
from streams.fhe.formats import seeded
from streams.fhe.formats.cursor import Cursor
from streams.fhe.formats.written import empty_tag, header, marks, native_modulus, u64, wrapped
from streams.fhe.parameters import COMPRESSION, WORD_BITS
from streams.fhe.radix.block import MESSAGE_BITS
from streams.fhe.radix.operations import blocks_of

# Written by the crate in front of every safely serialised object: a key or a squashed list that stands in a
# ciphertext's place is told by it.
_NAME: Final = "high_level_api::CompressedCiphertextList"
_MODULUS: Final = 4
# The crate's enum has signed integers (1) and strings between and after them; the protocol stores neither.
_UNSIGNED, _BOOLEAN = 0, 2  # variants of the element's kind


@dataclass(frozen=True)
class PackedNumber:
    """A stored number: its blocks in rounded GLWE ciphertexts."""

    is_bool: bool
    blocks: int
    glwes: tuple[Rounded, ...]  # each k N words of mask, then a word per block

    def require(self, fhe_type: FheType) -> None:
        """Refuse a number of another type; raises OperationError."""
        # A handle says the type and the bytes say one too. A caller that trusted the handle would compute
        # on blocks that are not there.
        if self.is_bool != (fhe_type == FheType.BOOL) or self.blocks != blocks_of(fhe_type):
            kind = "a flag" if self.is_bool else f"a number of {self.blocks * MESSAGE_BITS} bits"
            raise OperationError(f"the ct64 is {kind}, expected is {fhe_type.name}")


def read_number(ct64: bytes) -> PackedNumber:
    """The one element of a list.

    Raises:
        OperationError: it is not a list of one number that the operators store.
    """
    cursor = Cursor(memoryview(ct64))
    try:
        return _parsed(cursor)
    # The cursor speaks of key sets. Here it is an operand that is wrong, so it must cost the operation
    # only: KeyMaterialError would stop the worker.
    except KeyMaterialError as error:
        raise OperationError(f"ct64 does not decode: {error}") from error


def write_number(number: PackedNumber) -> bytes:
    """The list of one element, the bytes that TFHE-rs writes."""
    # The order below is `_parsed`'s: a change in one is a change in the other, and a test writes what it
    # read.
    body = b"".join(map(_glwe_bytes, number.glwes))
    return b"".join((
        header(_NAME),
        marks(3, 0, 2), u64(len(number.glwes)), body,
        b"\1", marks(0), native_modulus(), wrapped(_MODULUS), wrapped(_MODULUS), marks(0, 0, 0, 0),
        wrapped(COMPRESSION.polynomial_size),
        u64(1), written_kind(number.is_bool, number.blocks),
        empty_tag(),
        u64(1), empty_tag(),
    ))  # fmt: skip


def written_kind(is_bool: bool, blocks: int) -> bytes:
    """What an element of a list is: a flag, or a number of so many blocks."""
    return marks(1, _BOOLEAN) if is_bool else marks(1, _UNSIGNED) + u64(blocks)


def _parsed(cursor: Cursor) -> PackedNumber:
    cursor.text("0.5")  # of safe serialisation
    cursor.marks(0)
    cursor.text("0.1")  # of versioning
    cursor.text(_NAME)
    cursor.marks(3, 0, 2)
    # At most one packed ciphertext per block. The bound is checked before anything of that size is
    # allocated.
    glwes = tuple(_glwe(cursor) for _ in range(cursor.bounded(FheType.UINT2048.bits)))
    cursor.present()
    cursor.marks(0)
    seeded.native_modulus(cursor)
    cursor.wrapped(_MODULUS)  # of a message
    cursor.wrapped(_MODULUS)  # of a carry
    cursor.marks(0, 0, 0, 0)  # keyswitch, then bootstrap
    cursor.wrapped(COMPRESSION.polynomial_size)
    is_bool, blocks = _kind(cursor)
    cursor.marks(0)
    cursor.raw()  # the tag, which names a key and changes nothing
    cursor.exactly(1)
    cursor.marks(0)
    cursor.raw()  # what re-randomisation hashes besides the ciphertext
    cursor.end()
    # Two counts say the same thing in different places of the file; a forged one must not make the loader
    # read blocks that nobody packed.
    if sum(len(glwe) - COMPRESSION.dimension for glwe in glwes) != blocks:
        raise KeyMaterialError("the number of blocks is not that of the packed ciphertexts")
    return PackedNumber(is_bool, blocks, glwes)


def _kind(cursor: Cursor) -> tuple[bool, int]:
    cursor.exactly(1)
    cursor.marks(1)
    variant = cursor.u32()
    if variant == _BOOLEAN:
        return True, 1
    if variant != _UNSIGNED:
        raise KeyMaterialError(f"an element of kind {variant}, not an unsigned number")
    return False, cursor.bounded(FheType.UINT2048.bits)


def _glwe(cursor: Cursor) -> Rounded:
    cursor.marks(0, 0)
    place = cursor.at
    packed = cursor.words_up_to(_packed_words(COMPRESSION.polynomial_size))
    cursor.wrapped(COMPRESSION.storage_log2)
    # How many numbers of 12 bits lie in the words, which have no gaps: it cannot be told from the words'
    # count, since the last word is filled up.
    count = cursor.bounded(COMPRESSION.dimension + COMPRESSION.polynomial_size)
    cursor.wrapped(COMPRESSION.glwe_dimension)
    cursor.wrapped(COMPRESSION.polynomial_size)
    bodies = cursor.wrapped()
    seeded.native_modulus(cursor)
    if count != COMPRESSION.dimension + bodies or len(packed) != _packed_words(bodies):
        raise KeyMaterialError(f"the counts of the packed ciphertext at byte {place} do not agree")
    return unpack_bits(packed, count)


def _packed_words(bodies: int) -> int:
    # 12 does not divide 64: numbers cross words, so everything goes through single bits.
    bits = (COMPRESSION.dimension + bodies) * COMPRESSION.storage_log2
    return -(-bits // WORD_BITS)


def unpack_bits(packed: NDArray[np.uint64], count: int) -> Rounded:
    """The first `count` numbers of 12 bits, lowest bits first."""
    width = COMPRESSION.storage_log2
    # (words * 64,) bits, lowest first, to (count, 12), to one number per row
    bits = np.unpackbits(np.ascontiguousarray(packed).view(np.uint8), bitorder="little")
    digits = bits[: count * width].reshape(count, width).astype(np.uint16)
    return digits @ (np.uint16(1) << np.arange(width, dtype=np.uint16))


def pack_bits(numbers: Rounded) -> bytes:
    """The inverse, filled up to whole words."""
    width = COMPRESSION.storage_log2
    bits = (numbers[:, None] >> np.arange(width, dtype=np.uint16)) & np.uint16(1)
    packed = np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little").tobytes()
    # the crate writes words of 64 bits; what is left of the last one is zero
    return packed + bytes(-len(packed) % (WORD_BITS // 8))


def _glwe_bytes(glwe: Rounded) -> bytes:
    packed = pack_bits(glwe)
    bodies = len(glwe) - COMPRESSION.dimension
    return b"".join((
        marks(0, 0), u64(len(packed) // 8), packed, wrapped(COMPRESSION.storage_log2), u64(len(glwe)),
        wrapped(COMPRESSION.glwe_dimension), wrapped(COMPRESSION.polynomial_size), wrapped(bodies),
        native_modulus(),
    ))  # fmt: skip
