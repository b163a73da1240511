"""The bits of a result on `cpu` are those of its component alone, whatever shares its batches."""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from cipherstream_kernel import PackingKey

from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.devices.packing import compressed
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.words import Words, flat
from streams.fhe.parameters import COMPRESSION, PINNED
from streams.fhe.radix.forms import Form
from streams.fhe.wave.component import Component, Result, Value
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.reserve import Reserve
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
)

# The pinned set but for a short small key: 51 times fewer steps, the same polynomials.
CLIENT, SERVER = keys_of(replace(PINNED, lwe_dimension=18))
SIDE = DeviceSide(CLIENT, CpuDevice.prepare(SERVER))
NUMBERS = {"x": 200, "y": 77, "z": 3}
INPUTS = {handle(name): SIDE.value(U8, number) for name, number in NUMBERS.items()}
X, Y, Z = (handle(name) for name in NUMBERS)

# Any words of the right shape: whether two results pack to the same does not depend on a key's meaning.
PACK_SIZE, PACK_LEVELS = COMPRESSION.polynomial_size, COMPRESSION.packing.level
PACK_DIMENSION = 0
PACK_WORDS = PINNED.big_dimension * PACK_LEVELS * (PACK_DIMENSION + 1) * PACK_SIZE

Place = tuple[str, bytes]


def components() -> list[Component]:
    fits, moved, left, total = handle("fits", BOOL), handle("moved"), handle("left"), handle("total")
    sums = [step("Add", X, Y, result=total), step("Sub", total, Z, result=handle("b"))]
    transfer = [
        step("Le", Y, X, result=fits),
        step("IfThenElse", fits, Y, Z, result=moved),
        step("Sub", X, moved, result=left),
    ]
    again = [
        step("Add", X, Y, result=handle("one")),
        step("Add", Y, X, result=handle("two")),
        step("Sum", X, Y, result=handle("three")),
        step("Sum", handle("one"), handle("two"), handle("three"), result=total),
    ]
    drawn = step("Rand", bytes(16), bytes([U8]), result=handle("r"), is_scalar=True)
    return [
        component("sums", *sums, inputs=INPUTS),
        component("transfer", *transfer, inputs=INPUTS, outputs=[moved, left], tenant="other"),
        component("product", step("Mul", X, Y, result=handle("p")), inputs=INPUTS, priority=3),
        component("again", *again, inputs=INPUTS, outputs=[each.result for each in again]),
        component("drawn", drawn, inputs={}),
    ]


WANTED = {
    ("sums", handle("b")): 18,
    ("transfer", handle("moved")): 77,
    ("transfer", handle("left")): 123,
    **{("again", handle(name)): (200 + 77) % 256 for name in ("one", "two", "three")},
    ("again", handle("total")): 3 * (200 + 77) % 256,
    ("product", handle("p")): 200 * 77 % 256,
}


def computed(
    given: Sequence[Component], batch_size: int, form: Form, reserve: Reserve | None = None
) -> Mapping[Place, Value]:
    executor = WaveExecutor(KEY, SIDE.runner, batch_size, form, reserve)
    for each in given:
        executor.submit(each)
    return values(list(executor.drain()))


def bits(found: Mapping[Place, Value]) -> dict[Place, Words]:
    return {place: SIDE.ciphertexts(value) for place, value in found.items()}


def alone(form: Form) -> dict[Place, Words]:
    """Each component in a window of its own, a look-up at a time."""
    return {place: words for each in components() for place, words in bits(computed([each], 1, form)).items()}


@pytest.mark.parametrize("form", [Form.THROUGHPUT, Form.LATENCY])
@pytest.mark.parametrize("batch_size", [3, 32, 500])
def test_other_components_do_not_change_bits(form: Form, batch_size: int) -> None:
    expected = alone(form)
    for given in (components(), components()[::-1]):
        found = bits(computed(given, batch_size, form))
        assert found.keys() == expected.keys()
        assert all(np.array_equal(words, expected[place]) for place, words in found.items())


@pytest.mark.parametrize("seed", range(3))
def test_batches_beside_each_other_do_not_change_bits(seed: int) -> None:
    """Two are computed at a time, by threads, and come back in an order that the seed decides."""
    expected, order = alone(Form.THROUGHPUT), random.Random(seed)
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


@pytest.mark.parametrize("room", [1, 2_000_000])
def test_the_room_for_values_does_not_change_bits(room: int) -> None:
    expected = alone(Form.THROUGHPUT)
    found = bits(computed(components(), 32, Form.THROUGHPUT, Reserve(room)))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(words, expected[place]) for place, words in found.items())


def test_a_result_keeps_no_words_of_those_that_were_computed_with_it() -> None:
    found = computed(components(), 32, Form.THROUGHPUT)
    wires = {wire for value in found.values() for b in value.blocks for wire, _ in b.terms}
    given = {wire for value in INPUTS.values() for b in value.blocks for wire, _ in b.terms}
    assert len(wires - given) > 20
    assert all(wire.data.base is None for wire in wires - given)


@pytest.mark.parametrize("form", [Form.THROUGHPUT, Form.LATENCY])
def test_wires_are_equal_where_their_words_are_and_nowhere_else(form: Form) -> None:
    """Whether they were computed once, in one window, or several times, in windows of their own."""
    found = [computed([each], size, form) for each in components()[:4] for size in (2, 500)]
    wires = {
        wire for values in found for value in values.values() for b in value.blocks for wire, _ in b.terms
    }
    words = {
        wire.data.tobytes()
        for values in found
        for value in values.values()
        for b in value.blocks
        for wire, _ in b.terms
    }
    assert len(wires) == len(words)


def test_the_values_are_right_too() -> None:
    found = computed(components(), 32, Form.THROUGHPUT)
    assert {place: SIDE.number(found[place]) for place in WANTED} == WANTED


def test_the_forms_agree_in_the_number_and_not_in_the_stored_words() -> None:
    """Why a form must not follow from load: two operators, one busy and one idle, would store other bytes."""
    add = component("one", step("Add", X, Y, result=handle("a")), inputs=INPUTS)
    found = [next(iter(computed([add], 64, form).values())) for form in Form]
    assert [SIDE.number(value) for value in found] == [277 % 256] * 2
    key = PackingKey.prepare(
        flat(SeededSource(b"pack").uniform((PACK_WORDS,))), PACK_DIMENSION, PACK_SIZE, PACK_LEVELS
    )
    stored = [
        compressed(SIDE.ciphertexts(value), lambda blocks: np.frombuffer(key.pack(flat(blocks)), np.uint64))
        for value in found
    ]
    assert not np.array_equal(stored[0][0], stored[1][0])


def test_a_window_takes_the_size_of_its_device() -> None:
    executor = WaveExecutor.on(KEY, CpuDevice.prepare(SERVER, threads=2))
    for index in range(40):
        executor.submit(component(f"c{index}", step("BitXor", X, Y, result=handle("o")), inputs=INPUTS))
    assert len(executor.advance()) == 16  # 64 look-ups, four for each
    assert executor.utilisation.last_batch == 64
    assert executor.utilisation.fill == 1
