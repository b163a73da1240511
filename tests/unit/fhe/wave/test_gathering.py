"""Calls beside each other become one: who goes with whom, whose error it is, that nobody waits for ever."""

import ctypes
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import structlog

from streams.domain.errors import DeviceExhausted
from streams.fhe.wave.gathering import Gathering

PATIENCE_S = 60.0
ANSWER = "{} is answered"


class Broken(RuntimeError):
    """What a question raises."""


class Desk:
    """A call that takes down each batch, and lets it go when the test says so."""

    def __init__(self) -> None:
        self.batches = list[list[str]]()
        self.before: Callable[[Sequence[str]], None] = lambda questions: None
        self._begun, self._ended = threading.Semaphore(0), threading.Semaphore(0)

    def call(self, questions: Sequence[str]) -> list[str]:
        self.batches.append(list(questions))
        self._begun.release()
        assert self._ended.acquire(timeout=PATIENCE_S)
        self.before(questions)
        return [ANSWER.format(each) for each in questions]

    def wait(self, calls: int = 1) -> None:
        """Until so many more calls have begun."""
        for _ in range(calls):
            assert self._begun.acquire(timeout=PATIENCE_S)

    def end(self, calls: int = 1) -> None:
        """Those that began first, or that will begin next."""
        self._ended.release(calls)


class Threads(ThreadPoolExecutor):
    """Ask beside each other, each in line before the next one comes."""

    def __init__(self, gathering: Gathering[str, str]) -> None:
        super().__init__(16)
        self._gathering = gathering
        self.idents = dict[str, int]()

    def ask(self, *questions: str, size: int = 1) -> list[Future[str]]:
        return [self._asked(each, size) for each in questions]

    def _asked(self, question: str, size: int) -> Future[str]:
        due = len(self._gathering._line) + 1
        asked = self.submit(self._answer, question, size)
        until(lambda: len(self._gathering._line) == due)
        return asked

    def _answer(self, question: str, size: int) -> str:
        self.idents[question] = threading.get_ident()
        return self._gathering.answer(question, size)


