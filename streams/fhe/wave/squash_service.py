"""Devices that squash, in service: they take turns, and each stays for as long as it answers rightly.

The numbers of a call leave only once the device that squashed them was asked *afterwards*, and answered
rightly. The question is a whole number with known words, from decompression to packing: it goes through every
kernel and every key that numbers do, however many they are. Calls beside each other share one, which answers
for all that had come back before it was asked. No result waits for a later call: so there is no setting for
how many calls lie between two questions, as there is for look-ups.

What follows: nothing goes out that a device computed after it broke down for good, and what it computed since
it last answered rightly is computed again on another. A device that is wrong now and then goes undetected
until a question meets its fault, as in `service`. A call goes out as a whole or begins again as a whole; what
it raises says nothing about which of its numbers that was.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from streams.domain.errors import DeviceDistrusted
from streams.fhe.devices.words import Words
from streams.fhe.wave.roster import PASSING, Post, Roster
from streams.fhe.wave.squash_unit import SquashExam, SquashUnit, Unsquashed

_log = structlog.get_logger(__name__)


@dataclass(eq=False, kw_only=True)
class _Post(Post):
    unit: SquashUnit
    done: int = 0  # calls that came back
    good: int = 0  # the first of them, which are believed; of whoever has the next one
    asking: threading.Lock = field(default_factory=threading.Lock)


class SquashService:
    """The units of a worker, each of equal words, and the watch over them; for several threads at once."""

    def __init__(self, units: Sequence[SquashUnit], exam: SquashExam) -> None:
        """`units` have passed the exam; there is at least one."""
        self._posts = [_Post(name=unit.name, unit=unit) for unit in units]
        self._roster = Roster(self._posts)
        self._exam = exam
        self._lock = self._roster.lock
        self._asked = 0

    @property
    def reading(self) -> tuple[int, int]:
        """Questions so far, and units that were taken out."""
        with self._lock:
            return self._asked, self._roster.epoch

    @property
    def units(self) -> int:
        """Those that it began with."""
        return len(self._posts)

    def squashed(self, numbers: Sequence[Unsquashed]) -> list[tuple[Words, ...]]:
        """Of each number its packed ciphertexts (words, 2), or else its squashed ones (4097, 2).

        Raises:
            DeviceExhausted: a GPU has too little memory, or others hold it for long.
            DevicesLost: no device is left that answers rightly.
        """
        # It ends: whoever is distrusted is out, and after the last one comes DevicesLost.
        while True:
            try:
                return self._believed(numbers)
            except DeviceDistrusted as error:
                _log.warning("items begin again", action="item_again", count=len(numbers), reason=str(error))

    def _believed(self, numbers: Sequence[Unsquashed]) -> list[tuple[Words, ...]]:
        with self._roster.turn() as post:
            try:
                found = post.unit.squashed(numbers)
            except PASSING:
                raise
            except BaseException:  # a panic of native code is no Exception
                # Is it the device, or what it was given?
                with post.asking:
                    self._ask(post)
                raise
            with self._lock:
                post.done += 1
                number = post.done
            with post.asking:
                # Another thread's question, which this one waited for, may have answered for it.
                if post.good < number:
                    self._ask(post)
        return found

    def _ask(self, post: _Post) -> None:
        """By whoever holds `post.asking`; raises DeviceDistrusted, DevicesLost."""
        with self._lock:
            if post.is_out:
                raise self._roster.verdict(post)
            self._asked += 1
            asked_at = post.done
        try:
            is_right = self._exam.is_passed(post.unit)
        except PASSING:
            raise
        except BaseException as error:
            raise self._roster.taken_out(post, f"{type(error).__name__}: {error}") from error
        if not is_right:
            raise self._roster.taken_out(post, "a wrong answer: squashing")
        post.good = asked_at
