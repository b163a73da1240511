"""The window that the threads of a worker share: one drives for all, and nobody waits for ever."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from streams.domain.errors import OperationError
from streams.domain.operations import FheType
from streams.domain.results import Ciphertext
from streams.domain.work import Step
from streams.fhe.radix.block import Block
from streams.fhe.radix.executors import ClearExecutor
from streams.fhe.radix.steps import LookUp, Outputs
from streams.fhe.wave.component import Value
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.storage import Given
from streams.fhe.wave.window import Item, Window
from tests.unit.fhe.wave.windows import BOOL, U8, ClearSide, handle, step

X, Y, SUM, PRODUCT, LARGER = (
    handle("x"),
    handle("y"),
    handle("sum"),
    handle("product"),
    handle("larger", BOOL),
)
PATIENCE_S = 60.0
TOO_LOUD = 40


class Runner:
    """Clear numbers; counts what runs, and breaks when it is told to."""

    def __init__(self) -> None:
        self._clear = ClearExecutor()
        self.batches = list[int]()
        self.breaks = False

    def run(self, batch: Sequence[LookUp]) -> list[Outputs]:
        if self.breaks:
            raise MemoryError("the device is full")
        self.batches.append(len(batch))
        return self._clear.run(batch)

    def seeded(self, seed: bytes, count: int) -> list[Block]:
        return self._clear.seeded(seed, count)


class Shop:
    """Stored numbers are their digits; the first load can be held up until enough items have come."""

    def __init__(self, side: ClearSide) -> None:
        self._side = side
        self._numbers: dict[bytes, list[Value]] = {}
        self.until_size = 0
        self.window: Window | None = None

    def put(self, name: bytes, *values: Value) -> Given:
        self._numbers[name] = list(values)
        return Given((), name)

    def load(self, given: Sequence[Given]) -> list[list[Value]]:
        deadline = time.monotonic() + PATIENCE_S
        while self.window is not None and self.window.size < self.until_size:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        self.until_size = 0
        return [self._numbers[each.context] for each in given]

    def store(self, values: Sequence[Value]) -> list[bytes]:
        return [bytes([self._side.number(value)]) for value in values]


class Bench:
    def __init__(self) -> None:
        self.side = ClearSide()
        self.runner = Runner()
        self.shop = Shop(self.side)
        self.window = Window(lambda: WaveExecutor(b"", self.runner, 64), self.shop)
        self.shop.window = self.window

    def item(self, name: str, left: int, right: int, *steps: Step, noise: int = 1) -> Item:
        values = (self.side.value(U8, left, noise), self.side.value(U8, right, noise))
        given = self.shop.put(name.encode(), *values)
        outputs = tuple(each.result for each in steps)
        return Item(tenant="t", steps=steps, handles=(X, Y), given=given, outputs=outputs)

    def sum_of(self, left: int, right: int, noise: int = 1) -> Item:
        return self.item(f"{left}+{right}", left, right, step("Add", X, Y, result=SUM), noise=noise)


def numbers(found: Sequence[Ciphertext]) -> dict[bytes, int]:
    return {each.handle: each.ct64[0] for each in found}


def test_an_item_alone() -> None:
    bench = Bench()
    steps = (
        step("Add", X, Y, result=SUM),
        step("Mul", X, Y, result=PRODUCT),
        step("Gt", X, Y, result=LARGER),
    )
    found = list(bench.window.outputs(bench.item("all", 77, 30, *steps)))
    assert numbers(found) == {SUM: 107, PRODUCT: 77 * 30 % 256, LARGER: 1}
    assert Counter(FheType(each.fhe_type) for each in found) == {U8: 2, BOOL: 1}
    assert bench.window.fill == (sum(bench.runner.batches), 64 * len(bench.runner.batches))


def test_each_thread_gets_what_it_asked_for() -> None:
    bench = Bench()
    pairs = [(index, 3 * index) for index in range(60)]
    items = [bench.sum_of(*pair) for pair in pairs]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda item: numbers(_outputs(bench.window, item)), items))
    assert found == [{SUM: (left + right) % 256} for left, right in pairs]


def test_the_look_ups_of_all_items_run_together() -> None:
    alone = Bench()
    list(alone.window.outputs(alone.sum_of(200, 77)))
    bench = Bench()
    bench.shop.until_size = 8
    items = [bench.sum_of(index, 77) for index in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(lambda item: _outputs(bench.window, item), items))) == 8
    # The first to come is a step ahead of the others.
    assert len(bench.runner.batches) <= len(alone.runner.batches) + 1
    assert sum(bench.runner.batches) == 8 * sum(alone.runner.batches)


def test_an_item_that_cannot_be_computed_fails_alone() -> None:
    bench = Bench()
    bench.shop.until_size = 3
    items = [
        bench.sum_of(1, 2),
        bench.sum_of(3, 4, noise=TOO_LOUD),
        bench.item("unknown", 1, 1, step("Add", X, handle("nobody"), result=SUM)),
    ]
    with ThreadPoolExecutor(3) as threads:
        good, loud, unknown = [threads.submit(_outputs, bench.window, item) for item in items]
    assert numbers(good.result()) == {SUM: 3}
    assert isinstance(loud.exception(), OperationError)
    with pytest.raises(OperationError, match="neither given nor computed"):
        unknown.result()


def test_what_the_device_raises_ends_all_that_is_inside_and_nothing_else() -> None:
    bench = Bench()
    list(bench.window.outputs(bench.sum_of(1, 2)))
    before = bench.window.fill
    bench.runner.breaks = True
    bench.shop.until_size = 4
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(_outputs, bench.window, bench.sum_of(5, index)) for index in range(4)]
    assert {type(each.exception()) for each in asked} == {MemoryError}
    bench.runner.breaks = False
    assert numbers(list(bench.window.outputs(bench.sum_of(5, 6)))) == {SUM: 11}
    assert bench.window.fill[0] == 2 * before[0]


def test_a_panic_reaches_everybody_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """As a native library raises it."""

    def panic(given: Sequence[Given]) -> list[list[Value]]:
        raise Panic

    bench = Bench()
    monkeypatch.setattr(bench.shop, "load", panic)
    with pytest.raises(Panic):
        list(bench.window.outputs(bench.sum_of(1, 2)))


def test_whoever_goes_away_is_computed_for_no_longer() -> None:
    bench = Bench()
    steps = (step("Add", X, Y, result=SUM), step("Mul", SUM, Y, result=PRODUCT))
    leaving = bench.window.outputs(bench.item("leaving", 5, 6, *steps))
    assert next(leaving).handle == SUM
    leaving.close()
    before = sum(bench.runner.batches)
    alone = Bench()
    list(alone.window.outputs(alone.sum_of(1, 2)))
    list(bench.window.outputs(bench.sum_of(1, 2)))
    assert sum(bench.runner.batches) - before == sum(alone.runner.batches)
    assert bench.window.size == 1  # the last one's place is taken away when the next one comes


def test_an_output_that_is_named_twice_comes_once() -> None:
    bench = Bench()
    given = bench.sum_of(1, 2)
    twice = Item(tenant="t", steps=given.steps, handles=given.handles, given=given.given, outputs=(SUM, SUM))
    assert numbers(list(bench.window.outputs(twice))) == {SUM: 3}


def _outputs(window: Window, item: Item) -> list[Ciphertext]:
    return list(window.outputs(item))
