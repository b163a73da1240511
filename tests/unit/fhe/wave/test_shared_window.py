"""The window that the threads of a worker share: a few drivers for all, and nobody waits for ever."""

import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from streams.domain.errors import OperationError
from streams.domain.operations import FheType
from streams.domain.results import Ciphertext
from streams.fhe.radix.operations import ALGORITHMS, Request
from streams.fhe.radix.steps import LookUp, Outputs
from streams.fhe.wave.component import Value
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.items import Item
from streams.fhe.wave.reserve import Reserve
from streams.fhe.wave.storage import Given
from streams.fhe.wave.window import Window
from tests.unit.fhe.wave.shop import (
    LARGER,
    PRODUCT,
    SUM,
    TOO_LOUD,
    UNSTORABLE,
    Runner,
    Shop,
    X,
    Y,
    executor,
    masked,
    wide,
)
from tests.unit.fhe.wave.windows import BOOL, U8, handle, step

PATIENCE_S = 60.0


class Gate:
    """Holds calls until the test lets them go, in the order that it likes; one that is open does not."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = list[str]()
        self._let = set[str]()
        self.is_open = True

    def pass_through(self, what: str) -> None:
        """Called by a device."""
        with self._changed:
            if self.is_open:
                return
            self._held.append(what)
            self._changed.notify_all()
            self._wait(lambda: self.is_open or what in self._let)

    def until_held(self, *what: str) -> None:
        """Waits until exactly these calls have come."""
        with self._changed:
            self._wait(lambda: Counter(self._held) == Counter(what))

    def let(self, what: str) -> None:
        with self._changed:
            self._let.add(what)
            self._changed.notify_all()

    def open(self) -> None:
        with self._changed:
            self.is_open = True
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool]) -> None:
        assert self._changed.wait_for(condition, PATIENCE_S)


class GatedRunner(Runner):
    """Each batch waits at the gate, under the name `batch 0`, `batch 1` …"""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self._count = 0

    def run(self, batch: Sequence[LookUp]) -> list[Outputs]:
        number, self._count = self._count, self._count + 1
        self._gate.pass_through(f"batch {number}")
        return super().run(batch)


class GatedShop(Shop):
    """Each load waits at a gate under the names of its items."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def load(self, given: Sequence[Given]) -> list[list[Value]]:
        self._gate.pass_through(" ".join(each.context.decode() for each in given))
        return super().load(given)


class Bench:
    """A window whose device and whose store have a gate each, both open."""

    def __init__(self, drivers: int = 1, room: int = 0) -> None:
        self.batches, self.loads = Gate(), Gate()
        self.reserve = Reserve(room)
        self.runner = GatedRunner(self.batches)
        self.shop = GatedShop(self.loads)
        self.executors = list[WaveExecutor]()
        self.window = Window(self._make, self.shop, drivers)

    def _make(self) -> WaveExecutor:
        self.executors.append(executor(self.runner, reserve=self.reserve))
        return self.executors[-1]

    def outputs(self, item: Item) -> list[Ciphertext]:
        return list(self.window.outputs(item))

    @contextmanager
    def asked(self, *items: Item) -> Generator[list[Future[list[Ciphertext]]]]:
        """All of them at a time, inside before the first is loaded; ended with the block."""
        self.loads.is_open = False
        with ThreadPoolExecutor(len(items)) as threads:
            try:
                yield [threads.submit(self.outputs, item) for item in items]
            finally:
                self.loads.open()
                self.batches.open()

    def together(self, *items: Item) -> list[Future[list[Ciphertext]]]:
        """All of them, loaded only when all are there."""
        with self.asked(*items) as found:
            until(lambda: self.window.size == len(items))
        return found


def until(condition: Callable[[], bool]) -> None:
    """Items enter by themselves: nothing tells, so it is asked again and again."""
    pause = threading.Event()
    for _ in range(round(PATIENCE_S / 0.001)):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError


def numbers(found: Sequence[Ciphertext]) -> dict[bytes, int]:
    return {each.handle: each.ct64[0] for each in found}


def drivers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "wave driver"]


@pytest.fixture(autouse=True)
def no_driver_survives_its_items() -> Iterator[None]:
    yield
    for thread in drivers():
        thread.join(PATIENCE_S)
    assert not drivers()


