"""LWE ciphertexts (Regev, "On lattices, learning with errors, random linear codes, and cryptography", 2005).

Shape (..., d + 1): the mask a of d words, then the body b = <a, s> + m + e. The key s has d bits.
"""

import numpy as np

from streams.fhe.devices.randomness import Source
from streams.fhe.devices.words import Words, as_words, dot


def encrypt(source: Source, key: Words, messages: Words, noise_log2: int) -> Words:
    """Ciphertexts of torus elements.

    Args:
        source: of masks and noise.
        key: shape (d,).
        messages: torus elements, any shape of at least one axis.
        noise_log2: b of TUniform(b).

    Returns:
        Words of shape (*messages.shape, d + 1).
    """
    # a uniform, b = <a, s> + m + e: every ciphertext has a mask and an error of its own
    masks = source.uniform((*messages.shape, len(key)))
    noise = as_words(source.noise(noise_log2, messages.shape))
    bodies = dot(masks, key) + messages + noise
    return np.concatenate([masks, bodies[..., None]], axis=-1)


def trivial(messages: Words, dimension: int) -> Words:
    """Ciphertexts that everybody can read: mask zero."""
    # what a known digit is on a device: its phase is the message for every key
    masks = np.zeros((*messages.shape, dimension), np.uint64)
    return np.concatenate([masks, messages[..., None]], axis=-1)


def phase(key: Words, ciphertexts: Words) -> Words:
    """b - <a, s> = m + e, shape (...) of at least one axis."""
    # The error is still in it: `encoding.decode` rounds it away.
    return ciphertexts[..., -1] - dot(ciphertexts[..., :-1], key)
