"""GLWE ciphertexts (Brakerski, Gentry, Vaikuntanathan 2012; ring case: Lyubashevsky, Peikert, Regev 2010).

Shape (..., k + 1, N): k mask polynomials A_i, then the body B = sum A_i S_i + M + E in Z_q[X] / (X^N + 1).
The key S has shape (k, N) and binary coefficients; flattened it is the big LWE key.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streams.fhe.devices.polynomial import negacyclic_product
from streams.fhe.devices.randomness import Source
from streams.fhe.devices.words import Words, as_signed, as_words

Unsigned = TypeVar("Unsigned", bound=np.unsignedinteger[Any])


def encrypt(source: Source, key: Words, messages: Words, noise_log2: int) -> Words:
    """Ciphertexts (..., k + 1, N) of polynomials (..., N) of torus elements."""
    # A mask is never used twice: two bodies over one mask would give away the difference of their messages.
    masks = source.uniform((*messages.shape[:-1], *key.shape))  # (..., k, N)
    # in units of 2^-64, signed; as a word it wraps below 0
    noise = as_words(source.noise(noise_log2, messages.shape))
    bodies = _masked(key, masks) + messages + noise  # (..., N)
    return np.concatenate([masks, bodies[..., None, :]], axis=-2)


def trivial(messages: Words, glwe_dimension: int) -> Words:
    """Ciphertexts that everybody can read: mask zero."""
    # the phase is M under every key, without noise
    masks = np.zeros((*messages.shape[:-1], glwe_dimension, messages.shape[-1]), np.uint64)
    return np.concatenate([masks, messages[..., None, :]], axis=-2)


def phase(key: Words, ciphertexts: Words) -> Words:
    """B - sum A_i S_i = M + E, shape (..., N)."""
    return ciphertexts[..., -1, :] - _masked(key, ciphertexts[..., :-1, :])


def _masked(key: Words, masks: Words) -> Words:
    # Key bits are small coefficients: the product is exact, see `polynomial`.
    return negacyclic_product(as_signed(key), masks).sum(-2, dtype=np.uint64)


def sample_extract(ciphertexts: Words, coefficient: int) -> Words:
    """LWE ciphertexts (..., k N + 1) of one coefficient h of the message, under the flattened key.

    Coefficient h of A S is sum over j of A_(h - j) S_j, where A_(h - j) is -A_(N + h - j) for j > h
    (Chillotti et al. 2020, section 4.2).
    """
    size = ciphertexts.shape[-1]
    origin = coefficient - np.arange(size)  # h - j: negative where X^N wraps around
    # (..., k, N): for each key polynomial the mask's coefficients in the order in which they meet the key's
    masks = ciphertexts[..., :-1, :][..., origin % size]
    # X^N = -1: what went around has the other sign
    masks = np.where(origin < 0, -masks, masks)
    # (..., k, N) in the order of the flattened key, k polynomials one after another
    flat = masks.reshape(*ciphertexts.shape[:-2], -1)
    # the body of coefficient h is B_h itself
    return np.concatenate([flat, ciphertexts[..., -1, coefficient, None]], axis=-1)


def sample_extract_first(ciphertext: NDArray[Unsigned], count: int) -> NDArray[Unsigned]:
    """`sample_extract` of the first coefficients of one ciphertext (k + 1, N): words (count, k N + 1)."""
    size = ciphertext.shape[-1]
    origin = np.arange(count)[:, None] - np.arange(size)
    masks = ciphertext[:-1, origin % size]  # (k, count, N)
    masks = np.where(origin < 0, -masks, masks).swapaxes(0, 1)
    return np.concatenate([masks.reshape(count, -1), ciphertext[-1, :count, None]], axis=-1)
