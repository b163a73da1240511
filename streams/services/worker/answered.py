"""Computations that a worker has answered: asked for again, they are not made again.

On a crowded machine an item may wait in a partition for longer than its owner waits for a worker, and is sent
again; computing it once for each attempt would make the crowd worse. Not to compute it is sound: a result
counts whatever attempt it answers (`streams/domain/outcomes.py`), and the results log keeps it. A failure of
a former attempt does not count, so failures are not kept here. An answer is forgotten after a while: should
its owner need it a second time after all, the item is late, sent again, and then computed.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from streams.domain.work import Work, encode_work
from streams.ports import Clock

KEPT_S: Final = 600.0  # several deadlines of an item that waits for a worker
ANSWERS_MAX: Final = 10_000  # some 2 MB; the oldest make room


class Answered:
    """One at a time of equal questions, and the digests of those that were answered, the oldest first."""

    def __init__(self, clock: Clock, answers_max: int = ANSWERS_MAX) -> None:
        self._clock = clock
        self._answers_max = answers_max
        self._at_s: dict[bytes, float] = {}
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def turn(self, work: Work) -> AsyncGenerator[bool]:
        """After all equal questions that came before; yields whether one of them was answered.

        A block that ends without an error has answered the question.
        """
        question = _question(work)
        # weak: a lock lives as long as somebody is in it or waits for it
        lock = self._turns.setdefault(question, asyncio.Lock())
        async with lock:
            is_answered = self._knows(question)
            yield is_answered
            if not is_answered:
                self._keep(question)

    def _knows(self, question: bytes) -> bool:
        kept_from_s = self._clock.monotonic_s() - KEPT_S
        while self._at_s and next(iter(self._at_s.values())) <= kept_from_s:
            self._drop_oldest()
        return question in self._at_s

    def _keep(self, question: bytes) -> None:
        self._at_s[question] = self._clock.monotonic_s()
        if len(self._at_s) > self._answers_max:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        del self._at_s[next(iter(self._at_s))]


def _question(work: Work) -> bytes:
    """What is asked, whatever the attempt: the same item may be asked for again with other content."""
    return hashlib.sha256(encode_work(msgspec.structs.replace(work, attempt=0))).digest()