def until(is_so: Callable[[], bool]) -> None:
    """Waits for what another thread is about to do."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


def answers(asked: Sequence[Future[str]]) -> list[str]:
    return [each.result(PATIENCE_S) for each in asked]


def due(*questions: str) -> list[str]:
    return [ANSWER.format(each) for each in questions]


def away(desk: Desk, threads: Threads, question: str = "first") -> Future[str]:
    """A call for this question alone, which does not end yet."""
    asked = threads.submit(threads._gathering.answer, question, 1)
    desk.wait()
    return asked


def test_a_call_waits_for_no_other() -> None:
    desk = Desk()
    gathering = Gathering(desk.call, 8)
    desk.end(2)
    assert [gathering.answer(each, 1) for each in "ab"] == due("a", "b")
    assert desk.batches == [["a"], ["b"]]


def test_what_is_asked_while_a_call_is_away_goes_together_in_the_order_in_which_it_came() -> None:
    desk = Desk()
    with Threads(Gathering(desk.call, 8)) as threads:
        first = away(desk, threads)
        others = threads.ask("a", "b", "c")
        desk.end(2)
        assert answers([first, *others]) == due("first", "a", "b", "c")
    assert desk.batches == [["first"], ["a", "b", "c"]]


def test_a_batch_has_room_for_so_much_and_nobody_is_passed_over() -> None:
    desk = Desk()
    with Threads(Gathering(desk.call, 8)) as threads:
        first = away(desk, threads)
        sizes = {"a": 4, "b": 4, "c": 1, "d": 8, "e": 1, "f": 9, "g": 1}
        others = [asked for each, size in sizes.items() for asked in threads.ask(each, size=size)]
        desk.end(7)
        assert answers([first, *others]) == due("first", *sizes)
    assert desk.batches == [["first"], ["a", "b"], ["c"], ["d"], ["e"], ["f"], ["g"]]


def test_so_many_calls_are_away_at_a_time() -> None:
    desk = Desk()
    with Threads(Gathering(desk.call, 2, at_once=2)) as threads:
        first = [away(desk, threads, each) for each in ("first", "second")]
        others = threads.ask("a", "b", "c", "d", size=2)
        desk.end(1)
        desk.wait(1)  # a goes in the place of whichever was let go
        assert len(desk.batches) == 3
        desk.end(1)
        desk.wait(1)  # b beside it
        desk.end(4)
        assert answers([*first, *others]) == due("first", "second", *"abcd")
    assert desk.batches == [["first"], ["second"], ["a"], ["b"], ["c"], ["d"]]


def raising(*wrong: str, error: type[BaseException] = Broken) -> Callable[[Sequence[str]], None]:
    def check(questions: Sequence[str]) -> None:
        found = [each for each in questions if each in wrong]
        if found:
            raise error(" ".join(found))

    return check


def test_an_error_of_one_costs_only_that_one() -> None:
    desk = Desk()
    desk.before = raising("b")
    with Threads(Gathering(desk.call, 8)) as threads, structlog.testing.capture_logs() as logs:
        first = away(desk, threads)
        a, b, c = threads.ask("a", "b", "c")
        desk.end(5)
        assert answers([first, a, c]) == due("first", "a", "c")
        with pytest.raises(Broken, match="b"):
            b.result(PATIENCE_S)
    assert desk.batches == [["first"], ["a", "b", "c"], ["a"], ["b"], ["c"]]
    (line,) = logs
    assert (line["action"], line["count"], line["reason"]) == ("batch_failed", 3, "Broken: b")


def test_those_of_a_batch_that_failed_go_before_all_others_and_take_nobody_along() -> None:
    desk = Desk()
    desk.before = raising("b")
    with Threads(Gathering(desk.call, 8)) as threads:
        first = away(desk, threads)
        a, b = threads.ask("a", "b")
        desk.end(1)
        desk.wait(1)
        later = threads.ask("c", "d")
        desk.end(4)
        assert answers([first, a, *later]) == due("first", "a", "c", "d")
        assert isinstance(b.exception(PATIENCE_S), Broken)
    assert desk.batches == [["first"], ["a", "b"], ["a"], ["b"], ["c", "d"]]


@pytest.mark.parametrize("error", [DeviceExhausted, MemoryError, BaseException])
def test_each_thread_raises_an_error_of_its_own(error: type[BaseException]) -> None:
    """Two threads that raise one object would write into one traceback."""
    desk = Desk()
    desk.before = raising("a", "b", error=error)
    with Threads(Gathering(desk.call, 8)) as threads:
        first = away(desk, threads)
        asked = threads.ask("a", "b")
        desk.end(4)
        assert answers([first]) == due("first")
        found = [each.exception(PATIENCE_S) for each in asked]
    assert [str(each) for each in found] == ["a", "b"]
    assert all(type(each) is error and each.__context__ is None for each in found)


def test_answers_that_are_not_as_many_as_questions_are_given_to_nobody() -> None:
    gathering = Gathering[str, str](lambda questions: ["one", "too many"], 8)
    with pytest.raises(ValueError, match="2 answers to 1 questions"):
        gathering.answer("a", 1)
    with pytest.raises(ValueError, match="2 answers to 1 questions"):
        gathering.answer("a", 1)


def test_an_interrupt_in_a_batch_is_the_one_thread_s_alone() -> None:
    desk = Desk()
    with Threads(Gathering(desk.call, 8)) as threads:
        first = away(desk, threads)
        a, b, c = threads.ask("a", "b", "c")
        desk.end(1)
        desk.wait(1)
        desk.before = raising("a", error=KeyboardInterrupt)
        desk.end(3)
        assert isinstance(a.exception(PATIENCE_S), KeyboardInterrupt)
        assert answers([first, b, c]) == due("first", "b", "c")
    assert desk.batches == [["first"], ["a", "b", "c"], ["b"], ["c"]]


def interrupt(ident: int) -> None:
    """Of a thread that waits: when it is woken next."""
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(SystemExit))


@pytest.mark.parametrize("is_away", [False, True])
def test_who_waits_and_is_interrupted_leaves_the_line_and_is_not_asked_for_again(is_away: bool) -> None:
    desk = Desk()
    gathering = Gathering(desk.call, 8)
    line = ["a", "left", "b"] if is_away else ["left", "a", "b"]
    with Threads(gathering) as threads:
        asked = {"first": away(desk, threads), **dict(zip(line, threads.ask(*line), strict=True))}
        if is_away:  # with the two others, and they fail together
            desk.before = raising("left")
            desk.end(1)
            desk.wait(1)
        interrupt(threads.idents["left"])
        if is_away:
            with gathering._changed:
                gathering._changed.notify_all()
        else:
            desk.end(1)
        assert isinstance(asked.pop("left").exception(PATIENCE_S), SystemExit)
        desk.end(4)
        assert answers(list(asked.values())) == due("first", "a", "b")
    together = [line, ["a"], ["b"]] if is_away else [["a", "b"]]
    assert desk.batches == [["first"], *together]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_many_threads_all_come_to_their_answers(at_once: int) -> None:
    """Sizes, errors and neighbours as they happen to come."""
    now, most, lock = [0], [0], threading.Lock()

    def call(questions: Sequence[str]) -> list[str]:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        try:
            raising(*(each for each in questions if each.endswith("7")))(questions)
            return [ANSWER.format(each) for each in questions]
        finally:
            with lock:
                now[0] -= 1

    gathering = Gathering(call, 8, at_once)

    def ask(thread: int) -> list[str]:
        sizes, failed = random.Random(thread), list[str]()
        for index in range(100):
            question = f"{thread}-{index}"
            try:
                assert gathering.answer(question, sizes.randint(1, 10)) == ANSWER.format(question)
            except Broken as error:
                failed.append(str(error))
        return failed

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask, thread) for thread in range(8)]
        found = [each.result(PATIENCE_S) for each in asked]
    assert found == [[f"{thread}-{tens}7" for tens in ("", *range(1, 10))] for thread in range(8)]
    assert 1 <= most[0] <= at_once
    assert gathering._line == []
