"""The window: what fails fails alone, nothing waits for a straggler, tenants and priorities get their due."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from streams.domain.errors import Irrecoverable, KeyMissing, OperationError, WorkerCrashed
from streams.domain.work import Step
from streams.fhe.radix.block import Block
from streams.fhe.radix.executors import ClearExecutor
from streams.fhe.radix.operations import ALGORITHMS, Request
from streams.fhe.radix.steps import LookUp, NoiseExceeded, Outputs, Steps, identity, look_up
from streams.fhe.wave.component import Component, Computed, DependencyFailed, Failed, Result, Value
from streams.fhe.wave.executor import WaveExecutor
from tests.unit.fhe.wave.windows import (
    BOOL,
    KEY,
    U8,
    U64,
    ClearSide,
    component,
    handle,
    settled,
    step,
    values,
    window,
    word,
)

X, Y, LOUD, SUM = handle("x"), handle("y"), handle("loud"), handle("sum")
TOO_LOUD = 40  # the budget is 39: no look-up takes such a block


def inputs(side: ClearSide) -> dict[bytes, Value]:
    return {X: side.value(U8, 200), Y: side.value(U8, 77), LOUD: side.value(U8, 5, TOO_LOUD)}


def addition(side: ClearSide, name: str, tenant: str = "t", priority: int = 0) -> Component:
    return component(
        name, step("Add", X, Y, result=SUM), inputs=inputs(side), tenant=tenant, priority=priority
    )


def failing(side: ClearSide, name: str = "bad", tenant: str = "t") -> Component:
    return component(name, step("Add", X, LOUD, result=SUM), inputs=inputs(side), tenant=tenant)


def by_handle(results: Sequence[Result]) -> dict[bytes, Result]:
    return {each.handle: each for each in results}


def error_of(result: Result) -> OperationError:
    assert isinstance(result, Failed)
    return result.error


# What fails.


def test_a_failing_operation_fails_alone() -> None:
    side = ClearSide()
    given = [addition(side, "one"), failing(side), addition(side, "two")]
    found = {each.component: each for each in settled(side, *given)}
    assert isinstance(error_of(found["bad"]), NoiseExceeded)
    for name in ("one", "two"):
        result = found[name]
        assert isinstance(result, Computed)
        assert side.number(result.value) == 277 % 256


def test_the_rest_of_a_batch_with_a_failure_runs_in_the_same_step() -> None:
    side = ClearSide()
    executor = window(side, 64)
    for index in range(9):
        given = step("BitXor", X, Y if index != 4 else LOUD, result=SUM)
        executor.submit(component(f"c{index}", given, inputs=inputs(side)))
    assert Counter(type(each) for each in executor.advance()) == {Computed: 8, Failed: 1}
    assert executor.is_idle


def test_dependents_of_a_failure_fail_with_its_cause_and_others_go_on() -> None:
    side = ClearSide()
    bad, after, last, good = (handle(name) for name in ("bad", "after", "last", "good"))
    given = component(
        "c",
        step("Add", X, LOUD, result=bad),
        step("Add", bad, Y, result=after),
        step("Sub", X, after, result=last),
        step("Sub", X, Y, result=good),
        inputs=inputs(side),
        outputs=[after, last, good],
    )
    found = by_handle(settled(side, given))
    assert found.keys() == {after, last, good}
    assert isinstance(found[good], Computed)
    for lost in (after, last):
        error = error_of(found[lost])
        assert isinstance(error, DependencyFailed)
        assert isinstance(error.__cause__, NoiseExceeded)
        assert bad.hex() in str(error)


def test_a_handle_that_two_failures_reach_is_told_once() -> None:
    side = ClearSide()
    bad, worse = handle("bad"), handle("worse")
    given = component(
        "c",
        step("Add", X, LOUD, result=bad),
        step("Sub", Y, LOUD, result=worse),
        step("Add", bad, worse, result=SUM),
        inputs=inputs(side),
    )
    (result,) = settled(side, given)
    assert isinstance(error_of(result), DependencyFailed)


def test_an_error_of_planning_is_one_of_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(request: Request) -> Steps[list[Block]]:
        raise OperationError(f"no plan for {request.fhe_type.name}")

    monkeypatch.setitem(ALGORITHMS, "Neg", refusing)
    side = ClearSide()
    given = component("bad", step("Neg", X, result=SUM), inputs=inputs(side))
    found = {each.component: each for each in settled(side, given, addition(side, "good"))}
    assert str(error_of(found["bad"])) == "no plan for UINT8"
    assert isinstance(found["good"], Computed)


def test_a_defect_of_an_algorithm_costs_its_own_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(request: Request) -> Steps[list[Block]]:
        yield [look_up(request.number(0)[0], identity)]
        raise KeyError("lost")

    monkeypatch.setitem(ALGORITHMS, "Neg", defective)
    side = ClearSide()
    given = component("bad", step("Neg", X, result=SUM), inputs=inputs(side))
    found = {each.component: each for each in settled(side, given, addition(side, "good"))}
    assert str(error_of(found["bad"])) == "Neg: KeyError: 'lost'"
    assert isinstance(error_of(found["bad"]).__cause__, KeyError)
    assert isinstance(found["good"], Computed)


# What is refused before anything runs.


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (step("Add", X, handle("gone"), result=SUM), "neither given nor computed"),
        (step("Ge", X, Y, result=SUM), "gives type 0"),
        (step("IfThenElse", X, X, Y, result=SUM), "must be a Bool"),
        (step("Add", X, result=SUM), "takes 2 operands"),
        (step("Div", X, Y, result=SUM), "takes a plaintext"),
        (step("Div", X, word(0), result=SUM, is_scalar=True), "by zero"),
        (step("MulDiv", X, Y, word(256), result=SUM), "by zero"),
        (step("Add", X, Y, result=X), "computed twice"),
        (step("Add", X, Y, result=handle("other")), "no step computes"),
        (step("Add", X, Y, result=SUM[:31]), "32 bytes, not 31"),
    ],
)
def test_a_defect_is_found_before_anything_runs(given: Step, reason: str) -> None:
    side = ClearSide()
    executor = window(side)
    first = step("Sub", X, Y, result=handle("first"))
    with pytest.raises(OperationError, match=reason):
        executor.submit(component("c", first, given, inputs=inputs(side), outputs=[SUM]))
    assert executor.is_idle


def test_an_input_of_the_wrong_shape_is_refused() -> None:
    side = ClearSide()
    long = side.value(U64, 3)
    for given in (long, Value(U8, long.blocks)):
        with pytest.raises(OperationError, match="the input"):
            window(side).submit(component("c", step("Not", X, result=SUM), inputs={X: given}))


def test_a_window_is_of_one_key_set() -> None:
    side = ClearSide()
    with pytest.raises(KeyMissing, match=KEY.hex()):
        window(side).submit(replace(addition(side, "c"), key_id=b"other"))


# What a device's own failure does.


class Unsteady(ClearExecutor):
    """Is away every other time."""

    turns = 0

    def run(self, batch: Sequence[LookUp]) -> list[Outputs]:
        self.turns += 1
        if self.turns % 2:
            raise WorkerCrashed
        return super().run(batch)


def test_a_device_that_fails_fails_no_operation() -> None:
    side = ClearSide()
    side.runner = Unsteady()
    executor = window(side)
    executor.submit(addition(side, "c"))
    results = list[Result]()
    while not executor.is_idle:
        with pytest.raises(WorkerCrashed):
            executor.advance()
        results += executor.advance()
    assert [side.number(value) for value in values(results).values()] == [277 % 256]
    assert (executor.utilisation.batches, executor.utilisation.failed) == (4, 0)


def test_look_ups_that_were_not_computed_wait_again() -> None:
    side = ClearSide()
    executor = window(side)
    executor.submit(addition(side, "c"))
    executor.start()
    shares = executor.take()
    assert (executor.waiting, executor.take()) == (0, [])
    executor.put_back(shares)
    assert executor.waiting == 1
    assert [side.number(value) for value in values(list(executor.drain())).values()] == [277 % 256]


def test_what_was_withdrawn_comes_back_to_nobody() -> None:
    side = ClearSide()
    executor = window(side)
    executor.submit(addition(side, "gone"))
    executor.start()
    shares = executor.take()
    executor.withdraw("gone")
    executor.submit(addition(side, "there"))
    executor.give(executor.run(shares))
    assert [each.component for each in executor.drain()] == ["there"]
    assert executor.utilisation.look_ups == 5


# Who goes when.


def test_batches_that_are_away_at_a_time_are_of_equal_size() -> None:
    side = ClearSide()
    executor = window(side, 16)
    for index in range(10):
        executor.submit(component(f"c{index}", step("BitXor", X, Y, result=SUM), inputs=inputs(side)))
    executor.start()
    batches = [executor.take(parts=3) for _ in range(4)]
    assert [sum(len(share.look_ups) for share in batch) for batch in batches] == [14, 14, 12, 0]


def test_a_full_batch_is_cut_no_further() -> None:
    side = ClearSide()
    executor = window(side, 8)
    for index in range(10):
        executor.submit(component(f"c{index}", step("BitXor", X, Y, result=SUM), inputs=inputs(side)))
    executor.start()
    assert [sum(len(share.look_ups) for share in executor.take(parts=2)) for _ in range(5)] == [8] * 5


def order_of(executor: WaveExecutor) -> list[str]:
    """Components as they finish."""
    return [each.component for each in executor.drain()]


def test_nothing_waits_for_a_straggler() -> None:
    side = ClearSide()
    executor = window(side, 4)
    product = component("product", step("Mul", X, Y, result=SUM), inputs=inputs(side), tenant="slow")
    executor.submit(product)
    assert executor.advance() == []
    executor.submit(addition(side, "late", tenant="quick"))
    assert order_of(executor) == ["late", "product"]


def test_a_component_goes_on_while_others_fill_its_batches() -> None:
    side = ClearSide()
    executor = window(side, 8)
    for name in ("a", "b"):
        executor.submit(addition(side, name))
    for _ in range(3):
        assert executor.advance() == []  # four blocks, one carry after the other
    assert sorted(each.component for each in executor.advance()) == ["a", "b"]
    assert executor.utilisation.look_ups == 8


def test_a_tenant_that_floods_holds_up_no_other() -> None:
    side = ClearSide()
    executor = window(side, 8)
    for index in range(30):
        executor.submit(addition(side, f"flood {index}", tenant="many"))
    executor.submit(addition(side, "single", tenant="one"))
    assert "single" in order_of(executor)[:9]


def test_priority_goes_first_within_a_tenant() -> None:
    side = ClearSide()
    executor = window(side, 1)
    for name, priority in (("first", 0), ("second", 0), ("third", 0), ("urgent", 5)):
        executor.submit(addition(side, name, priority=priority))
    assert order_of(executor) == ["urgent", "first", "second", "third"]


def test_the_priorities_of_a_tenant_take_nothing_from_another() -> None:
    side = ClearSide()
    executor = window(side, 2)
    for index in range(4):
        executor.submit(addition(side, f"urgent {index}", tenant="loud", priority=9))
    executor.submit(addition(side, "modest", tenant="quiet"))
    assert "modest" in order_of(executor)[:2]


# What the numbers say.


def test_many_operations_fill_batches_that_one_leaves_empty() -> None:
    side = ClearSide()
    fills = list[float]()
    for count in (1, 16):
        executor = window(side, 16)
        for index in range(count):
            executor.submit(addition(side, f"c{index}"))
        list(executor.drain())
        fills.append(executor.utilisation.fill)
    assert fills == [1 / 16, 1.0]


def test_counts_are_those_of_what_ran() -> None:
    side = ClearSide()
    executor = window(side, 3)
    executor.submit(addition(side, "c"))
    executor.submit(failing(side))
    before = executor.utilisation
    assert (before.batches, before.fill, before.running, before.waiting) == (0, 0.0, 0, 0)
    executor.advance()
    assert executor.utilisation.running == 1
    list(executor.drain())
    after = executor.utilisation
    assert (after.computed, after.failed) == (1, 1)
    assert (after.batches, after.look_ups, after.places, after.last_batch) == (4, 4, 12, 1)
    assert (after.running, after.waiting) == (0, 0)
    assert executor.is_idle


def test_steps_that_no_output_needs_are_not_run() -> None:
    side = ClearSide()
    executor = window(side)
    steps = [step("Mul", X, Y, result=handle("unused")), step("Eq", X, Y, result=handle("same", BOOL))]
    executor.submit(component("c", *steps, inputs=inputs(side)))
    assert len(list(executor.drain())) == 1
    assert executor.utilisation.computed == 1


def test_operations_on_known_values_need_no_batch() -> None:
    side = ClearSide()
    executor = window(side)
    known, total = handle("known"), handle("total")
    steps = [
        step("TrivialEncrypt", word(7), bytes([U8]), result=known, is_scalar=True),
        step("Add", known, word(5), result=total, is_scalar=True),
    ]
    executor.submit(component("c", *steps, inputs={}))
    (result,) = executor.advance()
    assert isinstance(result, Computed)
    assert [block.low for block in result.value.blocks] == [0, 3, 0, 0]
    assert executor.utilisation.batches == 0


def test_errors_of_a_window_are_never_tried_again() -> None:
    assert issubclass(DependencyFailed, Irrecoverable)
