"""Security and failure of the pinned sets: every key against two curves, every step against 2^-128."""

import math
from dataclasses import replace

import pytest

from streams.domain.errors import ConfigurationError
from streams.fhe import noise, security, storage_noise
from streams.fhe.parameters import COMPRESSION, PINNED, RE_RANDOMISATION, SQUASHING, Gadget, Parameters
from streams.fhe.radix.steps import LOADED
from streams.fhe.security import ALL_KEYS, CONCRETE_128, CONCRETE_132, Curve, KeyNoise

# By how many bits of deviation each key's noise lies above Concrete's curve at 128 and at 132 bits.
MARGINS = {
    "keyswitch": (1.12, 0.40),
    "bootstrap": (2.16, 0.53),
    "random bootstrap": (2.16, 0.53),
    "packing": (1.84, 1.04),
    "unpacking": (2.16, 0.53),
    "public": (2.16, 0.53),
    "re-randomising keyswitch": (2.16, 0.53),
    "squashing": (3.79, 0.51),
    "squashed packing": (0.21, 0.21),  # on the floor of both: two bits of a word of 128
}
BUDGET = noise.norm2_budget(PINNED)
PAIR = 4 * 4 + 1  # squares of what two blocks are multiplied with when one word takes both
SQUASHED_HALF_BOX = 2.0**-6  # of four bits below a padding bit


def failures() -> dict[str, float]:
    """log2 of the probability that a step of a number's life fails, with the most noise that it meets."""
    squashed = noise.squashing_variance(PINNED, SQUASHING)
    packed = squashed + noise.packing_variance(SQUASHING, SQUASHING.packed_most)
    full = COMPRESSION.polynomial_size
    return {
        "a look-up": noise.failure_log2(PINNED, BUDGET),
        "a stored block": storage_noise.failure_log2(PINNED, COMPRESSION, BUDGET, full),
        "two loaded blocks that are squashed": noise.failure_log2(PINNED, PAIR * LOADED),
        "opening what was squashed": noise.tail_log2(SQUASHED_HALF_BOX, packed),
    }


def test_no_step_fails_with_more_than_two_to_the_minus_128() -> None:
    found = failures()
    assert {step: log2 for step, log2 in found.items() if log2 > noise.FAILURE_LOG2_MAX} == {}
    assert found["a look-up"] == max(found.values())


def test_margins_of_the_pinned_sets_are_known() -> None:
    found = {key.name: (key.margin_log2(CONCRETE_128), key.margin_log2(CONCRETE_132)) for key in ALL_KEYS}
    assert found == {name: pytest.approx(margins, abs=0.01) for name, margins in MARGINS.items()}
    assert all(least >= 0 for margins in found.values() for least in margins)


def test_every_pinned_noise_is_above_both_curves() -> None:
    security.require(*ALL_KEYS)
    assert CONCRETE_128.bits == 128 <= CONCRETE_132.bits == security.TUNIFORM_BITS


@pytest.mark.parametrize("key", ALL_KEYS, ids=lambda key: key.name)
def test_one_bit_less_noise_is_refused(key: KeyNoise) -> None:
    """None of the sets has noise to give away at 132 bits."""
    with pytest.raises(ConfigurationError, match=f"of the {key.name} key .* is below 132 bits"):
        security.require(replace(key, noise_log2=key.noise_log2 - 1))


@pytest.mark.parametrize(
    ("dimension", "noise_log2"),
    [(PINNED.lwe_dimension, PINNED.lwe_noise_log2), (PINNED.big_dimension, PINNED.glwe_noise_log2)],
)
def test_the_pinned_noises_are_the_least_secure_ones(dimension: int, noise_log2: int) -> None:
    assert security.least_tuniform_log2(dimension) == noise_log2


def test_two_fits_made_apart_ask_for_the_same_noise_within_half_a_bit() -> None:
    for dimension in range(800, 2200, 100):
        of_concrete = CONCRETE_132.deviation_log2(dimension, 64)
        tuniform = KeyNoise("", dimension, security.least_tuniform_log2(dimension)).deviation_log2
        # rounding up to a whole b is up to a bit
        assert -0.5 < tuniform - of_concrete < 1.5


def test_a_curve_has_a_floor_and_an_end() -> None:
    line = Curve(128, -0.5, 0.0, 100)
    assert line.deviation_log2(100, 64) == 14
    assert line.deviation_log2(124, 64) == security.LEAST_DEVIATION_LOG2
    assert line.deviation_log2(99, 64) == math.inf
    assert security.least_tuniform_log2(1 << 20) == 3


def test_more_security_takes_more_noise_and_a_longer_key_less() -> None:
    for dimension in (500, 918, 2048):
        assert CONCRETE_132.deviation_log2(dimension, 64) > CONCRETE_128.deviation_log2(dimension, 64)
    assert CONCRETE_128.deviation_log2(918, 64) > CONCRETE_128.deviation_log2(2048, 64)


def test_the_pinned_set_passes() -> None:
    assert security.assess(PINNED) == security.Assessment(39, noise.failure_log2(PINNED, 39))


def below(**changes: int) -> Parameters:
    return replace(PINNED, **changes)


@pytest.mark.parametrize(
    "weaker",
    [below(lwe_noise_log2=44), below(glwe_noise_log2=16), below(lwe_dimension=870), below(lwe_dimension=440)],
)
def test_a_set_below_the_security_curve_is_refused(weaker: Parameters) -> None:
    with pytest.raises(ConfigurationError, match="132 bits"):
        security.assess(weaker)


@pytest.mark.parametrize(
    "noisier",
    [below(lwe_noise_log2=47), replace(PINNED, ks=Gadget(3, 3)), replace(PINNED, pbs=Gadget(16, 1))],
)
def test_a_set_that_fails_too_often_is_refused(noisier: Parameters) -> None:
    with pytest.raises(ConfigurationError, match="above 2\\^-128"):
        security.assess(noisier)


def test_a_quiet_public_key_or_squashing_key_is_refused() -> None:
    quiet = security.re_randomising_keys(PINNED, replace(RE_RANDOMISATION, noise_log2=16))
    with pytest.raises(ConfigurationError, match="of the public key at dimension 2048"):
        security.require(*quiet)
    with pytest.raises(ConfigurationError, match="of the squashing key at dimension 2048"):
        security.require(*security.squashing_keys(replace(SQUASHING, glwe_dimension=1)))
