"""Calls beside each other become one: the first in line takes along those behind it.

No call waits for others to come. The first one goes alone; what is asked while it is away goes together as
soon as another may go, so that batches are as large as there is work for, and no larger.

Whose error a failed batch is shows when each of it goes by itself: they stand in front again, and each thread
goes with its own question and raises what becomes of that. So an error costs the others a second call, and no
two threads are told the same one. A thread that is interrupted leaves the line; those that it had taken along
go by themselves too.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import structlog

Q = TypeVar("Q")
A = TypeVar("A")

# Meant for the thread, whatever it is at: no error of a batch.
_INTERRUPTS: Final = (KeyboardInterrupt, SystemExit)

_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Asked(Generic[Q, A]):
    question: Q
    size: int
    goes_alone: bool = False  # a batch with it failed
    is_left: bool = False  # nobody waits for it any more
    answers: list[A] = field(default_factory=list[A])  # one, once it is there


class Gathering(Generic[Q, A]):
    """Asks for the questions of several threads together, in the order in which they came."""

    def __init__(self, call: Callable[[Sequence[Q]], Sequence[A]], size_max: int, at_once: int = 1) -> None:
        """A batch has `size_max` at most, or one question that is larger.

        Args:
            call: an answer to each question; for `at_once` threads.
            size_max: of a batch.
            at_once: calls that may be away at a time.
        """
        self._call = call
        self._size_max = size_max
        self._free = at_once
        self._line = list[_Asked[Q, A]]()  # who has not gone yet
        self._changed = threading.Condition()

    def answer(self, question: Q, size: int) -> A:
        """The answer to this question of that size; raises what the call raises for it alone."""
        mine = _Asked[Q, A](question, size)
        with self._changed:
            self._line.append(mine)
        try:
            while not mine.answers:
                self._go(self._taken(mine))
        finally:
            self._leave(mine)
        return mine.answers[0]

    def _taken(self, mine: _Asked[Q, A]) -> list[_Asked[Q, A]]:
        """This one with those that go with it; nobody, once another thread has brought its answer."""
        with self._changed:
            # The first one only: so a thread is never away for others alone, with its own answer at home.
            self._changed.wait_for(lambda: mine.answers or (self._free and self._line[:1] == [mine]))
            if mine.answers:
                return []
            batch = self._first()
            self._free -= 1
            self._changed.notify_all()  # another one is the first now, and may be free to go
            return batch

    def _first(self) -> list[_Asked[Q, A]]:
        batch = [self._line.pop(0)]
        room = 0 if batch[0].goes_alone else self._size_max - batch[0].size
        # Nobody is passed over: a large one would wait for as long as small ones come. Those that go alone
        # stand in front of all others, so nobody finds one behind.
        while self._line and self._line[0].size <= room:
            batch.append(self._line.pop(0))
            room -= batch[-1].size
        return batch

    def _go(self, batch: Sequence[_Asked[Q, A]]) -> None:
        if not batch:
            return
        answers: Sequence[A] = ()
        try:
            answers = self._answers(batch)
        except BaseException as error:  # a panic of native code is no Exception
            if len(batch) == 1 or isinstance(error, _INTERRUPTS):
                raise
            reason = f"{type(error).__name__}: {error}"
            _log.warning("each goes alone", action="batch_failed", count=len(batch), reason=reason)
        finally:
            self._settle(batch, answers)

    def _answers(self, batch: Sequence[_Asked[Q, A]]) -> Sequence[A]:
        answers = self._call([each.question for each in batch])
        if len(answers) != len(batch):
            raise ValueError(f"{len(answers)} answers to {len(batch)} questions")
        return answers

    def _settle(self, batch: Sequence[_Asked[Q, A]], answers: Sequence[A]) -> None:
        """All of the batch have an answer, or none has."""
        with self._changed:
            for each, answer in zip(batch, answers, strict=False):
                each.answers.append(answer)
            # Not those that left meanwhile: nobody would go with them, and all others would wait for ever.
            again = [each for each in batch if not (answers or each.is_left)]
            for each in again:
                each.goes_alone = True
            self._line[:0] = again
            self._free += 1
            self._changed.notify_all()

    def _leave(self, mine: _Asked[Q, A]) -> None:
        with self._changed:
            mine.is_left = True
            if mine in self._line:
                self._line.remove(mine)
                self._changed.notify_all()
