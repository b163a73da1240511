"""A component in the window: order, release of values, weights of conditions."""

from streams.fhe.wave.component import Component, Value
from streams.fhe.wave.progress import Progress
from tests.unit.fhe.wave.windows import BOOL, U8, ClearSide, component, handle, step, word

X, Y, A, B, C = (handle(name) for name in "xyabc")
FITS = handle("fits", BOOL)
SIDE = ClearSide()
VALUE = SIDE.value(U8, 3)
FLAG = SIDE.value(BOOL, 1)
INPUTS = {X: VALUE, Y: VALUE}


def diamond(outputs: list[bytes]) -> Component:
    steps = [
        step("Add", X, Y, result=A),
        step("Sub", X, A, result=B),
        step("Add", A, B, result=C),
    ]
    return component("c", *steps, inputs=INPUTS, outputs=outputs)


def test_a_step_is_ready_when_its_last_operand_is_there() -> None:
    progress = Progress(diamond([C]), 0)
    (first,) = progress.ready
    (second,), wanted = progress.computed(first, VALUE)
    assert (first.result, second.result, wanted) == (A, B, [])
    (third,), _ = progress.computed(second, VALUE)
    ready, (result,) = progress.computed(third, VALUE)
    assert (third.result, ready, result.handle) == (C, [], C)


def test_values_are_let_go_with_their_last_use() -> None:
    progress = Progress(diamond([A, C]), 0)
    held, ready = [progress.held], progress.ready
    while ready:
        (ready, _) = progress.computed(ready[0], VALUE)
        held.append(progress.held)
    assert held == [2, 2, 2, 0]  # x y, x a, a b, and the results are with whoever wanted them


def test_a_component_goes_in_its_lane() -> None:
    urgent = Progress(component("c", step("Not", X, result=A), inputs=INPUTS, priority=2), 4)
    assert (urgent.lane, urgent.order) == ((b"", 2), 4)


def conditional(outputs: list[bytes], *more: bytes) -> Progress:
    steps = [step("Ge", X, Y, result=FITS), step("IfThenElse", FITS, X, Y, result=A)]
    if more:
        steps.append(step("Cast", FITS, bytes([U8]), result=more[0], is_scalar=True))
    return Progress(component("c", *steps, inputs=INPUTS, outputs=outputs), 0)


def weight(progress: Progress) -> int:
    return progress.weight(progress.ready[0])


def test_a_comparison_that_only_selects_is_made_for_it() -> None:
    assert weight(conditional([A])) == 8
    assert weight(conditional([A, FITS])) == 1
    assert weight(conditional([A, B], B)) == 1
    # A use that nobody needs is none.
    assert weight(conditional([A], B)) == 8


def test_a_comparison_that_chooses_between_known_numbers_is_multiplied() -> None:
    known = [
        step("TrivialEncrypt", word(each), bytes([U8]), result=name, is_scalar=True)
        for name, each in ((A, 5), (B, 7))
    ]
    steps = [step("Ge", X, Y, result=FITS), *known, step("IfThenElse", FITS, A, B, result=C)]
    assert weight(Progress(component("c", *steps, inputs=INPUTS, outputs=[C]), 0)) == 1
    other = handle("other")
    steps.append(step("IfThenElse", FITS, X, Y, result=other))
    assert weight(Progress(component("c", *steps, inputs=INPUTS, outputs=[C, other]), 0)) == 8


def test_a_bool_that_is_chosen_is_no_condition() -> None:
    chosen = handle("chosen", BOOL)
    inputs: dict[bytes, Value] = {**INPUTS, handle("flag", BOOL): FLAG}
    steps = [
        step("Eq", X, Y, result=FITS),
        step("IfThenElse", handle("flag", BOOL), FITS, handle("flag", BOOL), result=chosen),
    ]
    assert weight(Progress(component("c", *steps, inputs=inputs, outputs=[chosen]), 0)) == 1
