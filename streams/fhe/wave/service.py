"""Devices in service: they take turns, and each stays for as long as it answers rightly.

A question with a known answer rides in every N-th batch of look-ups of each device. What else it has done
since it was asked last, decompression for instance or look-ups by another one of its kernels, it is asked
then too, by itself. A device that answers wrongly, or raises and then does not answer at all, is out of
service for as long as this object lives.

What follows from a right answer: everything that had come back from the device *before it was asked* is
believed (`is_proven`), the rest of the batch that the question rode in is not yet. So nothing goes out that a
device computed after it broke down for good. A device that is wrong now and then goes undetected until a
question meets its fault; what it computes until then can go out. That is what several operators are for.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog

from streams.domain.errors import DeviceDistrusted
from streams.fhe.devices.packing import Rounded, blocks_in
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters
from streams.fhe.wave.exam import Duty, Exam, Subject, Unit
from streams.fhe.wave.roster import PASSING, Post, Roster
from streams.fhe.wave.watch import Mark

T = TypeVar("T")

# Batches. One of 512 look-ups is a question, and results wait for less than they take.
KNOWN_ANSWER_EVERY: Final = 16

_log = structlog.get_logger(__name__)


@dataclass(eq=False, kw_only=True)
class _Post(Post):
    unit: Unit
    batches: int = 0  # of look-ups, among them
    done: Counter[Duty] = field(default_factory=Counter[Duty])  # calls that came back
    good: Counter[Duty] = field(default_factory=Counter[Duty])  # the first of them, which are believed

    def is_proven(self, duty: Duty) -> bool:
        return self.good[duty] >= self.done[duty]


class Service:
    """The units of a worker as one device and its storage (`devices/port`), and the watch over them."""

    def __init__(self, units: Sequence[Unit], exam: Exam, every: int = KNOWN_ANSWER_EVERY) -> None:
        """Every unit answers everything before it serves.

        Args:
            units: of equal words.
            exam: what they are asked.
            every: batches of a unit with one question among them.

        Raises:
            DevicesLost: none answers rightly.
        """
        self._posts = [_Post(name=unit.name, unit=unit) for unit in units]
        # Called before anybody can know of the new epoch; it must not call back.
        self.on_out: Callable[[], None] = lambda: None
        self._roster = Roster(self._posts, lambda: self.on_out())
        self._exam = exam
        self._every = every
        self._lock = self._roster.lock
        self._asked = 0
        for post in self._posts:
            self._admit(post)

    @property
    def parameters(self) -> Parameters:
        """The set of the keys."""
        return self._posts[0].unit.device.parameters

    @property
    def batch_size(self) -> int:
        """What the devices like, but for the place of a question where that is dear."""
        unit = self._posts[0].unit
        return max(1, unit.device.batch_size - unit.spare)

    @property
    def epoch(self) -> int:
        """Units that were taken out of service."""
        with self._lock:
            return self._roster.epoch

    @property
    def reading(self) -> tuple[int, int]:
        """Questions so far, and units that were taken out."""
        with self._lock:
            return self._asked, self._roster.epoch

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        """For each ciphertext its results, shape (boxes of it, k N + 1).

        Raises:
            DeviceDistrusted: the device answers wrongly; others are there.
            DevicesLost: none is there.
        """
        with self._roster.turn() as post:
            with self._lock:
                post.batches += 1
                number = post.batches
            if number % self._every == 0:
                return self._examined(post, batch, number // self._every)
            duty = post.unit.duty(Subject.LOOK_UP, len(batch.ciphertexts))
            return self._called(post, duty, lambda: post.unit.device.bootstrap(batch))

    def rotate(self, batch: Bootstraps) -> list[Words]:
        """The same for ciphertexts (batch, n + 1) of random numbers, which are under a small key already."""
        with self._roster.turn() as post:
            duty = post.unit.duty(Subject.RANDOM, len(batch.ciphertexts))
            return self._called(post, duty, lambda: post.unit.device.rotate(batch))

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        """The stored words of a number's blocks (count, k N + 1), below 4 and of any noise in budget."""
        with self._roster.turn() as post:
            return self._called(post, Duty(Subject.PACK), lambda: post.unit.storage.compress(blocks))

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        """Fresh ciphertexts (blocks of it, k N + 1) of each packed ciphertext, all in one batch."""
        with self._roster.turn() as post:
            duty = post.unit.duty(Subject.UNPACK, sum(map(blocks_in, glwes)))
            return self._called(post, duty, lambda: post.unit.storage.decompress(glwes))

    def mark(self) -> Mark:
        """Now."""
        with self._lock:
            done = tuple(post.done[each] for post in self._posts for each in post.unit.duties)
            return Mark(self._roster.epoch, done)

    def is_proven(self, mark: Mark) -> bool:
        """Whether every unit in service that had computed by then was asked since, and answered rightly."""
        with self._lock:
            good = [(post, post.good[each]) for post in self._posts for each in post.unit.duties]
            pairs = zip(good, mark.done, strict=True)
            # Who is out is no part of it: whatever began before it went has another epoch.
            is_same = mark.epoch == self._roster.epoch
            return is_same and all(post.is_out or at >= done for (post, at), done in pairs)

    def prove(self) -> None:
        """Ask every unit about what it has done since it was asked last.

        Raises:
            DeviceDistrusted: one does not answer rightly.
            DevicesLost: it was the last one.
        """
        for post in self._posts:
            if not post.is_out:
                self._ask_about_the_rest(post)

    def _called(self, post: _Post, duty: Duty, call: Callable[[], T]) -> T:
        try:
            found = call()
        except PASSING:
            raise
        except BaseException:  # a panic of the native kernel is no Exception
            # Is it the device, or what it was given?
            self._ask(post, duty)
            raise
        with self._lock:
            # Another thread has found it out meanwhile: what it did for this one is not believed either.
            if post.is_out:
                raise self._roster.verdict(post)
            post.done[duty] += 1
        return found

    def _examined(self, post: _Post, batch: Bootstraps, number: int) -> list[Words]:
        # No regular order of places: it could keep step with a fault that has one.
        place = zlib.crc32(number.to_bytes(8, "big")) % (len(batch.ciphertexts) + 1)
        riding = self._exam.riding(batch, place)
        # The question answers for the kernel that took this batch.
        duty = post.unit.duty(Subject.LOOK_UP, len(riding.ciphertexts))
        asked_at = self._asking(post, duty)
        found = self._called(post, duty, lambda: list(post.unit.device.bootstrap(riding)))
        self._judge(post, duty, self._exam.is_right(Subject.LOOK_UP, [found.pop(place)]), asked_at)
        # That kernel is answered for as far as it matters; the batch itself by the next question.
        self._ask_about_the_rest(post, but=duty)
        return found

    def _ask_about_the_rest(self, post: _Post, but: Duty | None = None) -> None:
        for duty in post.unit.duties:
            if duty != but and not post.is_proven(duty):
                self._ask(post, duty)

    def _ask(self, post: _Post, duty: Duty) -> None:
        asked_at = self._asking(post, duty)
        try:
            answer = self._exam.asked(post.unit, duty)
        except PASSING:
            raise
        except BaseException as error:
            raise self._roster.taken_out(post, f"{duty}: {type(error).__name__}: {error}") from error
        times = post.unit.least_batches[duty.kernel]
        self._judge(post, duty, self._exam.is_right(duty.subject, answer, times), asked_at)

    def _asking(self, post: _Post, duty: Duty) -> int:
        with self._lock:
            self._asked += 1
            return post.done[duty]

    def _judge(self, post: _Post, duty: Duty, is_right: bool, asked_at: int) -> None:
        if not is_right:
            raise self._roster.taken_out(post, f"a wrong answer: {duty}")
        with self._lock:
            post.good[duty] = max(post.good[duty], asked_at)

    def _admit(self, post: _Post) -> None:
        try:
            for duty in post.unit.duties:
                self._ask(post, duty)
        except DeviceDistrusted as error:
            _log.warning("begins without a device", action="device_refused", reason=str(error))
