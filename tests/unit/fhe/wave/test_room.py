"""Operations begin as far as memory goes; nobody waits for ever, and no bit depends on it."""

from dataclasses import replace

import pytest

from streams.domain.schedule import SLOW_LANE
from streams.domain.work import Step
from streams.fhe.wave.component import Component, Computed
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.line import BLOCK_BYTES, bytes_of
from streams.fhe.wave.reserve import Reserve
from tests.unit.fhe.radix.live import LiveExecutor
from tests.unit.fhe.wave.windows import KEY, U8, ClearSide, component, handle, step, values

X, Y, LOUD, SUM, PRODUCT = (handle(name) for name in ("x", "y", "loud", "sum", "product"))
ADD, MUL = step("Add", X, Y, result=SUM), step("Mul", X, Y, result=PRODUCT)
SIDE = ClearSide()
INPUTS = {X: SIDE.value(U8, 200), Y: SIDE.value(U8, 77)}
FOUR = 4 * bytes_of(MUL)


def one(name: str, given: Step, tenant: str = "t", priority: int = 0) -> Component:
    return component(name, given, inputs=INPUTS, tenant=tenant, priority=priority)


def window(reserve: Reserve, *given: Component, batch_size: int = 8) -> WaveExecutor:
    executor = WaveExecutor(KEY, SIDE.runner, batch_size, reserve=reserve)
    for each in given:
        executor.submit(each)
    return executor


def begun(executor: WaveExecutor, most: int = 100) -> list[int]:
    """Operations in flight, batch after batch."""
    found = list[int]()
    while not executor.is_idle:
        executor.advance()
        found.append(executor.utilisation.running)
        assert len(found) < most * 100
    return found


def order_of(executor: WaveExecutor) -> list[str]:
    return [each.component for each in executor.drain()]


# How much is in flight.


def test_what_is_in_flight_holds_no_more_than_was_reserved() -> None:
    runner, reserve = LiveExecutor(), Reserve(FOUR)
    executor = WaveExecutor(KEY, runner, 8, reserve=reserve)
    for index in range(40):
        executor.submit(one(f"c{index}", MUL))
    for _ in executor.drain():
        assert reserve.promised <= FOUR
    assert executor.utilisation.computed == 40
    assert 0 < runner.peak * BLOCK_BYTES <= FOUR
    assert reserve.promised == 0


def test_as_many_begin_as_fit_and_others_as_those_end() -> None:
    executor = window(Reserve(FOUR), *(one(f"c{index}", MUL) for index in range(9)))
    executor.start()
    assert (executor.utilisation.running, executor.lacks_room) == (4, True)
    found = begun(executor)
    assert (max(found), executor.utilisation.computed, executor.lacks_room) == (4, 9, False)


def test_without_a_bound_all_begin() -> None:
    executor = window(Reserve(), *(one(f"c{index}", MUL) for index in range(9)))
    executor.start()
    assert (executor.utilisation.running, executor.lacks_room) == (9, False)


def test_a_lone_operation_begins_whatever_it_takes() -> None:
    executor = window(Reserve(1), *(one(f"c{index}", ADD) for index in range(5)), one("large", MUL))
    assert order_of(executor) == [*(f"c{index}" for index in range(5)), "large"]
    executor = window(Reserve(1), *(one(f"c{index}", ADD) for index in range(5)))
    assert max(begun(executor)) == 1


def test_values_are_right_where_one_step_waits_for_the_room_of_another() -> None:
    after = step("Sub", SUM, PRODUCT, result=handle("after"))
    known = step("TrivialEncrypt", bytes(32), bytes([U8]), result=handle("known"), is_scalar=True)
    given = component(
        "c",
        *(ADD, MUL, known, after),
        inputs=INPUTS,
        outputs=[after.result, known.result],
    )
    for bound in (0, 1, bytes_of(ADD), FOUR):
        found = values(list(window(Reserve(bound), given, replace(given, name="d")).drain()))
        due = {after.result: (277 - 200 * 77) % 256, known.result: 0}
        assert {place: SIDE.number(each) for place, each in found.items()} == {
            (name, result): number for name in "cd" for result, number in due.items()
        }


# Whose turn it is.


