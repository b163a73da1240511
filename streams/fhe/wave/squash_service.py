"""Devices that squash, in service: they take turns, and each stays for as long as it answers rightly.

A number leaves only once the device that squashed it was asked *afterwards*, and answered rightly. The
question is a whole number with known words, from decompression to packing: it goes through every kernel and
every key that a number does. Calls beside each other share one, which answers for all that had come back
before it was asked. No result waits for a later call: so there is no setting for how many calls lie between
two questions, as there is for look-ups.

What follows: nothing goes out that a device computed after it broke down for good, and what it computed since
it last answered rightly is computed again on another. A device that is wrong now and then goes undetected
until a question meets its fault, as in `service`.
"""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from streams.domain.errors import DeviceDistrusted, DevicesLost
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.words import Words
from streams.fhe.wave.service import PASSING
from streams.fhe.wave.squash_unit import SquashExam, SquashUnit

_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Post:
    """What is known of a unit."""

    unit: SquashUnit
    is_out: bool = False
    busy: int = 0  # calls that it is at
    turns: int = 0  # calls that it was given
    done: int = 0  # calls that came back
    good: int = 0  # the first of them, which are believed; of whoever has the next one
    asking: threading.Lock = field(default_factory=threading.Lock)


class SquashService:
    """The units of a worker, each of equal words, and the watch over them; for several threads at once."""

    def __init__(self, units: Sequence[SquashUnit], exam: SquashExam) -> None:
        """`units` have passed the exam; there is at least one."""
        self._posts = [_Post(unit) for unit in units]
        self._exam = exam
        self._lock = threading.Lock()
        self._asked = 0

    @property
    def reading(self) -> tuple[int, int]:
        """Questions so far, and units that were taken out."""
        with self._lock:
            return self._asked, sum(post.is_out for post in self._posts)

    def squashed(self, glwes: Sequence[Rounded], *, packed: bool) -> tuple[Words, ...]:
        """A stored number's packed ciphertexts (words, 2), or else its squashed ones (4097, 2).

        Raises:
            DeviceExhausted: a GPU has too little memory, or others hold it for long.
            DevicesLost: no device is left that answers rightly.
        """
        # It ends: whoever is distrusted is out, and after the last one comes DevicesLost.
        while True:
            try:
                return self._believed(glwes, packed=packed)
            except DeviceDistrusted as error:
                _log.warning("an item begins again", action="item_again", reason=str(error))

    def _believed(self, glwes: Sequence[Rounded], *, packed: bool) -> tuple[Words, ...]:
        with self._turn() as post:
            try:
                found = post.unit.squashed(glwes, packed=packed)
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

    @contextmanager
    def _turn(self) -> Generator[_Post]:
        with self._lock:
            there = [post for post in self._posts if not post.is_out]
            if not there:
                raise DevicesLost
            post = min(there, key=lambda post: (post.busy, post.turns))
            post.busy += 1
            post.turns += 1
        try:
            yield post
        finally:
            with self._lock:
                post.busy -= 1

    def _ask(self, post: _Post) -> None:
        """By whoever holds `post.asking`; raises DeviceDistrusted, DevicesLost."""
        with self._lock:
            if post.is_out:
                raise self._verdict(post, "it is out of service")
            self._asked += 1
            asked_at = post.done
        try:
            is_right = self._exam.is_passed(post.unit)
        except PASSING:
            raise
        except BaseException as error:
            raise self._taken_out(post, f"{type(error).__name__}: {error}") from error
        if not is_right:
            raise self._taken_out(post, "a wrong answer: squashing")
        post.good = asked_at

    def _taken_out(self, post: _Post, reason: str) -> DeviceDistrusted | DevicesLost:
        with self._lock:
            post.is_out = True
            left = sum(not each.is_out for each in self._posts)
            name = post.unit.name
            _log.error("device out of service", action="device_out", device=name, reason=reason, left=left)
            return self._verdict(post, reason)

    def _verdict(self, post: _Post, reason: str) -> DeviceDistrusted | DevicesLost:
        kind = DevicesLost if all(each.is_out for each in self._posts) else DeviceDistrusted
        return kind(f"{post.unit.name}: {reason}")
