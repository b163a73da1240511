"""Noise of stored numbers: what a block may carry when it is packed, and with what it comes back.

A block is multiplied by four, packed with others into one GLWE ciphertext, whose words are rounded to 12 bits
(`devices/packing`). Whoever decompresses it, this engine, TFHE-rs or a squashing worker, begins with a blind
rotation whose boxes are a quarter of half a turn wide: what is stored has to stay inside its box, and what
comes out is a bootstrap's result that knows nothing of the noise that went in.

Formulae: packing keyswitch as `lwe_packing_keyswitch` and rounding as `modulus_switch` of TFHE-rs 1.6.3
(`core_crypto/commons/noise_formulas`). Variances are relative to q, as in `noise`.
"""

import math
from dataclasses import replace
from typing import Final

from streams.domain.errors import ConfigurationError
from streams.fhe.noise import (
    FAILURE_LOG2_MAX,
    bootstrap_variance,
    digit_variance,
    dropped_variance,
    norm2_budget,
    tail_log2,
    tuniform_variance,
)
from streams.fhe.parameters import CompressionParameters, Parameters, ReRandomisationParameters
from streams.fhe.security import require, storage_keys

PARTS: Final = 128  # of a unit of noise: sums of such parts are exact in a double, whatever their order


def packing_variance(parameters: Parameters, compression: CompressionParameters, count: int) -> float:
    """What the packing of `count` blocks adds to each of them."""
    # A keyswitched block is noisy in all coefficients, so every block gets the key's noise of all others.
    fresh = compression.packing.level * tuniform_variance(compression.noise_log2)
    keys = count * fresh * digit_variance(compression.packing)
    # What the digits leave out shows in the block's own coefficient only.
    return parameters.big_dimension * (keys + dropped_variance(compression.packing))


def rounding_variance(compression: CompressionParameters) -> float:
    """What rounding a packed ciphertext's words adds."""
    # 1/12 of a step squared for the body and for each mask word whose key bit is set, half of them.
    step = 2.0**-compression.storage_log2
    return (1 + compression.dimension / 2) * step**2 / 12


def stored_variance(
    parameters: Parameters, compression: CompressionParameters, norm2: float, count: int
) -> float:
    """Noise of a stored block.

    Args:
        parameters: of the blocks.
        compression: of the key that packs them.
        norm2: noise of the blocks, in units of a bootstrap's result.
        count: blocks of the packed ciphertext.
    """
    # the carry bits are empty: a block is stored above them, its noise with it
    scale = 1 << parameters.carry_bits
    own = scale**2 * norm2 * bootstrap_variance(parameters)
    return own + packing_variance(parameters, compression, count) + rounding_variance(compression)


def failure_log2(
    parameters: Parameters, compression: CompressionParameters, norm2: float, count: int
) -> float:
    """log2 of the probability that a stored block is read as another digit; arguments as above."""
    # Words of 12 bits are exponents of the rotation as they are: nothing is rounded a second time.
    half_box = 2.0 ** -(parameters.message_bits + 2)
    return tail_log2(half_box, stored_variance(parameters, compression, norm2, count))


def re_randomising_variance(parameters: Parameters, given: ReRandomisationParameters) -> float:
    """What an encryption of zero by the compact public key adds, once it is under the big key."""
    size = parameters.big_dimension
    # E R + e - E1 S: two products of a small polynomial and a binary one, and the body's own
    zero = (size + 1) * tuniform_variance(given.noise_log2)
    fresh = given.switch.level * tuniform_variance(parameters.glwe_noise_log2)
    return zero + size * (fresh * digit_variance(given.switch) + dropped_variance(given.switch))


def loaded_noise(
    parameters: Parameters, compression: CompressionParameters, given: ReRandomisationParameters
) -> float:
    """Noise of a decompressed and re-randomised block in units of a bootstrap's result, in whole parts."""
    # A rotation for each bit of the packed ciphertexts' key, 1,024 and not 918, and the same noise in each.
    unpacking = replace(parameters, lwe_dimension=compression.dimension, pbs=compression.unpacking)
    variance = bootstrap_variance(unpacking) + re_randomising_variance(parameters, given)
    return math.ceil(PARTS * variance / bootstrap_variance(parameters)) / PARTS


def check_storage(parameters: Parameters, compression: CompressionParameters) -> None:
    """Passes when whatever can be looked up can be stored too, in a packed ciphertext that is full.

    Raises:
        ConfigurationError: the packing key is below 132 bits of security, or such a block is read wrongly
            with more than 2^-128.
    """
    require(*storage_keys(parameters, compression))
    failure = failure_log2(parameters, compression, norm2_budget(parameters), compression.polynomial_size)
    if failure > FAILURE_LOG2_MAX:
        raise ConfigurationError(f"a stored block is read wrongly with 2^{failure:.1f}, above 2^-128")
