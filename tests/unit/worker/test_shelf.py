import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streams.fhe.mapped_bytes import mapped_bytes
from streams.fhe.suite import Tally
from streams.services.worker.shelf import ProcessMemory, Shelf

BOUND = 800  # of which 700 are for suites
SUITE = 300


@dataclass
class Suite:
    """Takes memory while it is open."""

    name: str
    size_bytes: int = SUITE


@dataclass
class PretendMemory:
    """Memory of the suites that a shelf has open."""

    pinned: set[str] = field(default_factory=set[str])
    opened: list[str] = field(default_factory=list[str])
    held: set[str] = field(default_factory=set[str])
    given_back: int = 0
    most: int = 0
    shelf: Shelf[str, Suite] | None = None
    is_mapped: bool = False  # and nothing of it was touched

    def resident(self) -> int:
        return 0 if self.is_mapped else SUITE * len(self.held)

    def mapped(self) -> int:
        return SUITE * len(self.held) if self.is_mapped else 0

    def peak(self) -> int:
        return self.most

    def give_back(self) -> None:
        self.given_back += 1
        closed = next(name for name in self.opened if name in self.held and name not in self.pinned)
        self.held.discard(closed)

    def open(self, name: str) -> Suite:
        self.opened.append(name)
        self.held.add(name)
        self.most = max(self.most, self.resident() + 10)
        return Suite(name)


def until(holds: Callable[[], bool]) -> None:
    """Give the other threads the processor until it holds."""
    limit = threading.Event()
    giving_up = threading.Timer(60, limit.set)
    giving_up.start()
    while not holds():
        assert not limit.is_set()
        os.sched_yield()
    giving_up.cancel()


@pytest.fixture
def memory() -> PretendMemory:
    return PretendMemory()


def test_a_suite_is_opened_once_when_it_is_asked_for(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, BOUND, memory)
    with shelf.use("a") as first, shelf.use("a") as second:
        assert first is second
    assert memory.opened == ["a"]


def test_the_least_used_makes_room(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, BOUND, memory)
    for name in ("a", "b", "c", "b", "a"):
        shelf.load(name)
    assert memory.opened == ["a", "b", "c", "a"]  # b outlived a because it was used later
    assert memory.given_back == 2


def test_keys_that_are_mapped_count_before_they_are_touched(memory: PretendMemory) -> None:
    memory.is_mapped = True
    shelf = Shelf(memory.open, BOUND, memory)
    for name in ("a", "b", "c"):
        shelf.load(name)
    assert memory.held == {"b", "c"}


def test_the_least_used_makes_room_for_one_too_many_although_there_is_memory(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, 0, memory, suites_max=2)
    for name in ("a", "b", "c", "b", "a"):
        shelf.load(name)
    assert memory.opened == ["a", "b", "c", "a"]


def test_what_is_in_use_is_not_closed_and_another_one_makes_room(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, BOUND, memory)
    memory.pinned.add("a")
    with shelf.use("a"):
        shelf.load("b")
        shelf.load("c")
        assert memory.held == {"a", "c"}


def test_who_needs_room_waits_until_a_suite_is_free_and_comes_before_the_next_one(
    memory: PretendMemory,
) -> None:
    shelf = Shelf(memory.open, SUITE, memory)
    served: list[str] = []

    def use(name: str) -> None:
        with shelf.use(name):
            served.append(name)

    with shelf.use("a"):
        opening = threading.Thread(target=use, args=("b",))
        opening.start()
        until(lambda: shelf.is_room_wanted)
        late = threading.Thread(target=use, args=("a",))
        late.start()
        assert memory.held == {"a"}
    opening.join(60)
    late.join(60)
    assert served == ["b", "a"]
    assert memory.opened == ["a", "b", "a"]


def test_lookups_are_counted(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, 0, memory)
    for name in ("a", "b", "a", "a"):
        shelf.load(name)
    assert shelf.lookups() == (2, 2)


def test_the_counts_of_a_closed_suite_are_not_lost(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, SUITE, memory, tally=lambda suite: Tally(len(suite.name), 10))
    shelf.load("a")
    assert shelf.tallied() == Tally(1, 10)
    shelf.load("bc")
    assert shelf.tallied() == Tally(3, 20)


def test_what_suites_leave_is_told_before_one_opens_and_after(memory: PretendMemory) -> None:
    told: list[int] = []
    shelf = Shelf(memory.open, BOUND, memory, on_room=told.append)
    for name in ("a", "b", "c"):
        shelf.load(name)
    # 310 at the peak of an opening; the first one's cost is not known before.
    assert told == [700, 390, 80, 80, 80, 80]


def test_one_that_cannot_be_opened_leaves_the_room_that_was_there(memory: PretendMemory) -> None:
    def refuse(name: str) -> Suite:
        if name == "bad":
            raise ValueError(name)
        return memory.open(name)

    told: list[int] = []
    shelf = Shelf(refuse, BOUND, memory, on_room=told.append)
    shelf.load("a")
    with pytest.raises(ValueError, match="bad"):
        shelf.load("bad")
    assert told == [700, 390, 80, 390]


def test_without_a_bound_all_stay(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, 0, memory)
    for name in ("a", "b", "c", "d", "a", "b"):
        shelf.load(name)
    assert memory.opened == ["a", "b", "c", "d"]


def test_a_bound_that_holds_one_holds_one(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, SUITE, memory)
    for name in ("a", "b", "a"):
        shelf.load(name)
    assert memory.opened == ["a", "b", "a"]
    assert len(memory.held) == 1


def test_one_that_cannot_be_opened_leaves_the_others(memory: PretendMemory) -> None:
    def refuse(name: str) -> Suite:
        if name == "bad":
            raise ValueError(name)
        return memory.open(name)

    shelf = Shelf(refuse, BOUND, memory)
    shelf.load("a")
    with pytest.raises(ValueError, match="bad"):
        shelf.load("bad")
    shelf.load("a")
    assert memory.opened == ["a"]


def test_what_is_open_is_given_out_while_another_one_opens(memory: PretendMemory) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slowly(name: str) -> Suite:
        if name == "slow":
            asked.set()
            assert go_on.wait(30)
        return memory.open(name)

    shelf = Shelf(slowly, 0, memory)
    shelf.load("a")
    opening = threading.Thread(target=shelf.load, args=("slow",))
    opening.start()
    assert asked.wait(30)
    with shelf.use("a") as suite:
        assert suite.name == "a"
    go_on.set()
    opening.join(30)
    assert memory.opened == ["a", "slow"]


def test_the_kernel_says_what_a_process_occupies() -> None:
    memory = ProcessMemory()
    memory.give_back()
    assert 1 << 20 < memory.resident() <= memory.peak()


def test_a_file_counts_as_often_and_as_long_as_it_is_mapped(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(bytes(5000))
    before = ProcessMemory().mapped()
    views = [mapped_bytes(tmp_path / "key") for _ in range(2)]
    assert ProcessMemory().mapped() - before == 10_000
    views.pop()
    assert ProcessMemory().mapped() - before == 5000
