"""What operations of one component ask alike is computed once, and is one noise."""

from collections.abc import Sequence

import pytest

from streams.domain.work import Step
from streams.fhe.radix.block import Block, Wire
from streams.fhe.radix.forms import Form
from streams.fhe.radix.operations import ALGORITHMS, Request
from streams.fhe.radix.steps import BUDGET, Outputs, Steps, firsts, identity, look_up
from streams.fhe.radix.table import PaddingExceeded
from streams.fhe.wave.asked import Asked
from streams.fhe.wave.component import Component, Computed, Failed
from streams.fhe.wave.executor import WaveExecutor
from tests.unit.fhe.wave.windows import U8, ClearSide, component, handle, step, values, window, word

X, Y, ONE, TWO, THREE, OUT = map(handle, ("x", "y", "one", "two", "three", "out"))
SUMS = (
    step("Add", X, Y, result=ONE),
    step("Add", Y, X, result=TWO),
    step("Sum", X, Y, result=THREE),
)
MASK = 0b0101_0101  # something in every digit
COMBINED = {
    "Sum": 3 * (200 + 77) % 256,
    "Add": 2 * (200 + 77) % 256,
    "Sub": 0,
    "Mul": (200 + 77) ** 2 % 256,
    "BitXor": 0,
    "Max": (200 + 77) % 256,
}


def given(side: ClearSide, *steps: Step, name: str = "c", noise: float = 1) -> Component:
    """Everything that is computed is wanted."""
    inputs = {X: side.value(U8, 200, noise), Y: side.value(U8, 77, noise)}
    return component(name, *steps, inputs=inputs, outputs=[each.result for each in steps])


def run(side: ClearSide, parts: Sequence[Component], size: int, form: Form) -> tuple[WaveExecutor, list[int]]:
    executor = window(side, size, form)
    for each in parts:
        executor.submit(each)
    return executor, [side.number(value) for value in values(list(executor.drain())).values()]


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_sum_that_is_written_in_three_ways_is_computed_once(size: int, form: Form) -> None:
    side = ClearSide()
    alone, _ = run(side, [given(side, SUMS[0])], size, form)
    together, numbers = run(side, [given(side, *SUMS)], size, form)
    assert together.utilisation.look_ups == alone.utilisation.look_ups
    assert numbers == [(200 + 77) % 256] * 3


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("name", sorted(COMBINED))
def test_copies_that_are_combined_stay_within_the_budget(name: str, size: int, form: Form) -> None:
    operands = (ONE, TWO, THREE) if name == "Sum" else (ONE, THREE)
    side, combined = ClearSide(), step(name, *operands, result=OUT)
    _, numbers = run(side, [given(side, *SUMS, combined)], size, form)
    assert numbers[-1] == COMBINED[name]
    assert side.runner.noise <= BUDGET


def test_components_have_nothing_in_common() -> None:
    """Not even where they are made of the same blocks."""
    side = ClearSide()
    one = given(side, SUMS[0])
    parts = [one, component("d", SUMS[1], inputs=one.inputs)]
    assert run(side, parts, 100, Form.THROUGHPUT)[0].utilisation.look_ups == 8


def test_what_is_there_is_not_computed_again() -> None:
    """The last step waits for another one, when the first one is through."""
    side, other, zero, same = ClearSide(), handle("other"), handle("zero"), handle("same")
    steps = (
        step("BitXor", X, word(MASK), result=ONE, is_scalar=True),
        step("BitXor", Y, word(MASK), result=other, is_scalar=True),
        step("Sub", other, other, result=zero),
        step("Add", X, zero, result=same),
        step("BitXor", same, word(MASK), result=TWO, is_scalar=True),
    )
    executor, numbers = run(side, [given(side, *steps)], 100, Form.THROUGHPUT)
    assert executor.utilisation.look_ups == 4 + 4
    assert sorted(numbers) == sorted([0, 200, 200 ^ MASK, 200 ^ MASK, 77 ^ MASK])


@pytest.mark.parametrize("size", [1, 3, 100])
def test_what_is_refused_is_refused_for_all_who_ask(size: int) -> None:
    side = ClearSide()
    executor = window(side, size)
    executor.submit(given(side, *SUMS, noise=BUDGET + 1))
    executor.submit(given(side, SUMS[0], name="quiet"))
    found = list(executor.drain())
    failed = [each for each in found if isinstance(each, Failed)]
    assert [each.handle for each in failed] == [ONE, TWO, THREE]
    assert {str(each.error) for each in failed} == {"noise 40, the budget is 39"}
    assert len(found) == 4
    assert executor.is_idle


def test_a_batch_that_comes_back_uncomputed_is_asked_again_for_all() -> None:
    side = ClearSide()
    executor = window(side, 3)
    executor.submit(given(side, *SUMS))
    executor.start()
    executor.put_back(executor.take())
    assert {side.number(value) for value in values(list(executor.drain())).values()} == {21}


@pytest.mark.parametrize("names", [("Neg", "Not"), ("Not", "Neg")])
def test_nobody_waits_for_an_operation_that_asks_for_what_is_no_table(
    names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sound(request: Request) -> Steps[list[Block]]:
        return firsts([look_up(block, identity) for block in request.number(0)])

    def unsound(request: Request) -> Steps[list[Block]]:
        low, *_ = request.number(0)
        return firsts([look_up(low, identity), look_up(low * 8, identity)])

    monkeypatch.setitem(ALGORITHMS, "Not", sound)
    monkeypatch.setitem(ALGORITHMS, "Neg", unsound)
    side = ClearSide()
    executor = window(side)
    executor.submit(given(side, *(step(name, X, result=handle(name)) for name in names), noise=0.25))
    found = {each.handle: each for each in executor.drain()}
    failed, computed = found[handle("Neg")], found[handle("Not")]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, PaddingExceeded)
    assert isinstance(computed, Computed)
    assert side.number(computed.value) == 200


class Alone:
    """Asks, and shares with nobody."""

    def hear(self, place: int, outputs: Outputs) -> None:
        raise AssertionError

    def take_over(self, place: int) -> bool:
        raise AssertionError


def test_names_of_values_that_are_gone_are_let_go() -> None:
    asked, kept = Asked(), list[Outputs]()
    for _ in range(5_000):
        each = look_up(Block.of(Wire(0, 6)), identity)
        assert asked.is_new(each, Alone(), 0)
        outputs = each.outputs([None])
        asked.computed(each, outputs)
        kept = [*kept[:9], outputs]
    assert asked.size <= 1024
    assert asked.answer(each) is not None
