"""Noise and failure probability of a parameter set, computed.

All variances are relative to q: the torus is [0, 1). The formulae are those that the authors of TFHE-rs
publish with release 1.6.3 (`core_crypto/commons/noise_formulas`): keyswitch and bootstrap after Chillotti,
Ligier, Orfila, Tap, "Improved Programmable Bootstrapping with Larger Precision and Efficient Arithmetic
Circuits for TFHE" (Asiacrypt 2021), with a fitted term for the floating-point transform; the mean-centred
modulus switch as `centered_mean_shifted_modulus_switch` there. What keeps keys secret is `security`.
"""

import math
from bisect import bisect_right
from typing import Final

from streams.fhe.parameters import WIDE_BITS, WORD_BITS, Gadget, Parameters, SquashingParameters

FAILURE_LOG2_MAX: Final = -128.0  # of one bootstrap; the pinned set is made for it
# The limit of the pinned set is 40: 2^-128.004. One unit is given away, so the budget is 39.
NORM2_RESERVE: Final = 1  # kept for what is not modelled: 32-bit accumulators of devices
NORM2_MAX: Final = 1 << 20  # no algorithm needs more
FLOAT_BITS: Final = 53  # of a double's significand, in which products of polynomials are computed
LIMB_ERROR_LOG2: Final = 50.4  # of a coefficient in one step of squashing, in units of 2^-128


def tuniform_variance(bound_log2: int, word_bits: int = WORD_BITS) -> float:
    """Variance of TUniform(b): uniform on the integers of [-2^b, 2^b], both ends at half weight."""
    # sum over the interior of x^2 / 2^(b+1) plus the two halves = (2^(2b+1) + 1) / 6
    return (2.0 ** (2 * bound_log2 + 1) + 1) / 6 * 2.0 ** (-2 * word_bits)


def digit_variance(gadget: Gadget) -> float:
    """Variance of a balanced digit: uniform on [-B/2, B/2], both ends at half weight."""
    return (gadget.base**2 + 2) / 12


def dropped_variance(gadget: Gadget) -> float:
    """Variance of what a word's digits leave out, times a key bit."""
    # uniform on one step of 2^-kept; a key bit is 1 half of the time, so half of 1/12
    return 2.0 ** (-2 * gadget.kept_bits) / 24


def keyswitch_variance(parameters: Parameters) -> float:
    """What the keyswitch from the big to the small key adds."""
    # Each of k N mask words costs `level` rows of the key, each with fresh noise times a digit.
    fresh = parameters.ks.level * tuniform_variance(parameters.lwe_noise_log2)
    return parameters.big_dimension * (
        fresh * digit_variance(parameters.ks) + dropped_variance(parameters.ks)
    )


def exact_bootstrap_variance(parameters: Parameters) -> float:
    """Noise of a bootstrap's result when the polynomials are multiplied exactly."""
    # An external product sums level * (k + 1) polynomial products; each coefficient of one has N terms.
    terms = parameters.pbs.level * (parameters.glwe_dimension + 1) * parameters.polynomial_size
    key = terms * digit_variance(parameters.pbs) * tuniform_variance(parameters.glwe_noise_log2)
    # What the gadget leaves out enters as itself in the body and times a key bit (1 half of the time) in
    # the mask.
    dropped = (1 + parameters.big_dimension / 2) * dropped_variance(parameters.pbs)
    # n steps, independent of one another; the input's own noise does not reach the result
    return parameters.lwe_dimension * (key + dropped)


def transform_variance(parameters: Parameters) -> float:
    """What the floating-point Fourier transform adds to a bootstrap's result (fitted by its authors)."""
    k, size, level = parameters.glwe_dimension, parameters.polynomial_size, parameters.pbs.level
    # Doubles keep 53 of 64 bits; digits of base_log bits raise what is lost, relative to q it falls by 64.
    # Squared, hence twice.
    lost_bits = 2 * (WORD_BITS - FLOAT_BITS + parameters.pbs.base_log - WORD_BITS)
    # The exponents are fitted to measurements by the authors, there is no derivation to look for.
    shape = level**1.01827 * k**1.22003 * size**2.22003 * (k + 1) ** 1.01827
    return parameters.lwe_dimension * 0.00705 * 2.0**lost_bits * shape


