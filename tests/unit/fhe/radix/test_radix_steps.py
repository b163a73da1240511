"""The language of algorithms: batching, constants, refusals."""

import numpy as np
import pytest

from streams.fhe.radix.block import Block, RangeClaimWrong, Wire
from streams.fhe.radix.executors import ClearExecutor, CountingExecutor
from streams.fhe.radix.functions import carry, message, step
from streams.fhe.radix.steps import (
    BUDGET,
    LookUp,
    NoiseExceeded,
    Steps,
    batch,
    first,
    firsts,
    identity,
    look_up,
    refreshed,
    run,
    together,
)
from streams.fhe.radix.table import PaddingExceeded


def noisy(noise: int, high: int = 3) -> Block:
    return Block.of(Wire(0, 2 * high, noise))


def chain(length: int) -> Steps[int]:
    block = noisy(1)
    for _ in range(length):
        block = yield from first(look_up(block, identity))
    return length


def test_a_look_up_at_the_budget_runs() -> None:
    assert run(first(look_up(noisy(BUDGET), identity)), CountingExecutor()).noise == 1


def test_a_look_up_above_the_budget_is_refused() -> None:
    with pytest.raises(NoiseExceeded, match="noise 40, the budget is 39"):
        run(first(look_up(noisy(BUDGET + 1), identity)), CountingExecutor())


def test_a_look_up_beyond_the_padding_bit_is_refused() -> None:
    with pytest.raises(PaddingExceeded):
        run(first(look_up(noisy(1, high=20), message)), CountingExecutor())


def test_nothing_of_a_batch_runs_when_one_look_up_is_refused() -> None:
    executor = CountingExecutor()
    with pytest.raises(NoiseExceeded):
        run(firsts([look_up(noisy(1), identity), look_up(noisy(99), identity)]), executor)
    assert executor.look_ups == 0


def test_constants_cost_nothing() -> None:
    executor = CountingExecutor()
    outputs = run(batch([look_up(Block.constant(6), message, carry)]), executor)
    assert outputs == [(Block.constant(2), Block.constant(1))]
    assert (executor.look_ups, executor.depth) == (0, 0)


def test_constants_and_ciphertexts_keep_their_order() -> None:
    executor = CountingExecutor()
    outputs = run(firsts([look_up(Block.constant(1), step(5)), look_up(noisy(1), step(5))]), executor)
    assert (outputs[0].is_constant, outputs[1].is_constant, executor.look_ups) == (True, False, 1)


def test_equal_look_ups_are_asked_once_and_give_one_wire() -> None:
    executor, block = CountingExecutor(), noisy(1)
    same, again = (look_up(block + block, identity) for _ in range(2))
    first_of, other, second = run(firsts([same, look_up(block, step(5)), again]), executor)
    assert (executor.look_ups, (first_of + second).noise, (first_of + other).noise) == (2, 4, 2)


def test_equal_look_ups_give_equal_wires_whenever_they_are_asked_and_however_they_are_written() -> None:
    left, right = noisy(1), noisy(1)
    sums = (left + right, right + left, (right * 2 - right + left).within(0, 6))
    one, two, three = (run(first(look_up(each, identity)), CountingExecutor()) for each in sums)
    assert one.terms == two.terms == three.terms
    for other in (left + right + 1, left - right + 3, left * 2 + right, noisy(1) + right):
        assert run(first(look_up(other.within(0, 15), identity)), CountingExecutor()).terms != one.terms
    assert run(first(look_up(sums[0], carry)), CountingExecutor()).terms != one.terms
    assert (one - two).is_constant


def is_negative(value: int) -> int:
    return int(value < 0)


def one_or_two(value: int) -> int:
    return 1 + int(value < 0)


def test_functions_that_differ_by_a_constant_are_one_bootstrap_and_two_values() -> None:
    """On more than sixteen values the constant is no part of the table."""
    numbers = np.arange(-16, 16)
    executor, block = ClearExecutor(), Block.of(Wire(-32, 30, 1, 2 * numbers))
    signs, others = run(firsts([look_up(block, is_negative), look_up(block, one_or_two)]), executor)
    assert executor.look_ups == 1
    assert (executor.values(signs) == (numbers < 0)).all()
    assert (executor.values(others) == 1 + (numbers < 0)).all()
    assert ((signs.low, signs.high), (others.low, others.high)) == ((0, 1), (1, 2))
    assert (others - signs).is_constant


def test_results_of_equal_look_ups_have_one_noise() -> None:
    executor, block = CountingExecutor(), noisy(1)
    one, two, other = (run(first(look_up(each, identity)), executor) for each in (block, block, block + 1))
    run(first(look_up((one * 4 - two * 3 + other * 3).within(0, 15), carry)), executor)
    with pytest.raises(NoiseExceeded, match="noise 49"):
        run(first(look_up((one * 4 + two * 3).within(0, 15), carry)), executor)


def test_only_noisy_blocks_are_refreshed() -> None:
    executor = CountingExecutor()
    quiet, loud = noisy(2), noisy(3)
    kept = run(refreshed([quiet, loud], 2), executor)
    assert kept[0] is quiet
    assert (kept[1].noise, executor.look_ups) == (1, 1)


def test_algorithms_share_batches() -> None:
    executor = CountingExecutor()
    assert run(together([chain(3), chain(1), chain(0)]), executor) == [3, 1, 0]
    assert (executor.look_ups, executor.depth, executor.widest) == (4, 3, 2)


def test_nothing_together_is_nothing() -> None:
    assert run(together(list[Steps[int]]()), CountingExecutor()) == []


def test_the_clear_executor_refuses_a_wrong_claim() -> None:
    executor = ClearExecutor()
    block = executor.encrypt([3], 2)[0].within(0, 2)
    with pytest.raises(RangeClaimWrong):
        executor.run([LookUp(block, (identity,))])
