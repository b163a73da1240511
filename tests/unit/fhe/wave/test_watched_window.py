"""A window whose devices are watched: nothing goes out unproven, all begins again when one goes."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from streams.domain.errors import DeviceDistrusted, DevicesLost
from streams.domain.results import Ciphertext
from streams.fhe.wave.component import Value
from streams.fhe.wave.items import Item, Ticket
from streams.fhe.wave.jobs import Job, Jobs, Load, LookUps, Prove, Store
from streams.fhe.wave.watch import Mark
from streams.fhe.wave.window import Window
from tests.unit.fhe.wave.shop import PRODUCT, SUM, Runner, Shop, X, Y, executor, masked, wide
from tests.unit.fhe.wave.windows import step

PATIENCE_S: Final = 60.0
ADD, MUL = step("Add", X, Y, result=SUM), step("Mul", X, Y, result=PRODUCT)


class Told:
    """A watch that knows what the test tells it."""

    def __init__(self) -> None:
        self.epoch = 0
        self.moments = self.proven = 0
        self.proofs = 0
        self.raises: list[Exception] = []
        self._lock = threading.Lock()

    def mark(self) -> Mark:
        with self._lock:
            self.moments += 1
            return Mark(self.epoch, (self.moments,))

    def is_proven(self, mark: Mark) -> bool:
        return mark.epoch == self.epoch and mark.done[0] <= self.proven

    def prove(self) -> None:
        with self._lock:
            self.proofs += 1
            if self.raises:
                self.epoch += 1
                raise self.raises.pop(0)
            self.proven = self.moments


class Desk:
    """Jobs over clear numbers, under watch."""

    def __init__(self, drivers: int = 1, batches: int = 0) -> None:
        self.watch, self.runner, self.shop = Told(), Runner(), Shop()
        self.jobs = Jobs(lambda: executor(self.runner), self.shop, drivers, self.watch, batches)

    def next(self) -> Job:
        """The next job, which is done."""
        job = self.jobs.take()
        assert job is not None
        job.run()
        self.jobs.give(job)
        return job

    def done(self, *kinds: type[Job]) -> None:
        """These are the next jobs."""
        for kind in kinds:
            assert isinstance(self.next(), kind)


def test_a_gpu_that_looks_up_is_asked_nothing_beside_it() -> None:
    """A question alone takes it a whole wave, and one rides in its batches."""
    desk = Desk(drivers=3, batches=1)
    xor(desk, "first")
    desk.done(Load, LookUps, Store)
    xor(desk, "second")
    desk.done(Load)
    away = desk.jobs.take()
    assert isinstance(away, LookUps)
    assert not desk.jobs.has_work
    assert desk.jobs.take() is None
    away.run()
    desk.jobs.give(away)
    desk.done(Store, Prove)


def numbers(found: Sequence[Ciphertext]) -> dict[bytes, int]:
    return {each.handle: each.ct64[0] for each in found}


def xor(desk: Desk, name: str) -> Ticket:
    return desk.jobs.enter(desk.shop.item(name, 5, 3, step("BitXor", X, Y, result=SUM)))


def test_a_result_waits_for_a_proof_which_comes_when_there_is_nothing_else_to_do() -> None:
    desk = Desk()
    first = xor(desk, "one")
    desk.done(Load, LookUps, Store)
    assert not first.has_news
    second = xor(desk, "two")
    desk.done(Load, LookUps, Store)
    assert (desk.watch.proofs, first.has_news) == (0, False)
    desk.done(Prove)
    assert [numbers(list(each.found)) for each in (first, second)] == [{SUM: 6}, {SUM: 6}]
    assert not desk.jobs.has_work


def test_a_proof_in_the_course_of_other_batches_is_enough() -> None:
    desk = Desk()
    first = xor(desk, "one")
    desk.done(Load, LookUps, Store)
    desk.watch.proven = desk.watch.moments
    second = xor(desk, "two")
    desk.done(Load)
    assert numbers(list(first.found)) == {SUM: 6}
    desk.done(LookUps, Store)
    assert not second.has_news


def test_one_driver_asks_at_a_time() -> None:
    desk = Desk(drivers=2)
    xor(desk, "one")
    while not isinstance(job := desk.jobs.take(), Prove):
        assert job is not None
        job.run()
        desk.jobs.give(job)
    assert not desk.jobs.has_work
    assert desk.jobs.take() is None


def test_whoever_leaves_is_held_for_no_longer() -> None:
    desk = Desk()
    ticket = xor(desk, "one")
    desk.done(Load, LookUps, Store)
    desk.jobs.leave(ticket)
    assert (desk.jobs.take(), desk.jobs.has_work, desk.jobs.size) == (None, False, 0)


@pytest.mark.parametrize("jobs_before", range(4))
def test_when_a_device_goes_everything_inside_is_let_go(jobs_before: int) -> None:
    """Whatever the next driver is about to do."""
    desk = Desk()
    ticket = xor(desk, "one")
    for _ in range(jobs_before):
        desk.next()
    desk.watch.epoch += 1
    assert desk.jobs.has_work
    with pytest.raises(DeviceDistrusted) as raised:
        desk.jobs.take()
    desk.jobs.fail(None, raised.value)
    assert (ticket.ended, list(ticket.found), desk.jobs.size) == (raised.value, [], 0)
    xor(desk, "two")
    desk.done(Load, LookUps, Store, Prove)


def test_what_comes_back_after_a_device_went_is_not_taken() -> None:
    desk = Desk(drivers=2)
    ticket = xor(desk, "one")
    desk.done(Load)
    away = desk.jobs.take()
    assert away is not None
    away.run()
    desk.watch.epoch += 1
    with pytest.raises(DeviceDistrusted) as raised:
        desk.jobs.give(away)
    desk.jobs.fail(away, raised.value)
    assert ticket.ended is raised.value


def test_a_device_that_goes_while_a_result_is_taken_takes_it_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the epoch and the mark: nothing of the old epoch may count as of the new one."""
    desk = Desk()
    xor(desk, "one")
    desk.done(Load, LookUps)
    job, mark = desk.jobs.take(), desk.watch.mark
    assert isinstance(job, Store)
    job.run()

    def late() -> Mark:
        desk.watch.epoch += 1
        return mark()

    monkeypatch.setattr(desk.watch, "mark", late)
    with pytest.raises(DeviceDistrusted):
        desk.jobs.give(job)


