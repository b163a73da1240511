"""LWE ciphertexts that nobody encrypted: what random numbers are made of.

A mask drawn from a public seed and a body of zero have a phase that is uniform on the torus and that only
the key's owner can compute (TFHE-rs: `shortint/oprf`, oblivious pseudo-random generation). They are made
under the small key at once: there is nothing to switch, and no noise.
"""

import numpy as np

from streams.fhe.devices.randomness import Source
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters


def seeded_ciphertexts(source: Source, parameters: Parameters, count: int) -> Words:
    """Ciphertexts of uniform phase under the small key, shape (count, n + 1)."""
    # (count, n): nothing is secret here but the key that nobody of us has
    masks = source.uniform((count, parameters.lwe_dimension))
    # <a, s> is uniform for every key but zero: a random body would add nothing.
    return np.concatenate([masks, np.zeros((count, 1), np.uint64)], axis=-1)
