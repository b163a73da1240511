"""Operands that share ciphertexts: never too noisy, and refreshed only where they would be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.errors import OperationError
from streams.domain.operations import BY_NAME, FheType, Scalar
from streams.fhe.radix.block import DIGIT_MAX, Block, Wire, constants
from streams.fhe.radix.counts import stored
from streams.fhe.radix.executors import ClearExecutor, CountingExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.radix.functions import at_least
from streams.fhe.radix.operations import ALGORITHMS, Request, plan, requested
from streams.fhe.radix.steps import QUIET, NoiseExceeded, Steps, first, firsts, identity, look_up, run
from streams.fhe.wave.independence import planned
from tests.unit.fhe.radix.semantics import BINARY

U8 = FheType.UINT8
ENCRYPTED = sorted(name for name in BINARY if BY_NAME[name].scalar is not Scalar.MUST)


@pytest.mark.parametrize("name", ENCRYPTED)
@pytest.mark.parametrize("form", list(Form))
@given(value=st.integers(0, 255), noise=st.integers(1, 9))
@settings(max_examples=5, deadline=None)
def test_every_operation_on_one_number_twice(name: str, form: Form, value: int, noise: int) -> None:
    executor = ClearExecutor()
    blocks = executor.encrypt([value], 8, noise)
    request = requested(name, (blocks, blocks), U8, form)
    assert executor.decrypt(run(planned(request), executor), 1) == [BINARY[name](value, value, 8) & 255]


def test_a_shallow_sum_of_a_number_with_itself_is_refused_without() -> None:
    executor = ClearExecutor()
    blocks = executor.encrypt([77], 8)
    with pytest.raises(NoiseExceeded):
        run(plan(requested("Add", (blocks, blocks), U8, Form.LATENCY)), executor)
    assert executor.decrypt(
        run(planned(requested("Add", (blocks, blocks), U8, Form.LATENCY)), executor), 1
    ) == [154]


def test_a_rippling_sum_of_a_number_with_itself_costs_no_more() -> None:
    executor = ClearExecutor()
    blocks = executor.encrypt([77], 8)
    run(planned(requested("Add", (blocks, blocks), U8, Form.THROUGHPUT)), executor)
    assert executor.look_ups == 4


def test_a_sum_of_one_number_many_times_separates_all_of_them() -> None:
    executor = ClearExecutor()
    blocks = executor.encrypt([77], 8)
    request = requested("Sum", (blocks,) * 30, U8, Form.THROUGHPUT)
    assert executor.decrypt(run(planned(request), executor), 1) == [77 * 30 & 255]
    assert executor.noise <= 39


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("count", [8, 20, 60])
def test_the_copies_of_a_number_that_is_summed_have_noises_of_their_own(count: int, form: Form) -> None:
    """Bootstraps of one block give one noise: twenty of them in a column were taken for strangers."""
    request = requested("Sum", (stored(8),) * count, U8, form)
    run(planned(request), CountingExecutor())


@pytest.mark.parametrize("form", list(Form))
def test_a_loud_number_twice(form: Form) -> None:
    """What an algorithm bootstraps itself is no copy of what was bootstrapped before it."""
    loud = [Block.of(Wire(0, 2 * DIGIT_MAX, QUIET + 1)) for _ in range(4)]
    for name in ENCRYPTED:
        run(planned(requested(name, (loud, loud), U8, form)), CountingExecutor())
    run(planned(requested("Sum", (loud,) * 4, U8, form)), CountingExecutor())


def test_a_value_is_looked_for_once_among_equal_candidates() -> None:
    value, once, other = stored(64), stored(64), stored(64)
    request = requested("IsIn", (value, once, *(other,) * 30, once), FheType.UINT64, Form.THROUGHPUT)
    executor = CountingExecutor()
    run(planned(request), executor)
    assert executor.look_ups == 2 * 17 + 1


def test_a_number_and_what_contains_it() -> None:
    """As a selection leaves it: one branch plus a look-up."""
    executor = ClearExecutor()
    left, other = executor.encrypt([200], 8), executor.encrypt([3], 8)
    condition = executor.encrypt([1], 1)
    chosen = run(plan(requested("IfThenElse", (condition, other, left), U8, Form.THROUGHPUT)), executor)
    for form in Form:
        result = run(planned(requested("Add", (chosen, left), U8, form)), executor)
        assert executor.decrypt(result, 1) == [203]


@pytest.mark.parametrize("name", ENCRYPTED)
@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("yes", [0b01_01_01_01, 0b11_11_11_11, 0b11_10_01_00])
def test_a_choice_between_known_numbers_contains_its_condition_in_all_blocks(
    name: str, form: Form, yes: int
) -> None:
    executor = ClearExecutor()
    other, condition = executor.encrypt([77], 8), executor.encrypt([1], 1)
    request = requested("IfThenElse", (condition, constants(yes, 4), constants(0, 4)), U8, form)
    chosen = run(plan(request), executor)
    assert executor.look_ups == 0
    request = requested(name, (other, chosen), U8, form)
    assert executor.decrypt(run(planned(request), executor), 1) == [BINARY[name](77, yes, 8) & 255]


def test_an_operation_that_asks_for_what_an_operand_is_made_of_begins_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its operands share no wire, but one of them is a look-up that it makes itself: 64 units and not 32."""

    def both(request: Request) -> Steps[list[Block]]:
        (one,), (other,) = request.number(0), request.number(1)
        fresh = yield from first(look_up(one, identity))
        return (yield from firsts([look_up(fresh * 4 + other * 4, at_least(8))]))

    monkeypatch.setitem(ALGORITHMS, "BitAnd", both)
    executor = ClearExecutor()
    (one,) = executor.encrypt([1], 1)
    copy = run(first(look_up(one, identity)), executor)
    request = requested("BitAnd", ([one], [copy]), FheType.BOOL, Form.THROUGHPUT)
    with pytest.raises(NoiseExceeded):
        run(plan(request), executor)
    assert executor.decrypt(run(planned(request), executor), 1) == [1]


def test_what_cannot_be_planned_is_still_refused() -> None:
    blocks = ClearExecutor().encrypt([1], 8)
    with pytest.raises(OperationError, match="takes a plaintext"):
        planned(requested("Div", (blocks, blocks), U8, Form.THROUGHPUT))
