"""What operations cost, pinned: an algorithm that grows fails here."""

import pytest

from streams.domain.operations import FheType
from streams.fhe.radix.block import DIGIT_MAX, Block, Wire, constants
from streams.fhe.radix.comparison import equal
from streams.fhe.radix.counts import (
    condition,
    cost,
    measured,
    rows,
    stored,
    transfer,
    whitepaper_transfer,
)
from streams.fhe.radix.executors import CountingExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.radix.lists import widened
from streams.fhe.radix.selection import select
from streams.fhe.radix.steps import LOADED, run

PINNED = [
    # operation, last operand clear, form, look-ups, depth
    ("Add", False, Form.THROUGHPUT, 32, 32),
    ("Sub", False, Form.THROUGHPUT, 32, 32),
    ("Add", False, Form.LATENCY, 85, 5),
    ("Sub", False, Form.LATENCY, 85, 5),
    ("Ge", False, Form.THROUGHPUT, 16, 16),
    ("Ge", False, Form.LATENCY, 21, 3),
    ("Ge", True, Form.THROUGHPUT, 16, 16),
    ("Eq", False, Form.THROUGHPUT, 17, 2),
    ("IfThenElse", False, Form.THROUGHPUT, 32, 1),
    ("BitXor", False, Form.THROUGHPUT, 32, 1),
    ("Max", False, Form.THROUGHPUT, 48, 17),
    ("Max", False, Form.LATENCY, 53, 4),
    ("Neg", False, Form.THROUGHPUT, 32, 32),
    ("Not", False, Form.THROUGHPUT, 0, 0),
    ("Shl", False, Form.THROUGHPUT, 195, 7),
    ("Rotr", False, Form.THROUGHPUT, 195, 7),
    ("Rotr", True, Form.THROUGHPUT, 32, 1),
    ("Cast", False, Form.THROUGHPUT, 0, 0),
    ("TrivialEncrypt", True, Form.THROUGHPUT, 0, 0),
    ("Rand", False, Form.THROUGHPUT, 32, 1),
]


@pytest.mark.parametrize(("name", "clear", "form", "look_ups", "depth"), PINNED)
def test_64_bit_counts(name: str, clear: bool, form: Form, look_ups: int, depth: int) -> None:
    found = cost(name, FheType.UINT64, form, clear=clear)
    assert (found.look_ups, found.depth) == (look_ups, depth)
    assert found.noise <= 39


# Products and lists are packed greedily: a better packing may come, a worse one not.
LIMITS = [
    ("Mul", False, 1168),
    ("Mul", True, 269),
    ("Div", True, 423),
    ("Rem", True, 477),
    ("Sum", False, 156),
    ("IsIn", False, 171),
    ("MulDiv", False, 4607),
    ("MulDiv", True, 2889),
]


@pytest.mark.parametrize(("name", "clear", "limit"), LIMITS)
def test_64_bit_limits(name: str, clear: bool, limit: int) -> None:
    assert cost(name, FheType.UINT64, clear=clear).look_ups <= limit


def test_a_shallow_product_is_below_its_limit_too() -> None:
    found = cost("Mul", FheType.UINT64, Form.LATENCY)
    assert found.look_ups <= 1436
    assert found.depth <= 16


def test_a_transfer_takes_112_look_ups() -> None:
    paid = measured(transfer(stored(64), stored(64), stored(64)))
    assert (paid.look_ups, paid.depth) == (112, 49)


def test_the_whitepapers_transfer_takes_144_look_ups() -> None:
    paid = measured(whitepaper_transfer(stored(64), stored(64), stored(64)))
    assert (paid.look_ups, paid.depth) == (144, 33)


def test_an_equality_refreshes_only_the_odd_blocks_of_a_selection() -> None:
    """They are taken four times; beside refreshed ones the even blocks are quiet enough."""
    chosen = [Block.of(Wire(0, 2 * DIGIT_MAX, 1 + LOADED)) for _ in range(32)]
    assert measured(equal(chosen, stored(64))).look_ups == 16 + 17
    assert measured(equal(chosen, chosen[::-1])).look_ups == 32 + 17


def test_a_condition_of_weight_one_costs_one_look_up_more() -> None:
    stored_condition = measured(select(condition(1), stored(64), stored(64)))
    assert stored_condition.look_ups == 33


@pytest.mark.parametrize(("weight", "look_ups"), [(1, 0), (8, 1)])
def test_a_choice_between_known_numbers_is_linear(weight: int, look_ups: int) -> None:
    paid = measured(select(condition(weight), constants(0x1234, 8), constants(0xFF00, 8)))
    assert paid.look_ups == look_ups


def test_a_choice_with_nothing_costs_its_own_digits_only() -> None:
    """A number of eight bits cast to 64, against zero: whichever side it is on, the result is fresh."""
    number, nothing = widened(stored(8), 32), constants(0, 32)
    for sides in ((number, nothing), (nothing, number)):
        executor = CountingExecutor()
        chosen = run(select(condition(), *sides), executor)
        assert (executor.look_ups, {block.noise for block in chosen}) == (4, {0, 1})


@pytest.mark.parametrize("bits", sorted({fhe_type.bits for fhe_type in FheType}))
def test_no_algorithm_exceeds_the_noise_budget_or_the_padding_bit(bits: int) -> None:
    # Counting refuses what a device would refuse, so that every row is a proof for its operands.
    assert all(row.cost.noise <= 39 for row in rows(bits))
