"""Noise of stored numbers, held against published figures and against what the engine counts with."""

import math
from dataclasses import replace

import pytest

from streams.domain.errors import ConfigurationError
from streams.fhe import noise, storage_noise
from streams.fhe.devices.packing import SCALE
from streams.fhe.parameters import COMPRESSION, PINNED, RE_RANDOMISATION, Gadget
from streams.fhe.radix.steps import BUDGET, LOADED, QUIET
from streams.fhe.security import least_tuniform_log2

BLOCKS = 32  # of a Uint64
FULL = COMPRESSION.polynomial_size
# log2 of the failure probability that the authors state for these parameters: of a bootstrap whose input has
# 25 times the noise of a decompressed block.
PUBLISHED_FAILURE = -129.275


def log2_std(variance: float) -> float:
    """log2 of the deviation in units of 1/q."""
    return 64 + math.log2(variance) / 2


def test_packing_and_rounding_are_louder_than_any_block() -> None:
    added = storage_noise.packing_variance(PINNED, COMPRESSION, BLOCKS)
    assert log2_std(added) == pytest.approx(55.25, abs=0.01)
    assert log2_std(storage_noise.rounding_variance(COMPRESSION)) == pytest.approx(54.71, abs=0.01)
    assert SCALE**2 * BUDGET * noise.bootstrap_variance(PINNED) < added


@pytest.mark.parametrize(
    ("norm2", "count", "log2"),
    [(1, BLOCKS, -358.2), (39, BLOCKS, -328.9), (1, FULL, -280.4), (39, FULL, -262.2)],
)
def test_a_stored_block_is_read_as_another_digit_with(norm2: int, count: int, log2: float) -> None:
    assert storage_noise.failure_log2(PINNED, COMPRESSION, norm2, count) == pytest.approx(log2, abs=0.1)


def test_whatever_can_be_looked_up_can_be_stored() -> None:
    storage_noise.check_storage(PINNED, COMPRESSION)
    assert noise.norm2_budget(PINNED) == BUDGET
    assert storage_noise.failure_log2(PINNED, COMPRESSION, BUDGET, FULL) < noise.FAILURE_LOG2_MAX


@pytest.mark.parametrize(
    "changed", [{"storage_log2": 9}, {"packing": Gadget(4, 2)}, {"packing": Gadget(3, 3)}, {"noise_log2": 46}]
)
def test_a_packing_that_adds_too_much_is_refused(changed: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="above 2\\^-128"):
        storage_noise.check_storage(PINNED, replace(COMPRESSION, **changed))


def test_a_packing_key_below_the_security_curve_is_refused() -> None:
    assert least_tuniform_log2(COMPRESSION.dimension) == COMPRESSION.noise_log2
    with pytest.raises(ConfigurationError, match="132 bits"):
        storage_noise.check_storage(PINNED, replace(COMPRESSION, noise_log2=42))


def test_a_decompressed_block_has_the_published_noise() -> None:
    unpacked = replace(PINNED, lwe_dimension=COMPRESSION.dimension)
    units = noise.bootstrap_variance(unpacked) / noise.bootstrap_variance(PINNED)
    assert units == pytest.approx(1.1155, abs=0.0001)
    assert noise.failure_log2(PINNED, 25 * units) == pytest.approx(PUBLISHED_FAILURE, abs=0.001)


def test_re_randomisation_adds_a_thousandth() -> None:
    added = storage_noise.re_randomising_variance(PINNED, RE_RANDOMISATION)
    assert added / noise.bootstrap_variance(PINNED) == pytest.approx(0.001, abs=0.0002)


def test_a_loaded_block_counts_no_less_and_hardly_more() -> None:
    assert storage_noise.loaded_noise(PINNED, COMPRESSION, RE_RANDOMISATION) == LOADED
    assert 1.1155 + 0.0009 < LOADED == 143 / 128
    # The dearest sum: two loaded blocks taken four times, two beside them, and the borrow of a comparison.
    assert (16 + 1) * QUIET + 1 <= BUDGET
