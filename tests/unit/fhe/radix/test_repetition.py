"""Reciprocals that repeat: right for every number, and fewer look-ups than a product."""

import random

import pytest

from streams.domain.operations import FheType
from streams.fhe.radix.counts import cost_by, measured, stored
from streams.fhe.radix.division import divide
from streams.fhe.radix.executors import ClearExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.radix.repetition import Repetition, product_look_ups, quotient, repetition
from streams.fhe.radix.steps import run

BLOCKS = 32
REPEATING = [divisor for divisor in range(3, 258, 2) if repetition(divisor, BLOCKS)]


def quotients(numbers: list[int], bits: int, divisor: int, kept: int) -> list[int]:
    """By the algorithm alone, whatever it costs."""
    by = repetition(divisor, bits // 2)
    assert by is not None
    executor = ClearExecutor()
    found = run(quotient(executor.encrypt(numbers, bits), by, kept), executor)
    assert len(found) == kept
    return executor.decrypt(found, len(numbers))


@pytest.mark.parametrize("divisor", [3, 5, 15])
def test_every_number_of_eight_bits(divisor: int) -> None:
    numbers = list(range(256))
    assert quotients(numbers, 8, divisor, 4) == [number // divisor for number in numbers]


@pytest.mark.parametrize("divisor", REPEATING)
def test_numbers_around_multiples(divisor: int) -> None:
    source, top = random.Random(divisor), (1 << 64) - 1
    multiples = [divisor * source.randrange(top // divisor) for _ in range(4)]
    numbers = [
        0,
        1,
        divisor - 1,
        divisor,
        top - 1,
        top,
        *(m + by for m in multiples for by in (-1, 0, 1) if m),
    ]
    assert quotients(numbers, 64, divisor, 32) == [number // divisor for number in numbers]


def test_only_the_blocks_that_are_kept_are_computed() -> None:
    numbers = [0, 99, 2**64 - 1]
    for kept in (1, 5, 31):
        assert quotients(numbers, 64, 5, kept) == [number // 5 % 4**kept for number in numbers]


def test_a_repetition_is_the_reciprocal() -> None:
    assert repetition(5, BLOCKS) == Repetition(period=2, content=3, count=16)
    for divisor in REPEATING:
        by = repetition(divisor, BLOCKS)
        assert by is not None
        repeated = sum(by.content << (2 * by.period * each) for each in range(by.count))
        assert repeated * divisor == 4**by.places - 1
        assert by.places >= BLOCKS


def test_what_does_not_repeat_twice_is_none() -> None:
    assert repetition(125, BLOCKS) is None  # fifty blocks
    assert repetition(17, 8) == Repetition(period=4, content=15, count=2)
    assert repetition(17, 7) is None


@pytest.mark.parametrize(
    ("divisor", "look_ups"),
    [(3, 222), (5, 190), (7, 233), (10, 222), (12, 216), (60, 180), (100, 254), (1000, 555), (10**9, 424)],
)
def test_quotients_by_known_numbers(divisor: int, look_ups: int) -> None:
    """A power of four leaves for free, a two for a look-up per block; what repeats is added to itself."""
    assert cost_by("Div", FheType.UINT64, divisor).look_ups <= look_ups


def test_the_cheaper_way_is_taken() -> None:
    for divisor in REPEATING[::8]:
        by = repetition(divisor, BLOCKS)
        assert by is not None
        found = measured(divide(stored(64), divisor)).look_ups
        assert found <= measured(quotient(stored(64), by, BLOCKS)).look_ups


def test_an_estimate_is_near_what_it_takes() -> None:
    for divisor in (3, 5, 7, 11, 15, 17, 25):
        by = repetition(divisor, BLOCKS)
        assert by is not None
        taken = measured(quotient(stored(64), by, BLOCKS)).look_ups
        assert 0.7 < by.look_ups(BLOCKS) / taken < 1.4
    assert product_look_ups(0, 8, BLOCKS) == 0


def test_the_latency_form_does_not_wait_for_sums_after_one_another() -> None:
    by_five = measured(divide(stored(64), 5, Form.LATENCY))
    assert by_five.depth < measured(divide(stored(64), 5)).depth