def test_an_item_alone() -> None:
    bench = Bench()
    steps = (
        step("Add", X, Y, result=SUM),
        step("Mul", X, Y, result=PRODUCT),
        step("Gt", X, Y, result=LARGER),
    )
    found = bench.outputs(bench.shop.item("all", 77, 30, *steps))
    assert numbers(found) == {SUM: 107, PRODUCT: 77 * 30 % 256, LARGER: 1}
    assert Counter(FheType(each.fhe_type) for each in found) == {U8: 2, BOOL: 1}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_thread_gets_what_it_asked_for(count: int) -> None:
    bench = Bench(count)
    pairs = [(index, 3 * index) for index in range(60)]
    items = [bench.shop.sum_of(*pair) for pair in pairs]
    with ThreadPoolExecutor(8) as threads:
        found = [numbers(each) for each in threads.map(bench.outputs, items)]
    assert found == [{SUM: (left + right) % 256} for left, right in pairs]


def test_the_look_ups_of_all_items_run_together() -> None:
    alone = Bench()
    alone.outputs(alone.shop.sum_of(200, 77))
    bench = Bench()
    found = bench.together(*(bench.shop.sum_of(index, 77) for index in range(8)))
    assert [numbers(each.result())[SUM] for each in found] == list(range(77, 85))
    # The first to come is a step ahead of the others.
    assert len(bench.runner.batches) <= len(alone.runner.batches) + 1
    assert sum(bench.runner.batches) == 8 * sum(alone.runner.batches)


def test_two_drivers_share_what_one_item_has_to_do() -> None:
    bench = Bench(drivers=2)
    bench.batches.is_open = False
    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(bench.outputs, bench.shop.item("wide", 6, 5, *wide("a")))
        bench.batches.until_held("batch 0", "batch 1")
        bench.batches.open()
        assert set(numbers(found.result()).values()) == masked(6, 5)
    assert bench.runner.batches == [8, 8]


def test_a_load_holds_up_nobody_else() -> None:
    bench = Bench(drivers=2)
    bench.loads.is_open = False
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(bench.outputs, bench.shop.sum_of(1, 2))
        bench.loads.until_held("1+2")
        quick = threads.submit(bench.outputs, bench.shop.sum_of(3, 4))
        bench.loads.let("3+4")
        assert numbers(quick.result(PATIENCE_S)) == {SUM: 7}
        assert not slow.done()
        bench.loads.open()
        assert numbers(slow.result(PATIENCE_S)) == {SUM: 3}


def test_an_item_that_cannot_be_computed_fails_alone() -> None:
    bench = Bench(drivers=2)
    shop, unknown = bench.shop, step("Add", X, handle("nobody"), result=SUM)
    found = bench.together(
        shop.sum_of(1, 2),
        shop.sum_of(3, 4, noise=TOO_LOUD),
        shop.item("unknown", 1, 1, unknown),
        shop.item("damaged", 1, 1, step("Add", X, Y, result=SUM)),
        shop.sum_of(UNSTORABLE, 0),
    )
    assert numbers(found[0].result()) == {SUM: 3}
    told = [str(each.exception()) for each in found[1:]]
    assert {type(each.exception()) for each in found[1:]} == {OperationError}
    for text, due in zip(told, ("noise 40", "neither given", "ValueError: a word", "noise 99"), strict=True):
        assert due in text


def test_what_the_device_raises_ends_all_that_is_inside_and_nothing_else() -> None:
    bench = Bench(drivers=2)
    bench.outputs(bench.shop.sum_of(1, 2))
    bench.runner.breaks = True
    asked = bench.together(*(bench.shop.sum_of(5, index) for index in range(4)))
    assert {type(each.exception()) for each in asked} == {MemoryError}
    bench.runner.breaks = False
    assert numbers(bench.outputs(bench.shop.sum_of(5, 6))) == {SUM: 11}


