"""Bytes of the two objects of a value, as their formats are written: alike for all values of a type."""

import numpy as np

from streams.domain.operations import FheType
from streams.fhe.devices.words import Words
from streams.fhe.formats.ciphertext_list import PackedNumber, write_number
from streams.fhe.formats.squashed import Squashed, write_list
from streams.fhe.parameters import COMPRESSION, SQUASHING
from streams.fhe.radix.operations import blocks_of


def stored_bytes(fhe_type: FheType) -> int:
    """A compressed ciphertext, ct64: in Postgres, in messages and in the object store."""
    blocks = blocks_of(fhe_type)
    packed = np.zeros(COMPRESSION.dimension + blocks, np.uint16)
    return len(write_number(PackedNumber(fhe_type == FheType.BOOL, blocks, (packed,))))


def squashed_bytes(fhe_type: FheType) -> int:
    """A squashed and compressed one, ct128 of format 11: in the object store alone."""
    blocks = blocks_of(fhe_type)
    bodies = -(-blocks // 2)  # two blocks were put into one
    packed: Words = np.zeros((SQUASHING.packed_dimension * SQUASHING.packed_size + bodies, 2), np.uint64)
    return len(write_list(Squashed(fhe_type == FheType.BOOL, blocks, (packed,))))
