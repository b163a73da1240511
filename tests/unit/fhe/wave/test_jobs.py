"""What drivers do beside each other, in every order: played on one thread, so that a seed is a schedule."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest

from streams.domain.schedule import SLOW_LANE
from streams.domain.work import Step
from streams.fhe.wave.items import Item, Ticket
from streams.fhe.wave.jobs import Job, Jobs, Load, LookUps, Store, apart
from streams.fhe.wave.line import bytes_of
from streams.fhe.wave.reserve import Reserve
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
    wide,
)
from tests.unit.fhe.wave.windows import handle, step, word

ADD, MUL = step("Add", X, Y, result=SUM), step("Mul", X, Y, result=PRODUCT)


class Desk:
    """Jobs over clear numbers."""

    def __init__(self, drivers: int = 2, batch_size: int = 64, batches: int = 0, room: int = 0) -> None:
        self.runner, self.shop, self.reserve = Runner(), Shop(), Reserve(room)
        self.jobs = Jobs(
            lambda: executor(self.runner, batch_size, self.reserve), self.shop, drivers, batches=batches
        )

    def done(self, job: Job | None) -> Job:
        """A job that is run and given back."""
        assert job is not None
        job.run()
        self.jobs.give(job)
        return job

    def next(self, kind: type[Job]) -> Job:
        job = self.jobs.take()
        assert isinstance(job, kind)
        return job

    def finish(self) -> None:
        while self.jobs.has_work:
            job = self.jobs.take()
            if job is not None:
                self.done(job)


def outcome(ticket: Ticket) -> tuple[dict[bytes, int], str]:
    """The numbers that came, and the error's text."""
    return {each.handle: each.ct64[0] for each in ticket.found}, str(ticket.error or "")


# What is taken, and when.


def test_results_go_first_then_inputs_then_look_ups() -> None:
    desk = Desk(drivers=1)
    first = desk.jobs.enter(desk.shop.item("one", 1, 2, step("BitXor", X, Y, result=SUM)))
    desk.done(desk.next(Load))
    desk.done(desk.next(LookUps))
    desk.jobs.enter(desk.shop.sum_of(3, 4))
    desk.done(desk.next(Store))
    assert outcome(first) == ({SUM: 3}, "")
    desk.done(desk.next(Load))
    desk.done(desk.next(LookUps))


def test_what_is_not_there_yet_is_no_work() -> None:
    desk = Desk()
    assert not desk.jobs.has_work
    assert desk.jobs.take() is None
    desk.jobs.enter(desk.shop.sum_of(1, 2))
    load = desk.next(Load)
    assert not desk.jobs.has_work
    assert desk.jobs.take() is None
    desk.done(load)
    assert desk.jobs.has_work


def test_look_ups_are_shared_by_the_drivers_that_have_nothing_else() -> None:
    desk = Desk(drivers=3)
    desk.jobs.enter(desk.shop.item("wide", 1, 2, *wide("a")))
    desk.done(desk.next(Load))
    desk.jobs.enter(desk.shop.sum_of(3, 4))
    desk.next(Load)
    halves = [desk.next(LookUps) for _ in range(2)]
    assert [sum(len(share.look_ups) for share in half.shares) for half in halves] == [8, 8]  # type: ignore[union-attr]
    assert desk.jobs.take() is None


def size(job: Job) -> int:
    """Look-ups of a batch."""
    assert isinstance(job, LookUps)
    return sum(len(share.look_ups) for share in job.shares)