def test_small_ones_do_not_pass_a_large_one_for_ever() -> None:
    """They keep coming, and each of them would fit: as one ends there is room for one."""
    executor = window(Reserve(bytes_of(MUL) + bytes_of(ADD) // 2))
    found = list[str]()
    for index in range(60):
        executor.submit(one(f"small {index}", ADD))
        if index == 3:
            executor.submit(one("large", MUL))
        found += [each.component for each in executor.advance()]
    assert found.index("large") < 6
    assert len(found) + len(order_of(executor)) == 61


def test_the_older_component_begins_first() -> None:
    executor = window(Reserve(1), *(one(f"c{index}", ADD) for index in (2, 0, 1)))
    assert order_of(executor) == ["c2", "c0", "c1"]


def test_a_tenant_that_floods_holds_up_no_other() -> None:
    flood = [one(f"flood {index}", ADD, tenant="many") for index in range(30)]
    executor = window(Reserve(2 * bytes_of(ADD)), *flood, one("single", ADD, tenant="one"))
    assert "single" in order_of(executor)[:4]


def test_who_has_nothing_in_flight_passes_the_line_with_one_that_is_small() -> None:
    reserve = Reserve(FOUR)
    executor = window(reserve, *(one(f"many {index}", MUL) for index in range(9)))
    executor.start()
    for late, running in (("late", 5), ("later", 5)):
        executor.submit(one(late, ADD, tenant="one"))
        executor.start()
        assert executor.utilisation.running == running
    executor.submit(one("large", MUL, tenant="other"))
    executor.start()
    assert executor.utilisation.running == 5
    assert reserve.promised == FOUR + bytes_of(ADD)
    found = order_of(executor)
    assert found.index("later") < found.index("many 8")
    assert (len(found), reserve.promised) == (12, 0)


def test_what_passed_the_line_does_not_keep_its_head_waiting() -> None:
    """They keep coming; the large one has a place of its own in the account that they do not use."""
    executor = window(Reserve(FOUR), *(one(f"many {index}", MUL) for index in range(5)))
    found = list[str]()
    for index in range(60):
        executor.submit(one(f"small {index}", ADD, tenant=f"t{index % 3}"))
        found += [each.component for each in executor.advance()]
    assert {f"many {index}" for index in range(5)} < set(found)


def test_the_lanes_of_a_tenant_begin_by_their_priority() -> None:
    slow = [one(f"slow {index}", ADD, priority=SLOW_LANE) for index in range(20)]
    fast = [one(f"fast {index}", ADD) for index in range(20)]
    first = order_of(window(Reserve(1), *slow, *fast))[:18]
    assert 15 <= sum(name.startswith("fast") for name in first) < 18  # an eighth is the slow lane's


def test_equal_turns_are_equal_bytes() -> None:
    """Eight large ones of one tenant take what many small ones of the other do."""
    large = [one(f"large {index}", MUL, tenant="large") for index in range(8)]
    small = [one(f"small {index}", ADD, tenant="small") for index in range(100)]
    found = order_of(window(Reserve(1), *large, *small))
    beside = found[: found.index("large 7")]
    assert sum(name.startswith("small") for name in beside) == pytest.approx(
        7 * bytes_of(MUL) / bytes_of(ADD), rel=0.4
    )


# What is promised is given back.


def test_what_fails_gives_its_room_back() -> None:
    loud = {X: INPUTS[X], LOUD: SIDE.value(U8, 5, 40)}
    bad = component("bad", step("Add", X, LOUD, result=SUM), inputs=loud)
    reserve = Reserve(1)
    executor = window(reserve, bad, one("good", ADD))
    assert [type(each) is Computed for each in executor.drain()] == [False, True]
    assert reserve.promised == 0


def test_what_is_withdrawn_gives_its_room_back_wherever_it_was() -> None:
    reserve = Reserve(1)
    executor = window(reserve, *(one(f"c{index}", MUL) for index in range(4)))
    executor.advance()
    for gone in ("c0", "c1", "c3"):  # in flight, next in line, behind it
        executor.withdraw(gone)
    assert reserve.promised == 0
    assert order_of(executor) == ["c2"]
    assert reserve.promised == 0


def test_windows_of_two_key_sets_share_it_and_neither_waits_for_ever() -> None:
    reserve = Reserve(FOUR)
    one_window, other = (window(reserve, *(one(f"c{index}", MUL) for index in range(6))) for _ in range(2))
    one_window.start()
    other.start()
    assert (one_window.utilisation.running, other.utilisation.running) == (4, 1)
    assert len(order_of(other)) == 6
    one_window.close()
    assert reserve.promised == 0