def test_a_batch_that_is_away_when_the_window_breaks_comes_back_to_nobody() -> None:
    bench = Bench(drivers=2)
    bench.batches.is_open = False
    with ThreadPoolExecutor(2) as threads:
        asked = threads.submit(bench.outputs, bench.shop.item("wide", 6, 5, *wide("a")))
        bench.batches.until_held("batch 0", "batch 1")
        bench.runner.breaks = True
        bench.batches.let("batch 0")
        assert isinstance(asked.exception(PATIENCE_S), MemoryError)
        bench.runner.breaks = False
        # The other half of the first item is still away while the next one is computed.
        after = threads.submit(bench.outputs, bench.shop.sum_of(5, 6))
        for number in range(2, 6):
            bench.batches.let(f"batch {number}")
        assert numbers(after.result(PATIENCE_S)) == {SUM: 11}
        bench.runner.breaks = True
        bench.batches.let("batch 1")
        for thread in drivers():
            thread.join(PATIENCE_S)
        bench.runner.breaks = False
        bench.batches.open()
    assert numbers(bench.outputs(bench.shop.sum_of(7, 8))) == {SUM: 15}


def test_a_panic_reaches_everybody_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """As a native library raises it."""

    def panic(given: Sequence[Given]) -> list[list[Value]]:
        raise Panic

    bench = Bench()
    monkeypatch.setattr(bench.shop, "load", panic)
    with pytest.raises(Panic):
        bench.outputs(bench.shop.sum_of(1, 2))


def test_what_is_raised_as_a_job_comes_back_reaches_everybody_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(executor: WaveExecutor) -> None:
        raise MemoryError

    bench = Bench()
    with monkeypatch.context() as patched:
        patched.setattr(WaveExecutor, "start", start)
        with pytest.raises(MemoryError):
            bench.outputs(bench.shop.sum_of(1, 2))
    assert numbers(bench.outputs(bench.shop.sum_of(3, 4))) == {SUM: 7}


def test_a_window_that_cannot_begin_anew_tells_so_and_tries_again() -> None:
    bench, refusals = Bench(), [OSError("no room")]

    def make() -> WaveExecutor:
        if bench.runner.breaks and refusals:
            raise refusals.pop()
        return executor(bench.runner)

    window = Window(make, bench.shop)
    bench.runner.breaks = True
    for error in (MemoryError, OSError):
        with pytest.raises(error):
            list(window.outputs(bench.shop.sum_of(1, 2)))
    bench.runner.breaks = False
    assert numbers(list(window.outputs(bench.shop.sum_of(3, 4)))) == {SUM: 7}


def test_whoever_goes_away_is_computed_for_no_longer() -> None:
    bench = Bench()
    steps = (step("Add", X, Y, result=SUM), step("Mul", SUM, Y, result=PRODUCT))
    bench.batches.is_open = False
    batches = [f"batch {number}" for number in range(5)]
    for batch in batches[:4]:  # the sum's
        bench.batches.let(batch)
    leaving = bench.window.outputs(bench.shop.item("leaving", 5, 6, *steps))
    assert next(leaving).handle == SUM
    bench.batches.until_held(*batches)  # the last one is the product's first
    assert isinstance(leaving, Generator)
    leaving.close()
    bench.batches.open()
    for thread in drivers():
        thread.join(PATIENCE_S)
    assert (bench.window.size, len(bench.runner.batches)) == (0, 5)


def _refuse(request: Request) -> None:
    raise OperationError(f"no {request.operation.name} today")


def test_whoever_fails_once_another_makes_room_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails as it begins: no job of its own comes back to tell."""
    monkeypatch.setitem(ALGORITHMS, "Neg", _refuse)
    bench = Bench(drivers=2, room=1)
    steps = (step("Not", X, result=SUM), step("Add", SUM, Y, result=PRODUCT))
    bench.batches.is_open = False
    leaving = bench.window.outputs(bench.shop.item("leaving", 5, 6, *steps))
    assert next(leaving).handle == SUM
    bench.batches.until_held("batch 0")  # of one look-up, so that one driver is free
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(bench.outputs, bench.shop.item("waiting", 1, 2, step("Neg", X, result=SUM)))
        until(lambda: bench.executors[0].lacks_room)
        assert isinstance(leaving, Generator)
        leaving.close()
        with pytest.raises(OperationError, match="no Neg today"):
            waiting.result(PATIENCE_S / 2)  # before the gate loses its own, which would end the window
        bench.batches.open()


def test_an_output_that_is_named_twice_comes_once() -> None:
    bench = Bench()
    given = bench.shop.sum_of(1, 2)
    twice = Item(tenant="t", steps=given.steps, handles=given.handles, given=given.given, outputs=(SUM, SUM))
    assert numbers(bench.outputs(twice)) == {SUM: 3}