def test_a_gpu_has_one_batch_and_the_next_one_only_if_that_is_full() -> None:
    """Its other drivers load and store, or make ready what would be a batch of its own anyway."""
    desk = Desk(drivers=3, batches=1, batch_size=10)
    desk.jobs.enter(desk.shop.item("wide", 1, 2, *wide("a")))  # 16 look-ups
    desk.done(desk.next(Load))
    first = desk.next(LookUps)
    assert size(first) == 10
    assert not desk.jobs.has_work
    assert desk.jobs.take() is None
    desk.jobs.enter(desk.shop.item("wide", 1, 2, *wide("b")))
    desk.done(desk.next(Load))
    second = desk.next(LookUps)
    assert (size(second), desk.jobs.has_work) == (10, True)
    third = desk.next(LookUps)
    assert (size(third), desk.jobs.has_work) == (10, False)
    desk.done(first)
    desk.done(second)
    desk.done(third)
    desk.finish()
    assert desk.jobs.size == 2


def test_what_waits_is_taken_whole_where_one_batch_is_computed_at_a_time() -> None:
    desk = Desk(drivers=3, batches=1)
    desk.jobs.enter(desk.shop.item("wide", 1, 2, *wide("a")))
    desk.done(desk.next(Load))
    desk.jobs.enter(desk.shop.sum_of(3, 4))
    desk.next(Load)
    assert size(desk.next(LookUps)) == 16


def test_small_items_are_loaded_together_and_large_ones_one_by_one() -> None:
    desk = Desk(batch_size=20)
    for index in range(6):  # of eight blocks each
        desk.jobs.enter(desk.shop.sum_of(index, 40))
    desk.finish()
    assert desk.shop.loads == [2, 2, 2]
    desk = Desk(batch_size=4)
    for index in range(3):
        desk.jobs.enter(desk.shop.sum_of(index, 40))
    desk.finish()
    assert desk.shop.loads == [1, 1, 1]


def test_nothing_is_loaded_that_would_only_wait_for_memory() -> None:
    desk = Desk(room=1)
    first = [desk.jobs.enter(desk.shop.sum_of(index, 1)) for index in range(2)]
    desk.done(desk.next(Load))
    late = desk.jobs.enter(desk.shop.sum_of(7, 1))
    job: Job | None = None
    while not isinstance(job, Load):
        assert len(desk.shop.loads) == 1
        job = desk.done(desk.jobs.take())
    assert outcome(first[0])[0] == {SUM: 1}  # only the second one is in flight now
    desk.finish()
    assert [outcome(each)[0][SUM] for each in (*first, late)] == [1, 2, 8]
    assert desk.reserve.promised == 0


def test_whoever_has_nothing_inside_is_computed_while_another_fills_the_memory() -> None:
    desk = Desk(drivers=1, room=8 * bytes_of(ADD))
    flood = [
        desk.jobs.enter(desk.shop.item(f"many {index}", index, 3, MUL, tenant="many")) for index in range(8)
    ]
    desk.done(desk.next(Load))
    late = [
        desk.jobs.enter(desk.shop.item(name, 5, 6, ADD, tenant="one", contract=name[:1].encode()))
        for name in ("late", "later", "other")
    ]
    load = desk.done(desk.next(Load))
    assert isinstance(load, Load)
    assert load.tickets == [late[0], late[2]]  # one of each lane
    while not late[0].found:
        desk.done(desk.jobs.take())
    assert sum(bool(each.found) for each in flood) < 3
    desk.finish()
    assert [outcome(each)[0] for each in late] == [{SUM: 11}] * 3
    assert [outcome(each)[0] for each in flood] == [{PRODUCT: 3 * index} for index in range(8)]
    assert desk.reserve.promised == 0


def test_what_another_driver_loads_is_waited_for() -> None:
    desk = Desk()
    desk.jobs.enter(desk.shop.item("shared", 1, 2, ADD))
    load = desk.next(Load)
    again = desk.jobs.enter(desk.shop.item("shared", 1, 2, MUL))
    assert not desk.jobs.has_work
    other = desk.jobs.enter(desk.shop.sum_of(5, 6))
    desk.done(desk.next(Load))
    assert (desk.shop.loads, again.has_news, other.has_news) == ([1], False, False)
    desk.done(load)
    desk.finish()
    assert (outcome(again), outcome(other)) == (({PRODUCT: 2}, ""), ({SUM: 11}, ""))


