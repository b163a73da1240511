"""LWE ciphertexts that nobody encrypted: what random numbers are made of.

A mask drawn from a public seed, without a body, has a phase that is uniform over the turn and that only the
key's owner can compute (oblivious pseudo-random generation). The masks are those of TFHE-rs 1.6
(`shortint/oprf`), so that a seed stands for the same phases there, and for the same numbers. They are made
under the small key and modulo 2N at once: there is nothing to switch, and no noise.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

import numpy as np

from streams.fhe.devices.encoding import encode_halves
from streams.fhe.devices.words import Word, Words
from streams.fhe.formats.mask_stream import WORD_BYTES, MaskStart
from streams.fhe.parameters import WORD_BITS, Parameters

_DOMAIN: Final = b"TFHE_PRF"  # of the hash
_STREAM: Final = b"PRF_INIT"  # of the masks' cipher
_SEED_BYTES: Final = 16
_EXPONENT_BYTES: Final = 2  # that are drawn for one of up to 16 bits; the pinned set's have 12


def seeded_ciphertexts(parameters: Parameters, seed: bytes, bits: int) -> Words:
    """Ciphertexts of uniform phase for a number, under the small key, shape (blocks, n + 1).

    Args:
        parameters: of the key set.
        seed: big-endian; its last 16 bytes count.
        bits: of the number; a block is drawn for `message_bits` of them, and one for what is left.
    """
    groups = list(_groups(parameters, bits))
    shape = (sum(count for count, _ in groups), parameters.lwe_dimension)
    # A word of the mask is a whole step of the rotation: the modulus switch has nothing to round.
    exponents = _drawn(_key(seed, groups), shape) & Word(2 * parameters.polynomial_size - 1)
    masks = exponents << Word(WORD_BITS - parameters.rotation_log2)
    # Our boxes begin half a box before their value (`lookup_table`), those of TFHE-rs's random numbers at it:
    # the body makes up for it. A random body would add nothing, <a, s> is uniform for every key but zero.
    bodies = np.broadcast_to(encode_halves(parameters, np.array([-1])), (len(masks), 1))
    return np.concatenate([masks, bodies], axis=-1)


def _groups(parameters: Parameters, bits: int) -> Iterator[tuple[int, int]]:
    """How many blocks of how many bits."""
    whole, rest = divmod(bits, parameters.message_bits)
    if whole:
        yield whole, parameters.message_bits
    if rest:
        yield 1, rest


def _key(seed: bytes, groups: list[tuple[int, int]]) -> bytes:
    # The number's shape is hashed too: numbers of two widths share no mask, though they share the seed.
    number = int.from_bytes(seed[-_SEED_BYTES:], "big")
    shape = b"".join(each.to_bytes(WORD_BYTES, "little") for group in groups for each in group)
    return hashlib.sha3_256(_DOMAIN + number.to_bytes(_SEED_BYTES, "little") + shape).digest()


def _drawn(key: bytes, shape: tuple[int, int]) -> Words:
    """Uniform numbers of two bytes each."""
    count = shape[0] * shape[1]
    words = MaskStart(_STREAM + key, 0, 0).words(-(-count * _EXPONENT_BYTES // WORD_BYTES))
    return np.frombuffer(words.tobytes(), "<u2")[:count].astype(np.uint64).reshape(shape)
