"""Devices in service: what they are asked, what is believed of them, and how one leaves."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import structlog
from numpy.typing import NDArray

from streams.domain.errors import DeviceDistrusted, DeviceExhausted, DevicesLost
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.parameters import COMPRESSION
from streams.fhe.wave.exam import Exam, Subject, any_ciphertexts, repeated
from streams.fhe.wave.service import Service
from tests.unit.fhe.devices.sets import SMALL
from tests.unit.fhe.wave.faults import BATCH_SIZE, Broken, Fault, faulty, honest

EVERY = 3
PATIENCE_S = 60.0
EXAM = Exam.set_by(honest())
Call = Callable[[Service], Sequence[NDArray[Any]]]

CALLS: dict[Subject, Call] = {
    Subject.LOOK_UP: lambda service: service.bootstrap(batch()),
    Subject.RANDOM: lambda service: service.rotate(EXAM.random),
    Subject.UNPACK: lambda service: service.decompress(EXAM.stored),
    Subject.PACK: lambda service: service.compress(EXAM.blocks),
}


def batch(count: int = 4) -> Bootstraps:
    look_up = EXAM.look_up
    ciphertexts = any_ciphertexts(SeededSource(b"batch"), SMALL, count)
    boxes = [(0,) if index % 2 else (0, 3, 7) for index in range(count)]
    return Bootstraps(ciphertexts, look_up.polynomials, [0] * count, boxes)


DUE = honest().device.bootstrap(batch())


def service(*faults: Fault, every: int = EVERY) -> Service:
    units = [faulty(honest(f"unit {index}"), fault) for index, fault in enumerate(faults)]
    made = Service(units, EXAM, every)
    for fault in faults:
        fault.calls.clear()
    return made


def is_due(found: Sequence[NDArray[Any]]) -> bool:
    return len(found) == len(DUE) and all(map(np.array_equal, found, DUE))


def found_out(asked: Service, subject: Subject) -> None:
    for _ in range(2):  # each of two has its turn
        CALLS[subject](asked)
    asked.prove()


def test_a_question_rides_in_every_nth_batch_and_leaves_no_trace() -> None:
    fault = Fault()
    asked = service(fault)
    assert all(is_due(asked.bootstrap(batch())) for _ in range(2 * EVERY))
    assert fault.batches == [4, 4, 5, 4, 4, 5]
    assert asked.reading == (len(Subject) + 2, 0)


@pytest.mark.parametrize("place", range(5))
def test_it_may_ride_at_any_place(place: int) -> None:
    found = honest().device.bootstrap(EXAM.riding(batch(), place))
    assert EXAM.is_right(Subject.LOOK_UP, [found.pop(place)])
    assert is_due(found)


@pytest.mark.parametrize("spare", [0, 1])
def test_a_question_has_a_place_of_its_own_where_one_more_is_dear(spare: int) -> None:
    assert Service([replace(faulty(honest(), Fault()), spare=spare)], EXAM).batch_size == BATCH_SIZE - spare


def test_its_place_moves() -> None:
    """A fault in one place of a full batch is found."""
    fault = Fault()
    asked = service(fault, every=1)
    fault.period, fault.turned = BATCH_SIZE, 0
    with suppress(DevicesLost):
        for _ in range(10 * BATCH_SIZE):
            asked.bootstrap(batch(BATCH_SIZE - 1))
    assert asked.epoch == 1


@pytest.mark.parametrize("subject", Subject)
@pytest.mark.parametrize("is_raised", [False, True])
def test_a_device_that_answers_wrongly_goes_and_the_others_serve(subject: Subject, is_raised: bool) -> None:
    bad, good = Fault(), Fault()
    both = service(bad, good)
    told = list[str]()
    both.on_out = lambda: told.append("out")
    due = {each: call(both) for each, call in CALLS.items()}
    fault = frozenset({subject})
    bad.raises, bad.wrong = (fault, frozenset()) if is_raised else (frozenset(), fault)
    with structlog.testing.capture_logs() as logs, pytest.raises(DeviceDistrusted, match="unit 0"):
        found_out(both, subject)
    (line,) = [each for each in logs if each["action"] == "device_out"]
    assert (line["device"], line["left"], line["log_level"]) == ("unit 0", 1, "error")
    assert (both.epoch, both.reading[1], told) == (1, 1, ["out"])
    bad.calls.clear()
    for each, call in CALLS.items():
        for _ in range(3):
            assert all(map(np.array_equal, call(both), due[each]))
    both.prove()
    assert bad.calls == []


LEAST_BATCHES = (1, 4, 7)  # of three kernels
IN_LARGE_BATCHES: dict[Subject, Callable[[Service, int], object]] = {
    Subject.LOOK_UP: lambda service, count: service.bootstrap(batch(count)),
    Subject.RANDOM: lambda service, count: service.rotate(repeated(EXAM.random, count)),
    Subject.UNPACK: lambda service, count: service.decompress([STORED] * count),
}
# As many words as one block takes: what decides over a kernel is counted, not looked at.
STORED = np.zeros(COMPRESSION.dimension + 1, np.uint16)


def in_kernels(fault: Fault) -> Service:
    """One unit that has a kernel for small batches, one for larger ones, and one for the largest."""
    made = Service([replace(faulty(honest(), fault), least_batches=LEAST_BATCHES)], EXAM, EVERY)
    fault.calls.clear()
    return made


@pytest.mark.parametrize("kernel", range(3))
@pytest.mark.parametrize("subject", IN_LARGE_BATCHES)
@pytest.mark.parametrize("is_raised", [False, True])
def test_a_kernel_that_begins_to_lie_is_found_by_what_it_did(
    subject: Subject, kernel: int, is_raised: bool
) -> None:
    fault = Fault()
    asked = in_kernels(fault)
    IN_LARGE_BATCHES[subject](asked, LEAST_BATCHES[kernel] + 1)
    mark = asked.mark()
    ends = (*LEAST_BATCHES, 1 << 30)
    fault.kernel = range(ends[kernel], ends[kernel + 1])
    only = frozenset({subject})
    fault.raises, fault.wrong = (only, frozenset()) if is_raised else (frozenset(), only)
    with pytest.raises(DevicesLost, match=str(subject)):
        asked.prove()
    assert not asked.is_proven(mark)


def test_only_kernels_that_were_used_are_asked_again() -> None:
    fault = Fault()
    asked = in_kernels(fault)
    IN_LARGE_BATCHES[Subject.UNPACK](asked, 5)
    IN_LARGE_BATCHES[Subject.LOOK_UP](asked, 8)
    fault.calls.clear()
    asked.prove()
    assert fault.calls == [(Subject.LOOK_UP, 7), (Subject.UNPACK, 4)]
    asked.prove()
    assert len(fault.calls) == 2


def test_a_question_that_rides_answers_for_the_kernel_of_its_batch_alone() -> None:
    fault = Fault()
    asked = in_kernels(fault)
    asked.bootstrap(batch(2))
    small = asked.mark()
    asked.bootstrap(batch(5))
    fault.calls.clear()
    asked.bootstrap(batch(6))  # the third: with the question it is of seven
    assert fault.calls == [(Subject.LOOK_UP, 7), (Subject.LOOK_UP, 1), (Subject.LOOK_UP, 4)]
    assert asked.is_proven(small)


@pytest.mark.parametrize("subject", Subject)
def test_the_last_one_is_fatal(subject: Subject) -> None:
    fault = Fault()
    alone = service(fault)
    fault.wrong = frozenset({subject})
    with pytest.raises(DevicesLost, match=f"unit 0: a wrong answer: {subject}"):
        found_out(alone, subject)
    for call in CALLS.values():
        with pytest.raises(DevicesLost):
            call(alone)


def test_nothing_is_believed_before_a_question_that_came_after_it() -> None:
    asked = service(Fault())
    assert asked.is_proven(asked.mark())
    for call in CALLS.values():
        call(asked)
        mark = asked.mark()
        assert not asked.is_proven(mark)
        asked.prove()
        assert asked.is_proven(mark)


def test_the_batch_in_which_a_question_rides_is_believed_with_the_next_one() -> None:
    asked = service(Fault())
    for _ in range(EVERY - 1):
        asked.bootstrap(batch())
    before = asked.mark()
    asked.bootstrap(batch())
    own = asked.mark()
    assert (asked.is_proven(before), asked.is_proven(own)) == (True, False)
    for _ in range(EVERY):
        asked.bootstrap(batch())
    assert asked.is_proven(own)


def test_with_a_batch_that_is_asked_everything_else_is_asked_too() -> None:
    fault = Fault()
    asked = service(fault)
    CALLS[Subject.UNPACK](asked)
    mark = asked.mark()
    for _ in range(EVERY):
        asked.bootstrap(batch())
    assert fault.calls[-1] == (Subject.UNPACK, 1)
    assert (Subject.PACK, 1) not in fault.calls  # it did nothing of that kind
    assert asked.is_proven(mark)


def test_what_every_unit_did_has_to_be_proven() -> None:
    bad, good = Fault(), Fault()
    both = service(bad, good)
    for _ in range(2):
        both.bootstrap(batch())
    mark = both.mark()
    bad.wrong = frozenset({Subject.LOOK_UP})
    with pytest.raises(DeviceDistrusted):
        both.prove()
    both.prove()
    # The other one is proven; what was marked before may have come from the first.
    assert (both.is_proven(mark), both.is_proven(both.mark())) == (False, True)


def test_a_batch_that_nobody_can_compute_costs_no_device() -> None:
    def refuse(subject: Subject, count: int) -> None:
        if count > 1:
            raise Broken("too many")

    fault = Fault()
    asked = service(fault)
    fault.gate = refuse
    with pytest.raises(Broken, match="too many"):
        asked.bootstrap(batch())
    assert asked.epoch == 0
    assert np.array_equal(asked.bootstrap(batch(1))[0], DUE[0])


@pytest.mark.parametrize("error", [DeviceExhausted, MemoryError])
def test_a_lack_of_memory_is_no_wrong_answer(error: type[Exception]) -> None:
    fault = Fault()
    asked = service(fault)
    fault.raises, fault.error = frozenset(Subject), error
    with pytest.raises(error):
        asked.bootstrap(batch())
    fault.raises = frozenset()
    asked.bootstrap(batch())
    fault.raises = frozenset(Subject)
    with pytest.raises(error):
        asked.prove()
    assert asked.epoch == 0


def test_a_panic_takes_a_device_out_too() -> None:
    class Panic(BaseException):
        """As a native library raises it."""

    fault = Fault()
    asked = service(fault)
    fault.raises, fault.error = frozenset(Subject), Panic
    with pytest.raises(DevicesLost, match="Panic"):
        asked.bootstrap(batch())


def test_a_unit_that_lies_from_the_beginning_does_not_serve() -> None:
    bad = Fault(wrong=frozenset({Subject.PACK}))
    both = service(bad, Fault())
    assert both.epoch == 1
    for call in CALLS.values():
        call(both)
    assert bad.calls == []
    with pytest.raises(DevicesLost, match="compression"):
        service(Fault(wrong=frozenset({Subject.PACK})))


@pytest.mark.parametrize("period", [2, 7, 20])
def test_a_device_that_is_wrong_now_and_then_is_found_by_the_question_that_meets_its_fault(
    period: int,
) -> None:
    fault = Fault()
    asked = service(fault, every=2)
    fault.period, fault.turned = period, 0
    with suppress(DevicesLost):
        for _ in range(60 * period):
            asked.bootstrap(batch())
    assert asked.epoch == 1


def test_drivers_beside_each_other_have_a_device_each() -> None:
    faults = [Fault() for _ in range(3)]
    asked, inside = service(*faults, every=1000), threading.Barrier(3, timeout=PATIENCE_S)
    for fault in faults:
        fault.gate = lambda subject, count: [inside.wait()].clear()
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(asked.bootstrap, batch()) for _ in range(3)]
        assert all(is_due(call.result()) for call in calls)
    assert [fault.batches for fault in faults] == [[4], [4], [4]]


def test_what_comes_back_from_a_device_that_went_meanwhile_is_not_believed() -> None:
    bad, good = Fault(), Fault()
    both = service(bad, good)
    CALLS[Subject.LOOK_UP](both)  # the first unit's
    CALLS[Subject.LOOK_UP](both)
    entered, go_on = threading.Event(), threading.Event()

    def wait(subject: Subject, count: int) -> None:
        if subject is Subject.UNPACK:
            entered.set()
            assert go_on.wait(PATIENCE_S)

    bad.gate = wait
    with ThreadPoolExecutor(1) as threads:
        away = threads.submit(both.decompress, EXAM.stored)
        try:
            assert entered.wait(PATIENCE_S)
            bad.wrong = frozenset({Subject.LOOK_UP})
            with pytest.raises(DeviceDistrusted, match="unit 0"):
                both.prove()
        finally:
            go_on.set()
        with pytest.raises(DeviceDistrusted, match="unit 0: it is out of service"):
            away.result(PATIENCE_S)