def test_the_slow_lane_is_loaded_late_and_not_never() -> None:
    """The device's batch holds one item's inputs."""
    desk, order = Desk(drivers=1, batch_size=8), list[bytes]()
    lanes = {"slow": SLOW_LANE, "fast": 0}
    names = [*(f"slow {index}" for index in range(3)), *(f"fast {index}" for index in range(18))]
    for name in names:
        desk.jobs.enter(desk.shop.item(name, 1, 2, ADD, priority=lanes[name[:4]]))
    while len(order) < len(names):
        job = desk.done(desk.jobs.take())
        if isinstance(job, Load):
            order += [ticket.item.given.context for ticket in job.tickets]
    assert [place for place, name in enumerate(order) if name.startswith(b"slow")] == [1, 10, 19]


def test_when_batches_are_full_the_look_ups_of_the_fast_lane_go_first() -> None:
    desk = Desk(drivers=1, batch_size=9)
    slow = desk.jobs.enter(desk.shop.item("slow", 1, 2, *wide("a"), *wide("b", "BitAnd"), priority=SLOW_LANE))
    desk.done(desk.next(Load))
    fast = desk.jobs.enter(desk.shop.item("fast", 3, 4, *wide("a"), *wide("b", "BitAnd")))
    desk.done(desk.next(Load))
    order = list[Ticket]()
    while len(order) < 2:
        desk.done(desk.jobs.take())
        order += [each for each in (slow, fast) if not each.left and each not in order]
    assert order == [fast, slow]


# What fails.


def test_a_result_that_cannot_be_stored_is_lost_alone() -> None:
    desk = Desk()
    steps = (ADD, MUL, step("Gt", X, Y, result=LARGER))
    both = desk.jobs.enter(desk.shop.item("both", UNSTORABLE - 1, 1, *steps))
    other = desk.jobs.enter(desk.shop.sum_of(2, 3))
    desk.finish()
    assert outcome(both) == ({PRODUCT: UNSTORABLE - 1, LARGER: 1}, "noise 99, the budget is 39")
    assert outcome(other) == ({SUM: 5}, "")