def bootstrap_variance(parameters: Parameters) -> float:
    """Noise of a bootstrap's result: the unit in which blocks count their noise."""
    # 2^49.2 of 2^64 as a standard deviation; the keyswitch adds 2^53.0 and the modulus switch 2^54.1, which
    # is why only large multiples of a bootstrap's result matter at all.
    return exact_bootstrap_variance(parameters) + transform_variance(parameters)


def squashing_variance(parameters: Parameters, squashing: SquashingParameters) -> float:
    """Noise of a squashed ciphertext, relative to 2^128; the noise of its input leaves no trace."""
    gadget, k, size = squashing.pbs, squashing.glwe_dimension, squashing.polynomial_size
    fresh = tuniform_variance(squashing.noise_log2, WIDE_BITS)
    key = gadget.level * (k + 1) * size * digit_variance(gadget) * fresh
    phase = 1 + squashing.dimension / 2  # by which an error of every coefficient is multiplied
    # The wide limb's products are rounded at every step (`native/kernel/tests/squash.rs` measures it).
    rounded = 2.0 ** (2 * (LIMB_ERROR_LOG2 - WIDE_BITS))
    return parameters.lwe_dimension * (key + phase * (dropped_variance(gadget) + rounded))


def packing_variance(squashing: SquashingParameters, count: int) -> float:
    """What the packing of `count` squashed ciphertexts adds to each, relative to 2^128."""
    fresh = tuniform_variance(squashing.packed_noise_log2, WIDE_BITS)
    # A keyswitched ciphertext is noisy in all coefficients; its rounding shows in its own coefficient only.
    keys = count * digit_variance(squashing.packing) * fresh
    return squashing.dimension * (keys + dropped_variance(squashing.packing))


def switch_variance(parameters: Parameters) -> float:
    """What the mean-centred modulus switch from q to 2N adds.

    Without centring a rounding error (1/12 of a step squared) counts for a key bit of 1, half of the time;
    subtracting its mean leaves the key bit's variance 1/4. The body is cut, not rounded: the box of a value
    is a whole number of steps, so cutting moves no value across a border and costs nothing.
    """
    # of the torus [0, 1)
    step = 1 / (2 * parameters.polynomial_size)
    return parameters.lwe_dimension * step**2 / 12 / 4


def failure_log2(parameters: Parameters, norm2: float) -> float:
    """log2 of the probability that one bootstrap reads a wrong box.

    Args:
        parameters: the set.
        norm2: sum of the squares of the coefficients with which independent bootstrap results enter it.
    """
    # Only the result's own noise is multiplied: keyswitch and modulus switch happen once, after the linear
    # part.
    before = norm2 * bootstrap_variance(parameters) + keyswitch_variance(parameters)
    # Delta / 2: beyond it, noise reaches the neighbouring box
    half_box = 2.0 ** (parameters.delta_log2 - 1 - WORD_BITS)
    return tail_log2(half_box, before + switch_variance(parameters))


def tail_log2(bound: float, variance: float) -> float:
    """log2 of the probability that noise of this variance exceeds a bound on either side."""
    # A two-sided tail of a normal distribution: the noise is a sum of thousands of independent terms.
    # erfc underflows beyond 37 sigmas, far below any probability that matters.
    return math.log2(max(math.erfc(bound / math.sqrt(2 * variance)), 2.0**-1000))


def norm2_limit(parameters: Parameters, failure_log2_max: float = FAILURE_LOG2_MAX) -> int:
    """The largest norm2 at which a bootstrap fails with at most this probability; 0 if there is none."""
    # The probability grows with norm2, so a binary search is right: 20 evaluations in place of a million.
    candidates = range(1, NORM2_MAX)
    return bisect_right(candidates, failure_log2_max, key=lambda norm2: failure_log2(parameters, norm2))


def norm2_budget(parameters: Parameters) -> int:
    """What radix algorithms may use of the limit."""
    return norm2_limit(parameters) - NORM2_RESERVE
