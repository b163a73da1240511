"""Devices that squash: numbers leave once their device was asked afterwards, and how a device leaves."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
import structlog

from streams.domain.errors import DeviceExhausted, DevicesLost
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.words import Words
from streams.fhe.wave.squash import Squashes
from streams.fhe.wave.squash_service import SquashService
from streams.fhe.wave.squash_unit import BLOCKS, SquashExam, SquashUnit, Unsquashed
from tests.unit.fhe.wave.faults import Broken, PlainStorage

PATIENCE_S = 60.0
PAIRS = (BLOCKS + 1) // 2
STEPS = ("decompress", "squash", "pack")
NUMBER = (np.arange(8, dtype=np.uint16).reshape(4, 2),)  # four blocks: two ciphertexts are squashed
OWN = 2


@dataclass
class Fault:
    """What is wrong with a device, if anything; a test changes it as it goes."""

    wrong: frozenset[str] = frozenset()
    raises: frozenset[str] = frozenset()
    error: type[BaseException] = Broken
    gate: Callable[[str, int], None] = lambda step, count: None
    calls: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    def applied(self, step: str, count: int, words: Words) -> Words:
        """Words as this device gives them, of so many ciphertexts."""
        self.calls.append((step, count))
        self.gate(step, count)
        if step in self.raises:
            raise self.error
        return words ^ np.uint64(step in self.wrong)

    @property
    def squashes(self) -> list[int]:
        """Ciphertexts of each call that squashed."""
        return [count for step, count in self.calls if step == "squash"]


@dataclass(frozen=True)
class Storage(PlainStorage):
    fault: Fault

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        found = super().decompress(glwes)
        return [self.fault.applied("decompress", len(each), each) for each in found]


@dataclass(frozen=True)
class Squashing:
    """Words that show their input."""

    fault: Fault

    def squash(self, blocks: Words) -> Words:
        return self.fault.applied("squash", len(blocks), np.stack([blocks * np.uint64(3), blocks], axis=-1))

    def pack(self, squashed: Words) -> tuple[Words, ...]:
        return (self.fault.applied("pack", len(squashed), squashed.sum(axis=0, dtype=np.uint64)),)


def unit(fault: Fault, name: str = "unit") -> SquashUnit:
    return SquashUnit(name, Storage(fault), Squashing(fault))


EXAM = SquashExam.set_by(unit(Fault()))


def squashed(asked: Squashes, packed: bool = True, glwes: Sequence[Rounded] = NUMBER) -> tuple[Words, ...]:
    """The number, alone."""
    (found,) = asked.squashed([Unsquashed(glwes, packed)])
    return found


DUE = {packed: squashed(unit(Fault()), packed) for packed in (True, False)}


def service(*faults: Fault) -> SquashService:
    return SquashService([unit(fault, f"unit {index}") for index, fault in enumerate(faults)], EXAM)


def is_due(found: Sequence[Words], *, packed: bool = True) -> bool:
    return len(found) == len(DUE[packed]) and all(map(np.array_equal, found, DUE[packed]))


# An odd number of blocks, two packed ciphertexts, one block: 2, 3 and 1 ciphertexts are squashed.
COMPANY = [
    Unsquashed((np.arange(6, dtype=np.uint16).reshape(3, 2),), packed=True),
    Unsquashed(tuple(np.full((3, 2), value, np.uint16) for value in (7, 9)), packed=False),
    Unsquashed((np.array([[5, 6]], np.uint16),), packed=True),
]


def is_equal(found: Sequence[Words], due: Sequence[Words]) -> bool:
    return len(found) == len(due) and all(map(np.array_equal, found, due))


def test_numbers_are_squashed_in_one_call_to_what_each_is_alone() -> None:
    fault = Fault()
    found = unit(fault).squashed(COMPANY)
    assert fault.calls == [
        *(("decompress", count) for count in (3, 3, 3, 1)),
        ("squash", 6),
        *(("pack", count) for count in (2, 1)),
    ]
    alone = [squashed(unit(Fault()), each.packed, each.glwes) for each in COMPANY]
    assert [len(each) for each in found] == [1, 3, 1]
    assert all(map(is_equal, found, alone))


def test_two_blocks_of_one_number_are_in_a_ciphertext_and_never_those_of_two() -> None:
    """The lower one first; the words show what was squashed."""
    low, high, alone = COMPANY[0].glwes[0].astype(np.uint64)
    first, last, *_ = unit(Fault()).squash([each.glwes for each in COMPANY])[0][..., 1]
    assert np.array_equal(first, low + high * np.uint64(4))
    assert np.array_equal(last, alone)


def test_one_question_is_for_all_numbers_of_a_call() -> None:
    fault = Fault()
    asked = service(fault)
    found = asked.squashed(COMPANY)
    assert all(map(is_equal, found, unit(Fault()).squashed(COMPANY)))
    assert fault.squashes == [6, PAIRS]
    assert asked.reading == (1, 0)


@pytest.mark.parametrize("step", STEPS)
def test_no_number_of_a_call_leaves_that_a_device_computed_after_it_broke_down(step: str) -> None:
    """Not those either whose own part came before."""
    bad, good = Fault(), Fault()
    both = service(bad, good)

    def breaks(at: str, count: int) -> None:
        if [each for each, _ in bad.calls].count(step) == 2:
            bad.wrong = frozenset({step})

    bad.gate = breaks
    with structlog.testing.capture_logs() as logs:
        found = both.squashed(COMPANY)
    assert all(map(is_equal, found, unit(Fault()).squashed(COMPANY)))
    assert good.squashes == [6, PAIRS]
    assert both.reading == (2, 1)
    assert [each["count"] for each in logs if each["action"] == "item_again"] == [len(COMPANY)]


@pytest.mark.parametrize("packed", [True, False])
def test_a_device_is_asked_after_each_number_from_its_decompression_to_its_packing(packed: bool) -> None:
    fault = Fault()
    asked = service(fault)
    assert is_due(squashed(asked, packed), packed=packed)
    number = [("decompress", 4), ("squash", OWN), ("pack", OWN)][: None if packed else 2]
    assert fault.calls == [*number, ("decompress", BLOCKS), ("squash", PAIRS), ("pack", PAIRS)]
    assert asked.reading == (1, 0)


def test_the_question_looks_at_every_word() -> None:
    for step in STEPS:
        assert not EXAM.is_passed(unit(Fault(wrong=frozenset({step})))), step
    assert EXAM.is_passed(unit(Fault()))


def test_what_packing_hides_is_seen() -> None:
    """The lowest bits of a squashed word do not reach its digits."""

    class Hiding(Squashing):
        def pack(self, squashed: Words) -> tuple[Words, ...]:
            return EXAM.packed

    fault = Fault(wrong=frozenset({"squash"}))
    assert not EXAM.is_passed(SquashUnit("unit", Storage(fault), Hiding(fault)))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_raised", [False, True])
@pytest.mark.parametrize("moment", STEPS)
def test_nothing_leaves_that_a_device_computed_after_it_broke_down(
    moment: str, is_raised: bool, step: str
) -> None:
    """Whenever in a number that was: another device computes it again."""
    bad, good = Fault(), Fault()
    both = service(bad, good)

    def breaks(at: str, count: int) -> None:
        if at == moment and len(bad.squashes) <= 1:
            fault = frozenset({step})
            bad.raises, bad.wrong = (fault, frozenset()) if is_raised else (frozenset(), fault)

    bad.gate = breaks
    with structlog.testing.capture_logs() as logs:
        assert is_due(squashed(both))
    (line,) = [each for each in logs if each["action"] == "device_out"]
    assert (line["device"], line["left"], line["log_level"]) == ("unit 0", 1, "error")
    assert [each["action"] for each in logs].count("item_again") == 1
    assert both.reading == (2, 1)
    bad.calls.clear()
    assert all(is_due(squashed(both)) for _ in range(3))
    assert bad.calls == []


@pytest.mark.parametrize("step", STEPS)
def test_the_last_one_is_fatal(step: str) -> None:
    fault = Fault()
    alone = service(fault)
    assert is_due(squashed(alone))
    fault.wrong = frozenset({step})
    with pytest.raises(DevicesLost, match="unit 0: a wrong answer"):
        squashed(alone)
    fault.wrong = frozenset()
    fault.calls.clear()
    with pytest.raises(DevicesLost):
        squashed(alone)
    assert (fault.calls, alone.reading) == ([], (2, 1))


def test_all_devices_may_be_lost_by_one_number() -> None:
    faults = [Fault(wrong=frozenset({"squash"})) for _ in range(3)]
    lying = service(*faults)
    with pytest.raises(DevicesLost):
        squashed(lying)
    assert lying.reading == (3, 3)


def test_an_error_of_the_number_costs_no_device() -> None:
    def refuse(step: str, count: int) -> None:
        if count == OWN:
            raise Broken("this one")

    fault = Fault()
    asked = service(fault)
    fault.gate = refuse
    with pytest.raises(Broken, match="this one"):
        squashed(asked)
    assert asked.reading == (1, 0)
    fault.gate = lambda step, count: None
    assert is_due(squashed(asked))


@pytest.mark.parametrize("error", [DeviceExhausted, MemoryError])
@pytest.mark.parametrize("count", [OWN, PAIRS])
def test_a_lack_of_memory_is_no_wrong_answer_and_no_right_one(error: type[Exception], count: int) -> None:
    def lack(step: str, found: int) -> None:
        if (step, found) == ("squash", count):
            raise error

    fault = Fault()
    asked = service(fault)
    fault.gate = lack
    with pytest.raises(error):
        squashed(asked)
    fault.gate = lambda step, count: None
    assert is_due(squashed(asked))
    assert asked.reading == (1 + (count == PAIRS), 0)


def test_a_panic_takes_a_device_out_too() -> None:
    class Panic(BaseException):
        """As a native library raises it."""

    fault = Fault(raises=frozenset({"squash"}), error=Panic)
    with pytest.raises(DevicesLost, match="Panic"):
        squashed(service(fault))


def test_devices_take_turns() -> None:
    faults = [Fault() for _ in range(3)]
    asked = service(*faults)
    assert all(is_due(squashed(asked)) for _ in range(6))
    assert [fault.squashes for fault in faults] == [[OWN, PAIRS] * 2] * 3


def test_calls_beside_each_other_have_a_device_each() -> None:
    faults = [Fault() for _ in range(3)]
    asked, inside = service(*faults), threading.Barrier(3, timeout=PATIENCE_S)

    def meet(step: str, count: int) -> None:
        if (step, count) == ("squash", OWN):
            inside.wait()

    for fault in faults:
        fault.gate = meet
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(squashed, asked) for _ in range(3)]
        assert all(is_due(call.result(PATIENCE_S)) for call in calls)
    assert [fault.squashes for fault in faults] == [[OWN, PAIRS]] * 3


class Paused:
    """A device whose first question waits in the middle until the test goes on."""

    def __init__(self, fault: Fault) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()
        fault.gate = self._gate

    def _gate(self, step: str, count: int) -> None:
        if (step, count) == ("pack", PAIRS) and not self.entered.is_set():
            self.entered.set()
            assert self.go_on.wait(PATIENCE_S)


def came_back(asked: SquashService, count: int) -> None:
    """Waits until so many numbers came back from the first device, whatever is believed of them."""
    until = time.monotonic() + PATIENCE_S
    while asked._posts[0].done < count:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_a_question_does_not_answer_for_what_came_back_after_it_was_asked() -> None:
    bad, good = Fault(), Fault()
    paused, both = Paused(bad), service(bad, good)
    both._posts[1].busy = 10  # the first one is given everything
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(squashed, both)
        assert paused.entered.wait(PATIENCE_S)
        # While the question is being answered, another number comes back, and then the device breaks down.
        second = threads.submit(squashed, both)
        came_back(both, 2)
        bad.wrong = frozenset({"squash"})
        paused.go_on.set()
        assert all(is_due(call.result(PATIENCE_S)) for call in (first, second))
    assert bad.squashes == [OWN, PAIRS, OWN, PAIRS]
    assert good.squashes == [OWN, PAIRS]
    assert both.reading == (3, 1)


def test_a_question_answers_for_all_that_came_back_before_it() -> None:
    fault = Fault()
    paused, asked = Paused(fault), service(fault)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(squashed, asked)
        assert paused.entered.wait(PATIENCE_S)
        others = [threads.submit(squashed, asked) for _ in range(2)]
        came_back(asked, 3)
        paused.go_on.set()
        assert all(is_due(call.result(PATIENCE_S)) for call in (first, *others))
    assert asked.reading == (2, 0)


def test_what_comes_back_from_a_device_that_went_meanwhile_is_not_believed() -> None:
    bad, good = Fault(), Fault()
    paused, both = Paused(bad), service(bad, good)
    both._posts[1].busy = 10
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(squashed, both)]
        assert paused.entered.wait(PATIENCE_S)
        calls.append(threads.submit(squashed, both))
        came_back(both, 2)
        bad.wrong = frozenset({"pack"})  # the question itself is answered wrongly now
        paused.go_on.set()
        assert all(is_due(call.result(PATIENCE_S)) for call in calls)
    # Asked once: for the second number that was enough.
    assert bad.squashes == [OWN, PAIRS, OWN]
    assert both.reading == (3, 1)