def test_a_window_that_is_empty_has_nothing_to_doubt() -> None:
    desk = Desk()
    desk.watch.epoch += 1
    xor(desk, "one")
    desk.done(Load, LookUps, Store, Prove)


# With threads.


class LyingShop(Shop):
    """The first results that it stores are wrong."""

    def __init__(self, lies: int) -> None:
        super().__init__()
        self.lies = lies

    def store(self, values: Sequence[Value]) -> list[bytes]:
        self.lies -= 1
        return [bytes([each[0] ^ (self.lies >= 0)]) for each in super().store(values)]


def window(shop: Shop, watch: Told, drivers: int) -> Window:
    return Window(lambda: executor(Runner()), shop, drivers, watch)


@pytest.mark.parametrize("drivers", [1, 2])
def test_items_begin_again_without_the_device_and_nothing_of_it_goes_out(drivers: int) -> None:
    watch, shop = Told(), LyingShop(lies=2)
    watch.raises = [DeviceDistrusted("one"), DeviceDistrusted("two")]
    watched = window(shop, watch, drivers)
    items = [shop.item(f"item {index}", 6, index, *wide("w"), MUL) for index in range(4)]

    def computed(item: Item) -> dict[bytes, int]:
        return numbers(list(watched.outputs(item)))

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(computed, items))
    assert watch.epoch == 2
    for index, each in enumerate(found):
        assert each.pop(PRODUCT) == 6 * index
        assert set(each.values()) == masked(6, index)
        assert len(each) == 4


def test_outputs_that_went_out_come_once_and_are_asked_for_again() -> None:
    """What is wanted decides over the look-ups: the item is computed whole."""
    watch, shop = Told(), Shop()
    watch.proven = 1  # the sum, which is stored first
    watch.raises = [DeviceDistrusted("gone")]
    chain = (ADD, step("Mul", SUM, Y, result=PRODUCT))
    found = list(window(shop, watch, 1).outputs(shop.item("chain", 5, 6, *chain)))
    assert [(each.handle, each.ct64[0]) for each in found] == [(SUM, 11), (PRODUCT, 66)]
    assert (watch.epoch, sum(shop.stores)) == (1, 4)


def test_the_last_device_ends_all_that_is_inside() -> None:
    watch, shop = Told(), Shop()
    watch.raises = [DevicesLost("none")]
    watched = window(shop, watch, 2)
    with pytest.raises(DevicesLost, match="none"):
        list(watched.outputs(shop.sum_of(1, 2)))
