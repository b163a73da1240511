import threading
from dataclasses import dataclass, field

import pytest

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

    opened: list[str] = field(default_factory=list[str])
    held: set[str] = field(default_factory=set[str])
    given_back: int = 0
    most: int = 0
    shelf: Shelf[str, Suite] | None = None

    def resident(self) -> int:
        return SUITE * len(self.held)

    def peak(self) -> int:
        return self.most

    def give_back(self) -> None:
        self.given_back += 1
        self.held.discard(next(name for name in self.opened if name in self.held))

    def open(self, name: str) -> Suite:
        self.opened.append(name)
        self.held.add(name)
        self.most = max(self.most, self.resident() + 10)
        return Suite(name)


@pytest.fixture
def memory() -> PretendMemory:
    return PretendMemory()


def test_a_suite_is_opened_once_when_it_is_asked_for(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, BOUND, memory)
    assert shelf.get("a") is shelf.get("a")
    assert memory.opened == ["a"]


def test_the_least_used_makes_room(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, BOUND, memory)
    for name in ("a", "b", "c", "b", "a"):
        shelf.get(name)
    assert memory.opened == ["a", "b", "c", "a"]  # b outlived a because it was used later
    assert memory.given_back == 2


def test_without_a_bound_all_stay(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, 0, memory)
    for name in ("a", "b", "c", "d", "a", "b"):
        shelf.get(name)
    assert memory.opened == ["a", "b", "c", "d"]


def test_a_bound_that_holds_one_holds_one(memory: PretendMemory) -> None:
    shelf = Shelf(memory.open, SUITE, memory)
    for name in ("a", "b", "a"):
        shelf.get(name)
    assert memory.opened == ["a", "b", "a"]
    assert len(memory.held) == 1


def test_one_that_cannot_be_opened_leaves_the_others(memory: PretendMemory) -> None:
    def refuse(name: str) -> Suite:
        if name == "bad":
            raise ValueError(name)
        return memory.open(name)

    shelf = Shelf(refuse, BOUND, memory)
    shelf.get("a")
    with pytest.raises(ValueError, match="bad"):
        shelf.get("bad")
    shelf.get("a")
    assert memory.opened == ["a"]


def test_what_is_open_is_given_out_while_another_one_opens(memory: PretendMemory) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slowly(name: str) -> Suite:
        if name == "slow":
            asked.set()
            assert go_on.wait(30)
        return memory.open(name)

    shelf = Shelf(slowly, 0, memory)
    shelf.get("a")
    opening = threading.Thread(target=shelf.get, args=("slow",))
    opening.start()
    assert asked.wait(30)
    assert shelf.get("a").name == "a"
    go_on.set()
    opening.join(30)
    assert memory.opened == ["a", "slow"]


def test_the_kernel_says_what_a_process_occupies() -> None:
    memory = ProcessMemory()
    memory.give_back()
    assert 1 << 20 < memory.resident() <= memory.peak()
