"""GGSW ciphertexts and the external product (Gentry, Sahai, Waters 2013; torus: Chillotti et al. 2020).

Shape (..., level, k + 1, k + 1, N): for each level the rows r encrypt -m S_r * 2^64 / B^j (r < k) and
m * 2^64 / B^j (r = k); the last two axes are a GLWE ciphertext. The least significant level comes first.
"""

import numpy as np

from streams.fhe.devices import glwe
from streams.fhe.devices.decomposition import decompose, weights
from streams.fhe.devices.polynomial import Spectrum, from_limbs, inverse_transform, limbs, transform
from streams.fhe.devices.randomness import Source
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Gadget, Parameters


def encrypt_bits(source: Source, parameters: Parameters, key: Words, bits: Words) -> Words:
    """GGSW ciphertexts of bits (count,), shape (count, level, k + 1, k + 1, N)."""
    k, size = key.shape
    # One message polynomial per row: for r < k it is -S_r, for r = k it is 1. The product with
    # (A, B) is then B - sum A_r S_r = M + E, the phase, times the bit.
    row_keys = np.zeros((k + 1, size), np.uint64)
    row_keys[:k] = -key  # the rows of the mask cancel A_r S_r
    row_keys[k, 0] = 1  # the row of the body stands for the constant polynomial 1
    # (count, 1, 1, 1) times (level, 1, 1) times (k + 1, N): (count, level, k + 1, N)
    messages = bits[:, None, None, None] * weights(parameters.pbs)[:, None, None] * row_keys
    # glwe.encrypt adds the axis of the ciphertext: (count, level, k + 1, k + 1, N)
    return glwe.encrypt(source, key, messages, parameters.glwe_noise_log2)


def spectrum_of(ggsw: Words) -> Spectrum:
    """One GGSW ciphertext (level, k + 1, k + 1, N) made ready: (level, row, column, limb, N/2)."""
    return transform(limbs(ggsw))


def external_product(ready: Spectrum, gadget: Gadget, ciphertexts: Words) -> Words:
    """GLWE ciphertexts of m * M from a GGSW ciphertext of m and GLWE ciphertexts (batch, k + 1, N) of M.

    sum over levels l and rows r of digit_lr * row_lr: the rows undo mask and decomposition at once.
    """
    digits = np.moveaxis(decompose(ciphertexts, gadget), -1, 1)  # (batch, level, row, N)
    # (batch, level, row, N/2), complex
    spectra = transform(digits.astype(np.float64))
    # (batch, level, row, 1, 1, N/2) times (level, row, column, limb, N/2), summed over level and row
    return from_limbs(inverse_transform((spectra[:, :, :, None, None] * ready).sum((1, 2))))


def cmux(ready: Spectrum, gadget: Gadget, zero: Words, one: Words) -> Words:
    """GLWE ciphertexts of `one` if the GGSW bit is set, else of `zero`: zero + m * (one - zero)."""
    # One external product in place of two. `one - zero` also keeps the noise down: what the gadget rounds
    # away is multiplied by the bit, so a bit of 0 adds none of it.
    return zero + external_product(ready, gadget, one - zero)