def test_results_are_stored_apart_only_where_that_is_due() -> None:
    asked = list[list[int]]()

    def store(given: Sequence[int]) -> list[int]:
        asked.append(list(given))
        return [1 // each for each in given]

    assert apart(store, [1, 1]) == [1, 1]
    one, zero, last = apart(store, [1, 0, 1])
    assert (one, str(zero), last) == (1, "ZeroDivisionError: integer division or modulo by zero", 1)
    assert asked == [[1, 1], [1, 0, 1], [1], [0], [1]]
    with pytest.raises(MemoryError):
        apart(_exhausted, [1, 2])


def _exhausted(given: object) -> list[int]:
    raise MemoryError(given)


def test_the_error_is_that_of_the_first_output_whoever_was_quicker() -> None:
    """Both operations fail, in either order, and so does what needs them."""
    bad, worse, last = handle("bad"), handle("worse"), handle("last")
    steps = (
        step("BitXor", X, word(1), result=bad, is_scalar=True),
        step("BitXor", Y, word(1), result=worse, is_scalar=True),
        step("Add", bad, worse, result=last),
    )
    told = set[str]()
    for order in (1, -1):
        desk = Desk()
        given = desk.shop.item("loud", 1, 2, *steps, noise=TOO_LOUD)
        item = Item(tenant="t", steps=steps, handles=(X, Y), given=given.given, outputs=(last, worse))
        ticket = desk.jobs.enter(item)
        desk.done(desk.next(Load))
        for job in [desk.next(LookUps) for _ in range(2)][::order]:
            assert not ticket.has_news
            desk.done(job)
        told.add(outcome(ticket)[1])
    (text,) = told
    assert text.startswith(f"Add needs {bad.hex()}, which failed: noise 40")


def test_a_device_that_fails_ends_what_is_inside_and_what_comes_back_is_dropped() -> None:
    desk = Desk()
    first = desk.jobs.enter(desk.shop.item("wide", 1, 2, *wide("a")))
    desk.done(desk.next(Load))
    one, two = desk.next(LookUps), desk.next(LookUps)
    waiting = desk.jobs.enter(desk.shop.sum_of(1, 2))
    load = desk.next(Load)
    desk.jobs.fail(one, MemoryError("full"))
    assert (outcome(first), outcome(waiting)) == (({}, "full"), ({}, "full"))
    after = desk.jobs.enter(desk.shop.sum_of(5, 6))
    desk.jobs.fail(two, MemoryError("again"))
    desk.done(load)
    desk.finish()
    assert (outcome(first), outcome(after)) == (({}, "full"), ({SUM: 11}, ""))


def test_the_room_of_a_window_that_broke_is_free() -> None:
    desk = Desk(room=1)
    desk.jobs.enter(desk.shop.sum_of(1, 2))
    desk.done(desk.next(Load))
    away = desk.next(LookUps)
    assert desk.reserve.promised > 0
    desk.jobs.fail(away, MemoryError("full"))
    assert desk.reserve.promised == 0


def test_whoever_leaves_makes_room_for_others_which_may_end_at_once() -> None:
    """Nothing else is away that would look after those that wait."""
    desk = Desk(room=1)
    known = step("TrivialEncrypt", word(7), bytes([2]), result=handle("known"), is_scalar=True)
    leaving = desk.jobs.enter(desk.shop.sum_of(5, 6))
    trivial = desk.jobs.enter(desk.shop.item("known", 1, 2, known))
    loud = desk.jobs.enter(desk.shop.item("loud", 1, 2, ADD, noise=TOO_LOUD))
    desk.done(desk.next(Load))
    away = desk.next(LookUps)
    assert not desk.jobs.has_work
    desk.jobs.leave(leaving)
    assert desk.jobs.has_work
    desk.done(desk.next(Store))
    assert outcome(trivial)[0] == {known.result: 7}
    desk.done(away)
    desk.finish()
    assert "noise" in outcome(loud)[1]
    assert (desk.jobs.size, desk.reserve.promised) == (2, 0)


@pytest.mark.parametrize("jobs_before", range(12))
def test_whoever_leaves_takes_nothing_with_it(jobs_before: int) -> None:
    """With one of its jobs away, whichever it is."""
    desk = Desk()
    leaving = desk.jobs.enter(desk.shop.item("leaving", 5, 6, ADD, MUL))
    for _ in range(jobs_before):
        desk.done(desk.jobs.take())
    away = desk.jobs.take()
    assert away is not None
    desk.jobs.leave(leaving)
    staying = desk.jobs.enter(desk.shop.sum_of(3, 4))
    desk.jobs.take()  # takes it out
    found = len(leaving.found)
    desk.done(away)
    desk.finish()
    assert (len(leaving.found), desk.jobs.size) == (found, 1)
    assert outcome(staying)[1] == ""


# All of it together.


@dataclass
class Schedule:
    """Drivers, items and a device that fails, as a seed has it."""

    seed: int
    drivers: int = 3
    away: list[Job] = field(default_factory=list[Job])
    inside: list[Ticket] = field(default_factory=list[Ticket])
    settled: list[Ticket] = field(default_factory=list[Ticket])
    ended: list[Ticket] = field(default_factory=list[Ticket])

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.desk = Desk(self.drivers, batch_size=8)
        self.coming = _items(self.desk.shop)
        self.random.shuffle(self.coming)

    def run(self) -> None:
        while self.coming or self.away or self.inside:
            self.random.choice(self.possible())()
            self.see_to_tickets()
        assert (self.desk.jobs.take(), self.desk.jobs.size) == (None, 0)

    def possible(self) -> list[Callable[[], None]]:
        """What may happen now; something always may."""
        found = list[Callable[[], None]]()
        if self.coming:
            found.append(self.come)
        if self.desk.jobs.has_work and len(self.away) < self.drivers:
            found += [self.take] * 4
        if self.away:
            found += [self.give] * 4
        if self.away and self.random.random() < 0.01:
            found = [self.fail]
        if self.inside and self.random.random() < 0.02:
            found = [self.go]
        return found

    def come(self) -> None:
        self.inside.append(self.desk.jobs.enter(self.coming.pop()))

    def take(self) -> None:
        job = self.desk.jobs.take()
        self.away += [] if job is None else [job]

    def give(self) -> None:
        self.desk.done(self.away.pop(self.random.randrange(len(self.away))))

    def fail(self) -> None:
        self.desk.jobs.fail(self.away.pop(), MemoryError("full"))

    def go(self) -> None:
        self.desk.jobs.leave(self.inside.pop(self.random.randrange(len(self.inside))))

    def see_to_tickets(self) -> None:
        """As their threads do: whoever has all it will get leaves."""
        for ticket in [each for each in self.inside if not each.left or each.ended is not None]:
            self.inside.remove(ticket)
            is_broken = isinstance(ticket.ended, MemoryError)
            (self.ended if is_broken else self.settled).append(ticket)
            self.desk.jobs.leave(ticket)


def _items(shop: Shop) -> list[Item]:
    bad, after = handle("bad"), handle("after")
    loud = (
        step("BitXor", X, Y, result=bad),
        step("Add", bad, Y, result=after),
        step("BitAnd", X, Y, result=SUM),
        step("Gt", X, Y, result=LARGER),
    )
    chain = (ADD, step("Mul", SUM, Y, result=PRODUCT), step("Gt", PRODUCT, X, result=LARGER))
    given = [
        shop.item(f"chain {index}", index, 3 * index, *chain, tenant=f"t{index % 3}") for index in range(8)
    ]
    given += [shop.item("shared", 3, 4, *steps) for steps in ((ADD,), (MUL,), wide("w"))]
    given += [shop.item(f"loud {index}", 1, 2, *loud, noise=TOO_LOUD) for index in range(2)]
    unknown = step("Add", X, handle("nobody"), result=SUM)
    return [
        *given,
        shop.item("unstorable", UNSTORABLE, 0, ADD, MUL),
        shop.item("damaged", 1, 1, ADD),
        shop.item("unknown", 1, 1, unknown),
    ]


@cache
def alone() -> dict[tuple[bytes, tuple[Step, ...]], tuple[dict[bytes, int], str]]:
    found = dict[tuple[bytes, tuple[Step, ...]], tuple[dict[bytes, int], str]]()
    for index in range(len(_items(Shop()))):
        desk = Desk(drivers=1)
        item = _items(desk.shop)[index]
        ticket = desk.jobs.enter(item)
        desk.finish()
        found[item.given.context, item.steps] = outcome(ticket)
    return found


def test_what_items_give_alone() -> None:
    lost = {context.split()[0] for (context, _), (_, text) in alone().items() if text}
    assert lost == {b"loud", b"unstorable", b"damaged", b"unknown"}


@pytest.mark.parametrize("seed", range(40))
def test_no_schedule_changes_an_outcome_or_leaves_anybody_waiting(seed: int) -> None:
    schedule = Schedule(seed, drivers=1 + seed % 4)
    schedule.run()
    due = alone()
    for ticket in schedule.settled:
        assert outcome(ticket) == due[ticket.item.given.context, ticket.item.steps]
    # What came before a device failed is right as well.
    for ticket in schedule.ended:
        found, text = outcome(ticket)
        assert found.items() <= due[ticket.item.given.context, ticket.item.steps][0].items()
        assert text == "full"
