"""Key switching: from the big LWE key to the small one.

The key-switching key holds, for each bit s_i of the big key and each level, an encryption of s_i * 2^64 / B^j
under the small key. With digits d of the mask, (0, b) - sum d_ij * row_ij encrypts the same message
(Chillotti et al. 2020, section 4.1).
"""

from dataclasses import dataclass

from streams.fhe.devices import lwe
from streams.fhe.devices.decomposition import decompose, weights
from streams.fhe.devices.exact_product import product
from streams.fhe.devices.randomness import Source
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters


@dataclass(frozen=True)
class KeySwitchKey:
    """Rows of shape (k N, level, n + 1), the least significant level first (the order of TFHE-rs's files)."""

    parameters: Parameters
    rows: Words


def generate(source: Source, parameters: Parameters, big: Words, small: Words) -> KeySwitchKey:
    """The key from a big key (k N,) to a small one (n,)."""
    # Row (i, j) encrypts s_i * 2^64 / B^(l - j), j from 0: the digit of that weight times this row is s_i's
    # part.
    messages = big[:, None] * weights(parameters.ks)  # (k N, level)
    return KeySwitchKey(parameters, lwe.encrypt(source, small, messages, parameters.lwe_noise_log2))


def key_switch(key: KeySwitchKey, ciphertexts: Words) -> Words:
    """Ciphertexts (batch, k N + 1) under the big key become (batch, n + 1) under the small one."""
    digits = decompose(ciphertexts[:, :-1], key.parameters.ks)  # (batch, k N, level)
    rows = key.rows.reshape(-1, key.rows.shape[-1])  # (k N level, n + 1), in the order of the digits
    # sum_ij d_ij * row_ij encrypts sum_i a_i s_i up to what the digits leave out; (0, b) minus that is b -
    # <a, s>
    switched = -product(digits.reshape(len(ciphertexts), -1), rows)
    switched[:, -1] += ciphertexts[:, -1]  # the trivial ciphertext (0, b) that is subtracted from
    return switched
