"""The bits of a result on `cpu` are those of its component alone, whatever shares its batches."""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED
from streams.fhe.wave.component import Component, Result, Value
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.forms import FEWEST_BATCHES, FEWEST_LOOK_UPS, FormChoice, by_load
from tests.unit.fhe.devices.sets import keys_of
from tests.unit.fhe.wave.windows import (
    BOOL,
    KEY,
    U8,
    DeviceSide,
    component,
    handle,
    step,
    values,
    window,
    word,
)

# The pinned set but for a short small key: 51 times fewer steps, the same polynomials.
CLIENT, SERVER = keys_of(replace(PINNED, lwe_dimension=18))
SIDE = DeviceSide(CLIENT, CpuDevice.prepare(SERVER))
NUMBERS = {"x": 200, "y": 77, "z": 3}
INPUTS = {handle(name): SIDE.value(U8, number) for name, number in NUMBERS.items()}
X, Y, Z = (handle(name) for name in NUMBERS)

Place = tuple[str, bytes]


def components() -> list[Component]:
    fits, moved, left, total = handle("fits", BOOL), handle("moved"), handle("left"), handle("total")
    sums = [step("Add", X, Y, result=total), step("Sub", total, Z, result=handle("b"))]
    transfer = [
        step("Le", Y, X, result=fits),
        step("IfThenElse", fits, Y, Z, result=moved),
        step("Sub", X, moved, result=left),
    ]
    drawn = step("Rand", bytes(16), bytes([U8]), result=handle("r"), is_scalar=True)
    return [
        component("sums", *sums, inputs=INPUTS),
        component("transfer", *transfer, inputs=INPUTS, outputs=[moved, left], tenant="other"),
        component("product", step("Mul", X, Y, result=handle("p")), inputs=INPUTS, priority=3),
        component("drawn", drawn, inputs={}),
    ]


WANTED = {
    ("sums", handle("b")): 18,
    ("transfer", handle("moved")): 77,
    ("transfer", handle("left")): 123,
    ("product", handle("p")): 200 * 77 % 256,
}


def computed(given: Sequence[Component], batch_size: int, forms: FormChoice) -> Mapping[Place, Value]:
    executor = window(SIDE, batch_size, forms)
    for each in given:
        executor.submit(each)
    return values(list(executor.drain()))


def bits(found: Mapping[Place, Value]) -> dict[Place, Words]:
    return {place: SIDE.ciphertexts(value) for place, value in found.items()}


def alone(forms: FormChoice) -> dict[Place, Words]:
    """Each component in a window of its own, a look-up at a time."""
    return {
        place: words for each in components() for place, words in bits(computed([each], 1, forms)).items()
    }


@pytest.mark.parametrize("forms", [FEWEST_LOOK_UPS, FEWEST_BATCHES])
@pytest.mark.parametrize("batch_size", [3, 32, 500])
def test_other_components_do_not_change_bits(forms: FormChoice, batch_size: int) -> None:
    expected = alone(forms)
    for given in (components(), components()[::-1]):
        found = bits(computed(given, batch_size, forms))
        assert found.keys() == expected.keys()
        assert all(np.array_equal(words, expected[place]) for place, words in found.items())


@pytest.mark.parametrize("seed", range(3))
def test_batches_beside_each_other_do_not_change_bits(seed: int) -> None:
    """Two are computed at a time, by threads, and come back in an order that the seed decides."""
    expected, order = alone(FEWEST_LOOK_UPS), random.Random(seed)
    executor, found = window(SIDE, 16), list[Result]()
    for each in components():
        executor.submit(each)
    executor.start()
    with ThreadPoolExecutor(2) as threads:
        while not executor.is_idle:
            batches = [batch for batch in (executor.take(parts=2) for _ in range(2)) if batch]
            order.shuffle(batches)
            for outcomes in threads.map(executor.run, batches):
                executor.give(outcomes)
            found += executor.results()
    words = bits(values(found))
    assert words.keys() == expected.keys()
    assert all(np.array_equal(each, expected[place]) for place, each in words.items())


def test_the_values_are_right_too() -> None:
    found = computed(components(), 32, FEWEST_LOOK_UPS)
    assert {place: SIDE.number(found[place]) for place in WANTED} == WANTED


def test_forms_by_load_keep_values_but_not_bits() -> None:
    """Why a network's operators must not use them."""
    add = component("one", step("Add", X, word(77), result=handle("a"), is_scalar=True), inputs=INPUTS)
    (lonely,) = computed([add], 64, by_load).values()
    crowd = [replace(add, name=f"crowd {i}") for i in range(64)]
    crowded = computed([*crowd, add], 64, by_load)["one", handle("a")]
    assert SIDE.number(lonely) == SIDE.number(crowded) == 277 % 256
    assert not np.array_equal(SIDE.ciphertexts(lonely), SIDE.ciphertexts(crowded))


def test_a_window_takes_the_size_of_its_device() -> None:
    executor = WaveExecutor.on(KEY, CpuDevice.prepare(SERVER, threads=2))
    for index in range(40):
        executor.submit(component(f"c{index}", step("BitXor", X, Y, result=handle("o")), inputs=INPUTS))
    assert len(executor.advance()) == 16  # 64 look-ups, four for each
    assert executor.utilisation.last_batch == 64
    assert executor.utilisation.fill == 1
