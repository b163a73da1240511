"""Security of a parameter set: the noise of every key against two curves of the lattice estimator.

A key whose rows are LWE samples of dimension d is safe if their noise is above what the estimator of
Albrecht, Player, Scott, "On the concrete hardness of Learning with Errors" (J. Math. Cryptology 2015) asks
for at d; a GLWE key of k polynomials of N coefficients counts as d = k N. Two fits to it are held, made apart
from one another for binary keys:

- of Concrete 2.11, what its optimiser of parameters is given, for Gaussian noise at 128 and at 132 bits:
  `tools/parameter-curves/concrete-security-curves-cpp/include/concrete/curves.gen.h` and `curves.h` of its
  sources;
- of TFHE-rs 1.6.3, the least TUniform noise at 132 bits.

A line is a deviation, which is all that the estimator's attacks take of a distribution: TUniform(b) is held
against both by its own.
"""

import math
from dataclasses import dataclass
from typing import Final

from streams.domain.errors import ConfigurationError
from streams.fhe.noise import failure_log2, norm2_budget, tuniform_variance
from streams.fhe.parameters import (
    COMPRESSION,
    PINNED,
    RE_RANDOMISATION,
    SQUASHING,
    WIDE_BITS,
    WORD_BITS,
    CompressionParameters,
    Parameters,
    ReRandomisationParameters,
    SquashingParameters,
)

# Noise below this is no noise to the curves: the two lowest bits of a word, whatever the dimension.
LEAST_DEVIATION_LOG2: Final = 2.0

# Least b of TUniform(b) at dimension d, as TFHE-rs states it: ceil(SLOPE * d + word bits + INTERCEPT).
TUNIFORM_BITS: Final = 132
TUNIFORM_SLOPE: Final = -0.025167785
TUNIFORM_INTERCEPT: Final = 4.10067100000001


@dataclass(frozen=True, slots=True)
class Curve:
    """The least deviation that gives so many bits of security, as a line over the dimension."""

    bits: int  # of security
    slope: float  # log2 of the deviation, relative to q, for each further bit of the key
    intercept: float
    least_dimension: int  # below it the fit says nothing: no noise is enough

    def deviation_log2(self, dimension: int, word_bits: int) -> float:
        """log2 of the least deviation, in units of 1/q."""
        if dimension < self.least_dimension:
            return math.inf
        return max(self.slope * dimension + self.intercept + word_bits, LEAST_DEVIATION_LOG2)


CONCRETE_128: Final = Curve(128, -0.025696778711484593, 2.675931372549016, 450)
CONCRETE_132: Final = Curve(132, -0.024891456582633045, 2.65734593837534, 450)


@dataclass(frozen=True, slots=True)
class KeyNoise:
    """What an attacker has of one key: samples under a binary key, with TUniform noise."""

    name: str
    dimension: int  # bits of the key that the samples are under
    noise_log2: int  # b of TUniform(b), in units of 1/q
    word_bits: int = WORD_BITS  # log2 q

    @property
    def deviation_log2(self) -> float:
        """log2 of the deviation, in units of 1/q."""
        return math.log2(tuniform_variance(self.noise_log2, self.word_bits)) / 2 + self.word_bits

    def margin_log2(self, curve: Curve) -> float:
        """Bits by which the deviation is above a curve; negative where it is below."""
        return self.deviation_log2 - curve.deviation_log2(self.dimension, self.word_bits)


def least_tuniform_log2(dimension: int, word_bits: int = WORD_BITS) -> int:
    """The least b for which TUniform(b) gives 132 bits of security, as TFHE-rs counts."""
    # Linear in the dimension: a longer key allows less noise. 918 gives 45, 2048 gives 17: both of the
    # pinned set are just met. A long key meets the floor: a word's two lowest bits, TUniform(3).
    line = math.ceil(TUNIFORM_SLOPE * dimension + word_bits + TUNIFORM_INTERCEPT)
    return max(line, math.ceil(LEAST_DEVIATION_LOG2) + 1)


def look_up_keys(parameters: Parameters) -> tuple[KeyNoise, ...]:
    """Of the keys that a bootstrap takes."""
    # The small key protects the keyswitch key, the big one the bootstrap key: each has its own noise and
    # must reach the curve by itself.
    return (
        KeyNoise("keyswitch", parameters.lwe_dimension, parameters.lwe_noise_log2),
        KeyNoise("bootstrap", parameters.big_dimension, parameters.glwe_noise_log2),
        # of random numbers: rows of another small key's bits, under the same big key
        KeyNoise("random bootstrap", parameters.big_dimension, parameters.glwe_noise_log2),
    )


def storage_keys(parameters: Parameters, compression: CompressionParameters) -> tuple[KeyNoise, ...]:
    """Of the keys that pack and unpack stored blocks."""
    return (
        KeyNoise("packing", compression.dimension, compression.noise_log2),
        # its rows are under the big key, with the noise of the bootstrap key
        KeyNoise("unpacking", parameters.big_dimension, parameters.glwe_noise_log2),
    )


def re_randomising_keys(parameters: Parameters, given: ReRandomisationParameters) -> tuple[KeyNoise, ...]:
    """Of the compact public key and of the keyswitch from its key to the big one."""
    return (
        KeyNoise("public", parameters.big_dimension, given.noise_log2),
        KeyNoise("re-randomising keyswitch", parameters.big_dimension, parameters.glwe_noise_log2),
    )


def squashing_keys(squashing: SquashingParameters) -> tuple[KeyNoise, ...]:
    """Of the keys that squash noise, in words of 128 bits."""
    packed = squashing.packed_dimension * squashing.packed_size
    return (
        KeyNoise("squashing", squashing.dimension, squashing.noise_log2, WIDE_BITS),
        KeyNoise("squashed packing", packed, squashing.packed_noise_log2, WIDE_BITS),
    )


# Every key that the engine reads of an activated set, at the network's parameters.
ALL_KEYS: Final = (
    *look_up_keys(PINNED),
    *storage_keys(PINNED, COMPRESSION),
    *re_randomising_keys(PINNED, RE_RANDOMISATION),
    *squashing_keys(SQUASHING),
)


def require(*keys: KeyNoise) -> None:
    """Passes when every key has 132 bits of security by both fits.

    Raises:
        ConfigurationError: one of them has less noise.
    """
    for key in keys:
        margin = key.margin_log2(CONCRETE_132)
        if key.noise_log2 < least_tuniform_log2(key.dimension, key.word_bits) or margin < 0:
            raise ConfigurationError(
                f"noise 2^{key.noise_log2} of the {key.name} key at dimension {key.dimension} is below"
                f" {TUNIFORM_BITS} bits of security"
            )


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a parameter set promises."""

    norm2_budget: int  # noise that a bootstrap's input may carry, in units of a bootstrap's result
    failure_log2: float  # of one bootstrap at that budget


def assess(parameters: Parameters) -> Assessment:
    """Security and noise budget of a set.

    Raises:
        ConfigurationError: the set is below 132 bits of security, or leaves no budget at 2^-128.
    """
    require(*look_up_keys(parameters))
    budget = norm2_budget(parameters)
    if budget < 1:
        raise ConfigurationError(f"a bootstrap fails with 2^{failure_log2(parameters, 1):.1f}, above 2^-128")
    return Assessment(budget, failure_log2(parameters, budget))
