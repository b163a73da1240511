"""Blind rotation: a polynomial is turned by an encrypted amount (Chillotti et al. 2020, algorithm 3).

The bootstrapping key is a GGSW ciphertext of each bit of the small key, shape (n, level, k + 1, k + 1, N).
"""

from dataclasses import dataclass

import numpy as np

from streams.fhe.devices import ggsw, glwe
from streams.fhe.devices.polynomial import rotate
from streams.fhe.devices.randomness import Source
from streams.fhe.devices.words import Digits, Words
from streams.fhe.parameters import Parameters


@dataclass(frozen=True)
class BootstrapKey:
    """GGSW ciphertexts of the small key's bits, shape (n, level, k + 1, k + 1, N)."""

    parameters: Parameters
    bits: Words


def generate(source: Source, parameters: Parameters, small: Words, glwe_key: Words) -> BootstrapKey:
    """The key for small LWE bits (n,) under a GLWE key (k, N)."""
    # Bit by bit: the limbs of all polynomials at once would take six times the key's 60 MB.
    bits = [ggsw.encrypt_bits(source, parameters, glwe_key, small[i : i + 1])[0] for i in range(len(small))]
    return BootstrapKey(parameters, np.stack(bits))


def blind_rotate(key: BootstrapKey, exponents: Digits, polynomials: Words) -> Words:
    """X^-phase times polynomials: GLWE ciphertexts (batch, k + 1, N).

    Args:
        key: of the small key.
        exponents: switched LWE ciphertexts (batch, n + 1), in [0, 2N).
        polynomials: test polynomials (batch, N).
    """
    # Accumulators keep the shape (batch, k + 1, N) through all n steps. A trivial ciphertext is enough to
    # begin with: the table is public, only the amount of the turn is secret.
    # X^-b v to begin with; n steps later the exponent is -(b - <a, s>), the phase
    accumulators = rotate(glwe.trivial(polynomials, key.parameters.glwe_dimension), -exponents[:, -1])
    # The steps cannot be exchanged or run side by side: each one turns what the one before has left. That
    # is why a device's only parallelism is the batch.
    for step in range(key.parameters.lwe_dimension):
        # X^(a s) = 1 + s (X^a - 1): the key bit chooses between turned and not turned.
        turned = rotate(accumulators, exponents[:, step])
        # Made anew in each call: the spectra of all n ciphertexts in limbs would take six times the key's
        # memory (as in `generate`).
        ready = ggsw.spectrum_of(key.bits[step])
        accumulators = ggsw.cmux(ready, key.parameters.pbs, accumulators, turned)
    return accumulators
